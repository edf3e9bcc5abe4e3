//! `velero restore create --dry-run`: it writes nothing, and the restore then does what it printed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, files, text};

/// What changes by itself, or by asking.
const RESTLESS: [&str; 6] = [
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "downloadrequests.velero.io",
    "backupstoragelocations.velero.io",
    "componentstatuses",
];

/// Short, so that waits without success end soon.
const HASTY: [&str; 2] = ["--resource-timeout=4s", "--terminating-resource-timeout=4s"];

/// Every object of the cluster with its version.
fn everything(plane: &Plane) -> BTreeSet<String> {
    let kinds = plane.kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !RESTLESS.contains(kind)).collect();
    let format = "-o=jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{\"\\n\"}{end}";
    let found = plane.kubectl(&["get", &kinds.join(","), "-A", format]);
    found.lines().map(str::to_owned).collect()
}

fn config(namespace: &str, name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels}, "data": {"key": name},
    })
}

/// The cluster that is backed up.
fn fill(plane: &Plane) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "app"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "app"},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "web", "image": "example.com/web"}]},
    });
    let secret = |namespace: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
            "stringData": {"password": "correct horse"}})
    };
    let mut objects = Vec::new();
    for namespace in ["app", "tight", "going", "source"] {
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        objects.push(config(namespace, "settings", &json!({})));
    }
    for name in ["same", "absent", "leaving"] {
        objects.push(config("app", name, &json!({})));
    }
    objects.push(config("app", "forbidden", &json!({"forbidden": "true"})));
    objects.extend([account, pod, definition, secret("app", "s"), secret("tight", "over")]);
    for object in objects {
        plane.apply(&object.to_string());
    }
    plane.kubectl(&[
        "wait",
        "--for=condition=Established",
        "crd/gadgets.example.com",
        "--timeout=60s",
    ]);
    plane.apply(
        &json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": "app"}})
            .to_string(),
    );
}

/// What became of it since.
fn spoil(plane: &Plane) {
    plane.kubectl(&["delete", "crd", "gadgets.example.com"]);
    plane.kubectl(&["delete", "-n", "app", "pod/web", "--grace-period=0", "--force"]);
    plane.kubectl(&[
        "delete",
        "-n",
        "app",
        "serviceaccount/web",
        "configmap/absent",
        "configmap/forbidden",
    ]);
    plane.kubectl(&[
        "patch",
        "-n",
        "app",
        "configmap/settings",
        "--type=merge",
        "-p",
        r#"{"data":{"key":"changed","more":"x"}}"#,
    ]);
    plane.kubectl(&[
        "patch",
        "-n",
        "app",
        "secret/s",
        "--type=merge",
        "-p",
        r#"{"stringData":{"password":"battery staple"}}"#,
    ]);
    plane.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-forbidden"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "!has(object.metadata.labels) || !('forbidden' in object.metadata.labels)",
                "message": "what is forbidden does not come in"}],
        },
    }).to_string());
    plane.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-forbidden"},
        "spec": {"policyName": "no-forbidden", "validationActions": ["Deny"]},
    }).to_string());
    plane.kubectl(&["delete", "-n", "tight", "secret/over"]);
    plane.apply("apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none, namespace: tight}\nspec: {hard: {count/secrets: 0}}\n");
    for (namespace, name) in [("app", "leaving"), ("going", "settings")] {
        let stay = r#"{"metadata":{"finalizers":["example.com/stay"]}}"#;
        plane.kubectl(&["patch", "-n", namespace, "configmap", name, "--type=merge", "-p", stay]);
    }
    plane.kubectl(&["delete", "-n", "app", "configmap/leaving", "--wait=false"]);
    plane.kubectl(&["delete", "namespace", "going", "source", "--wait=false"]);
    eventually("the policy, the quota and the deletions to take hold", || {
        let refused = config("app", "probe", &json!({"forbidden": "true"})).to_string();
        let denied = plane
            .kubectl_with(&["create", "--dry-run=server", "-f", "-"], &refused)
            .is_err();
        let quota = text(
            &plane.get("tight", "resourcequota", "none")?,
            "/status/hard/count~1secrets",
        ) == "0";
        let going = plane.get("", "namespace", "going")?["status"]["conditions"].to_string();
        let held = going.contains("SomeFinalizersRemain");
        (denied && quota && held && plane.get("", "namespace", "source").is_none()).then_some(())
    });
}

/// A plan by its items, with the exit code.
fn plan(server: &Server<'_>, arguments: &[&str]) -> (bool, Value) {
    let mut line = vec!["restore", "create", "--from-backup", "b", "--dry-run", "-o", "json"];
    line.extend(arguments);
    let (ok, out, err) = server.try_velero(&line);
    assert_eq!(err, "", "{out}");
    (
        ok,
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")),
    )
}

fn items(plan: &Value) -> &Vec<Value> {
    plan["items"].as_array().expect("items")
}

