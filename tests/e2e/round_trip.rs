//! The main job, with applications that run.

use serde_json::{Value, json};

use crate::compare::lasting;
use crate::installation::Installation;
use crate::node::{Node, node};
use crate::shop::Shop;
use crate::text;

/// Fails with every difference unless each object is in `namespace` now as it was.
#[track_caller]
fn assert_as_before(node: &Node, before: &[Value], namespace: &str) {
    for object in before {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let group = text(object, "/apiVersion");
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let name = if kind == "Namespace" { namespace } else { &name };
        let now = node
            .object(namespace, &format!("{}.{group}", kind.to_lowercase()), name)
            .unwrap_or_else(|| panic!("{kind} {name} is not back"));
        similar_asserts::assert_eq!(
            lasting(&now, namespace),
            lasting(object, namespace),
            "{} {} is not as it was",
            kind,
            name
        );
    }
}

fn pods(node: &Node, namespace: &str) -> Vec<String> {
    let pods = node.objects(&["pods", "-n", namespace]);
    pods.iter().map(|pod| text(pod, "/metadata/name")).collect()
}

#[test]
fn a_deleted_shop_is_restored_with_every_pod_ready() {
    let node = node();
    let velero = Installation::new(&node, "velero");
    let shop = Shop::open(&node);
    let (before, pods_before, page) = (shop.objects(), pods(&node, "shop"), shop.page("shop"));
    assert_eq!(before.len(), 21, "the shop has objects of most kinds");
    assert_eq!(page, "hello from the shop, wörld\n");

    velero.back_up("shop", "shop");
    shop.delete();
    velero.restore("back", "shop", &[]);
    shop.until_ready("shop");

    assert_as_before(&node, &before, "shop");
    assert_eq!(
        pods(&node, "shop"),
        pods_before,
        "they are the same pods, not replacements"
    );
    assert_eq!(shop.page("shop"), page);
    let described = velero.velero(&["restore", "describe", "back", "--details"]);
    for line in [
        "Phase:                       Completed",
        "    - shop/web(created)",
        "    - shop-data(created)",
    ] {
        assert!(described.contains(line), "{line:?} is not in\n{described}");
    }
}

#[test]
fn logs_and_pages_reach_a_user_who_cannot_reach_the_bucket() {
    let node = node();
    let velero = Installation::new(&node, "velero-far");
    node.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: far}\n");
    velero.back_up("far", "far");
    let reads = |how: &str| {
        let log = velero.velero(&["backup", "logs", "far"]);
        assert!(log.contains("Backed up a total of"), "{how}\n{log}");
        let described = velero.velero(&["backup", "describe", "far", "--details"]);
        assert!(described.contains("  v1/Namespace:\n    - far\n"), "{how}\n{described}");
        let archive = node.volume("far.tar.gz");
        let archive = archive.display().to_string();
        velero.velero(&["backup", "download", "far", "--force", "--output", &archive]);
        assert_eq!(std::fs::read(&archive).expect("a file")[..2], [0x1f, 0x8b], "{how}");
    };
    reads("through the API server's proxy");
    node.kubectl(&["delete", "service", "velero", "-n", velero.namespace]);
    reads("through a forwarded port, when there is no Service");
    // Files of a bucket that cannot sign addresses have no other way.
    assert!(velero.install().contains("Service/velero: created"));
}

#[test]
fn a_shop_is_restored_beside_itself_and_over_itself() {
    let node = node();
    let velero = Installation::new(&node, "velero-copy");
    let shop = Shop::open(&node);
    let before = shop.objects();
    velero.back_up("shop", "shop");

    // The claim's volume is bound to the original, and the port of the node is taken: the copy gets other ones.
    node.kubectl(&["delete", "namespace", "shop-copy", "--ignore-not-found"]);
    velero.velero(&[
        "restore",
        "create",
        "copy",
        "--from-backup",
        "shop",
        "--namespace-mappings",
        "shop:shop-copy",
        "--wait",
    ]);
    let copied: Vec<Value> = before
        .iter()
        .filter(|object| {
            let kind = text(object, "/kind");
            !object["metadata"]["namespace"].is_null() && kind != "PersistentVolumeClaim" && kind != "Service"
        })
        .cloned()
        .collect();
    assert_as_before(&node, &copied, "shop-copy");
    assert_as_before(&node, &before, "shop");

    node.kubectl(&[
        "patch",
        "configmap/settings",
        "-n",
        "shop",
        "-p",
        r#"{"data": {"index.html": "changed", "new": "key"}}"#,
    ]);
    velero.velero(&["restore", "create", "none", "--from-backup", "shop", "--wait"]);
    let settings = node.object("shop", "configmap", "settings").expect("it is there");
    assert_eq!(
        settings["data"]["index.html"],
        json!("changed"),
        "what exists is left alone"
    );
    velero.restore("update", "shop", &["--existing-resource-policy", "update"]);
    assert_as_before(&node, &before, "shop");
    node.kubectl(&["delete", "namespace", "shop-copy", "--timeout=60s"]);
}
