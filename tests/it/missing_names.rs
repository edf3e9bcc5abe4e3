//! Names that match nothing, in a backup of this cluster and in a restore of a backup. They are reported on the object, in its
//! files and at the prompt.

use crate::harness::{Plane, Server, text};

#[test]
fn names_that_match_nothing_are_reported() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    // the texts of warnings come from files
    server.stand_behind_the_proxy();
    plane.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nginx, namespace: shop, labels: {app: nginx}}\n",
    );
    let of_shop = |arguments: &[&str]| {
        let all = [
            &["backup", "create", "--include-namespaces", "shop", "--wait"],
            arguments,
        ]
        .concat();
        server.velero(&all)
    };

    // A type that is not served is a warning, wherever it stands.
    let printed = of_shop(&[
        "typo",
        "--include-resources",
        "configmaps,secretss",
        "--exclude-resources",
        "podss",
    ]);
    assert!(
        printed.contains("Backup completed with status: Completed."),
        "{printed}"
    );
    assert!(printed.contains("\nWarnings: 2\n"), "{printed}");
    for (field, name) in [("included", "secretss"), ("excluded", "podss")] {
        let want = format!("spec.{field}Resources names \"{name}\", and the API server serves no such type");
        assert!(printed.contains(&want), "{printed}");
    }
    assert_eq!(text(&server.object("backup", "typo"), "/status/warnings"), "2");
    let page = server.velero(&["backup", "describe", "typo"]);
    assert!(page.contains("serves no such type"), "{page}");
    let printed = of_shop(&["order", "--ordered-resources", "configmap=shop/web"]);
    assert!(printed.contains("write \"configmaps\""), "{printed}");
    let printed = server.velero(&[
        "backup",
        "create",
        "pattern",
        "--include-namespaces",
        "shop,x*",
        "--wait",
    ]);
    assert!(
        printed.contains("the pattern \"x*\", and no namespace matches it"),
        "{printed}"
    );

    // Both terms hold, and no object has two values of a label.
    of_shop(&[
        "both",
        "--selector",
        "app=web,app=nginx",
        "--include-resources",
        "configmaps",
    ]);
    let both = server.object("backup", "both");
    assert_eq!(text(&both, "/spec/labelSelector/matchLabels/app"), "web");
    assert_eq!(text(&both, "/spec/labelSelector/matchExpressions/0/values/0"), "nginx");
    assert!(
        !server
            .velero(&["backup", "describe", "both", "--details"])
            .contains("shop/web")
    );
    let page = server.velero(&["backup", "describe", "both"]);
    assert!(page.contains("app=web,app in (nginx)"), "{page}");

    // The same in a restore. A mapping of a missing namespace is refused, with the existing ones.
    of_shop(&["shop"]);
    let restored = |name: &str, arguments: &[&str]| {
        server.velero(
            &[
                &["restore", "create", name, "--from-backup", "shop", "--wait"],
                arguments,
            ]
            .concat(),
        )
    };
    for (name, arguments, want) in [
        (
            "namespace",
            ["--include-namespaces", "typo"],
            "spec.includedNamespaces names \"typo\", and the backup has no such namespace; it has shop",
        ),
        (
            "type",
            ["--include-resources", "configmapss"],
            "spec.includedResources names \"configmapss\", and the backup has no such objects; it has configmaps",
        ),
        (
            "selector",
            ["--selector", "app=web,app=nginx"],
            "the filters of the restore select nothing of the backup",
        ),
    ] {
        let printed = restored(name, &arguments);
        assert!(
            printed.contains("Restore completed with status: Completed."),
            "{printed}"
        );
        assert!(
            printed.contains("\nWarnings: 1\n") && printed.contains(want),
            "{printed}"
        );
        assert_eq!(text(&server.object("restore", name), "/status/warnings"), "1");
    }
    let refused = "invalid namespace mapping 'typo:copy': the backup has no namespace 'typo'; it has shop";
    let printed = restored("mapping", &["--namespace-mappings", "typo:copy"]);
    assert!(
        printed.contains("Restore completed with status: FailedValidation."),
        "{printed}"
    );
    assert!(
        printed.ends_with(&format!("\nValidation errors:\n  {refused}\n")),
        "{printed}"
    );
    assert!(plane.get("", "namespace", "copy").is_none());
    let dry = [
        "restore",
        "create",
        "--from-backup",
        "shop",
        "--namespace-mappings",
        "typo:copy",
        "--dry-run",
    ];
    let (ok, _, err) = server.try_velero(&dry);
    assert!(!ok && err.contains(refused), "{err}");

    // Names made of the time, of one second mostly.
    for _ in 0..3 {
        server.velero(&["restore", "create", "--from-backup", "shop"]);
        server.velero(&["restore", "create", "--from-backup", "shop", "--dry-run"]);
    }
}