fn of<'a>(plan: &'a Value, kind: &str, namespace: &str, name: &str) -> &'a Value {
    let is = |item: &&Value| {
        text(item, "/kind") == kind && text(item, "/namespace") == namespace && text(item, "/name") == name
    };
    items(plan)
        .iter()
        .find(is)
        .unwrap_or_else(|| panic!("no {kind} {namespace}/{name} in {plan:#}"))
}

fn action(plan: &Value, kind: &str, namespace: &str, name: &str) -> (String, String) {
    let item = of(plan, kind, namespace, name);
    (text(item, "/action"), text(item, "/reason"))
}

/// The resource list of a restore that follows the plan.
fn list_of(plan: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut list: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in items(plan) {
        let (reason, kind) = (text(item, "/reason"), text(item, "/kind"));
        let word = match text(item, "/action").as_str() {
            "create" => "created",
            "patch" => "updated",
            "unchanged" if kind != "Namespace" => "skipped",
            "deny" => "failed",
            "wait" if reason.contains("it exists and is being deleted") => "failed",
            "skip" if reason.contains("is different") => "failed",
            "skip" => "skipped",
            _ => continue,
        };
        let (namespace, name) = (text(item, "/namespace"), text(item, "/name"));
        let name = if namespace.is_empty() {
            name
        } else {
            format!("{namespace}/{name}")
        };
        let kind = format!("{}/{kind}", text(item, "/apiVersion"));
        list.entry(kind).or_default().insert(format!("{name}({word})"));
    }
    list
}

/// Without what controllers put into every new namespace: they may be faster than the restore.
fn ours(mut list: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    for names in list.values_mut() {
        names.retain(|name| !name.starts_with("copy/kube-root-ca.crt(") && !name.starts_with("copy/default("));
    }
    list.retain(|_, names| !names.is_empty());
    list
}

/// Carries the same restore out, and checks that it follows the plan.
fn carry_out(server: &Server<'_>, name: &str, arguments: &[&str], plan: &Value) -> Value {
    let mut line = vec!["restore", "create", name, "--from-backup", "b", "--wait"];
    line.extend(arguments);
    server.try_velero(&line);
    let restore = server.ended("restore", name);
    let done = server.unpacked(&format!("restores/{name}/restore-{name}-resource-list.json.gz"));
    let done = serde_json::from_str(&done).expect("a list");
    similar_asserts::assert_eq!(ours(list_of(plan)), ours(done));
    restore
}

#[test]
fn a_restore_does_what_its_dry_run_printed() {
    let plane = Plane::with_controller_manager();
    let mut server = Server::start_with(&plane, "velero", &HASTY);
    server.stand_behind_the_proxy();
    fill(&plane);
    server.velero(&[
        "backup",
        "create",
        "b",
        "--include-namespaces",
        "app,tight,going,source",
        "--wait",
    ]);
    spoil(&plane);

    let before = (everything(&plane), files(&server.bucket()));
    let mapped = ["--namespace-mappings", "source:copy"];
    let (ok, first) = plan(&server, &mapped);
    let page = server.try_velero(
        &[
            &["restore", "create", "page", "--from-backup", "b", "--dry-run"][..],
            &mapped,
        ]
        .concat(),
    );
    similar_asserts::assert_eq!((everything(&plane), files(&server.bucket())), before);
    assert!(server.objects("restore").is_empty(), "it creates no Restore");

    assert!(!ok, "something is denied");
    let expected = [
        ("ConfigMap", "app", "same", "unchanged", ""),
        ("ConfigMap", "app", "settings", "skip", "is different"),
        ("ConfigMap", "app", "absent", "create", ""),
        (
            "ConfigMap",
            "app",
            "forbidden",
            "deny",
            "what is forbidden does not come in",
        ),
        ("ConfigMap", "app", "leaving", "wait", "being deleted"),
        ("Secret", "app", "s", "skip", "is different"),
        ("Secret", "tight", "over", "deny", "exceeded quota"),
        ("ServiceAccount", "app", "web", "create", ""),
        (
            "Pod",
            "app",
            "web",
            "create",
            "serviceaccounts/app/web is created by this restore",
        ),
        ("CustomResourceDefinition", "", "gadgets.example.com", "create", ""),
        ("Gadget", "app", "g", "create", "its type is created by this restore"),
        ("Namespace", "", "copy", "create", ""),
        (
            "ConfigMap",
            "copy",
            "settings",
            "create",
            "its namespace is created by this restore",
        ),
        ("Namespace", "", "going", "wait", "being deleted"),
        ("ConfigMap", "going", "settings", "wait", "namespace"),
        ("Namespace", "", "app", "unchanged", "it exists"),
    ];
    for (kind, namespace, name, what, why) in expected {
        let (action, reason) = action(&first, kind, namespace, name);
        assert_eq!(action, what, "{kind} {namespace}/{name}: {reason}");
        assert!(reason.contains(why), "{kind} {namespace}/{name}: {reason}");
    }
    assert_eq!(of(&first, "ConfigMap", "copy", "settings")["sourceNamespace"], "source");
    let changes = |plan: &Value, kind: &str, name: &str| of(plan, kind, "app", name)["changes"].clone();
    let differs =
        json!([{"path": "data.key", "from": "changed", "to": "settings"}, {"path": "data.more", "from": "x"}]);
    assert_eq!(changes(&first, "ConfigMap", "settings"), differs);
    assert_eq!(
        changes(&first, "Secret", "s"),
        json!([{"path": "data.password", "hidden": true}])
    );
    assert_eq!(page.0, ok);
    for line in [
        "source -> copy",
        "To be created:",
        "what is forbidden does not come in",
        "data.key: \"changed\" -> \"settings\"",
    ] {
        assert!(page.1.contains(line), "{line}\n{}", page.1);
    }
    let restore = carry_out(&server, "r", &mapped, &first);
    assert_eq!(text(&restore, "/status/phase"), "PartiallyFailed");

    // Once more, over the objects that exist now.
    let update = ["--existing-resource-policy", "update", "--include-namespaces", "app"];
    let before = (everything(&plane), files(&server.bucket()));
    let (_, second) = plan(&server, &update);
    similar_asserts::assert_eq!((everything(&plane), files(&server.bucket())), before);
    assert_eq!(action(&second, "ConfigMap", "app", "settings").0, "patch");
    assert_eq!(changes(&second, "ConfigMap", "settings"), differs);
    assert_eq!(action(&second, "ConfigMap", "app", "absent").0, "unchanged");
    carry_out(&server, "u", &update, &second);
    server.was_well(&[]);
}

#[test]
fn a_dry_run_is_refused_as_its_restore_and_a_standby_plans_too() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    server.stand_behind_the_proxy();
    plane.kubectl(&["create", "namespace", "app"]);
    plane.apply(&config("app", "settings", &json!({})).to_string());
    server.velero(&["backup", "create", "b", "--include-namespaces", "app", "--wait"]);

    let wrong = ["--include-resources", "nodes", "--namespace-mappings", "app:No"];
    let (ok, refused) = plan(&server, &wrong);
    assert!(!ok);
    server.try_velero(
        &[
            &["restore", "create", "wrong", "--from-backup", "b", "--wait"][..],
            &wrong,
        ]
        .concat(),
    );
    let real = server.ended("restore", "wrong");
    assert_eq!(text(&real, "/status/phase"), "FailedValidation");
    assert_eq!(refused["validationErrors"], real["status"]["validationErrors"]);
    let (ok, _, err) = server.try_velero(&["restore", "create", "wrong", "--from-backup", "b", "--dry-run"]);
    assert!(!ok && err.contains("already exists"), "the name is taken: {err}");
    let (ok, _, err) = server.try_velero(&["restore", "create", "--from-backup", "none", "--dry-run"]);
    assert!(!ok && err.contains("not found"), "{err}");

    let (ok, planned) = plan(&server, &[]);
    assert!(ok, "nothing is denied: {planned:#}");
    let restore = planned["restore"].clone();
    let token = server.token("d", "BackupContents", "b");
    let standby = server.standby();
    let (status, answer) = eventually("the standby to serve", || {
        standby
            .log()
            .contains("standing by")
            .then(|| standby.plan("b", &token, &restore))
    });
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.trim_end().ends_with('}') && answer.contains("\"end\""),
        "{answer}"
    );
    assert_eq!(server.leader(), server.identity());
    let other = server.token("e", "BackupLog", "b");
    assert_eq!(standby.plan("b", &other, &restore).0, 403);
    assert_eq!(server.objects("restore").len(), 1, "only the one that was refused");

    drop(standby);
    a_server_that_cannot_says_so_and_creates_nothing(&mut server);
}

/// A Go server answers a request for a file with a URL and no token.
fn a_server_that_cannot_says_so_and_creates_nothing(server: &mut Server<'_>) {
    let stopped = server.stop(crate::harness::SOON);
    assert!(stopped.success());
    let line = ["restore", "create", "old", "--from-backup", "b", "--dry-run"];
    let mut command = server.command(&line);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let name = eventually("a download request", || {
        let all = server.objects("downloadrequest");
        all.into_keys().find(|name| name.starts_with("b-"))
    });
    let answer = r#"{"status":{"phase":"Processed","downloadURL":"https://bucket.example.com/b"}}"#;
    server.plane.kubectl(&[
        "patch",
        "-n",
        "velero",
        "downloadrequests.velero.io",
        &name,
        "--type=merge",
        "-p",
        answer,
    ]);
    let output = child.wait_with_output().expect("it ends");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && printed.contains("nothing was created"),
        "{printed}"
    );
    assert_eq!(server.objects("restore").len(), 1);
}
