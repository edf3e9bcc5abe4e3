//! `--features EnableAPIGroupVersions`: every version that is served is in the archive, and a restore finds its way in it.

use serde_json::Value;

use super::scene;
use crate::harness::{Plane, Server, text};

#[test]
fn every_served_version_is_saved_where_the_feature_is_on() {
    let plane = Plane::start();
    scene::set(&plane);
    let server = Server::start_with(&plane, "velero", &["--features", "EnableAPIGroupVersions,EnableCSI"]);
    let idle = |line: &&str| line.contains("this feature has no effect in this release");
    let log = server.log();
    let idle: Vec<&str> = log.lines().filter(idle).collect();
    assert!(idle.len() == 1 && idle[0].contains("feature=EnableCSI"), "{idle:?}");
    let create = ["backup", "create", "all", "--include-namespaces", "shop", "--wait"];
    server.velero(&create);
    assert_eq!(text(&server.object("backup", "all"), "/status/phase"), "Completed");

    let archive = server.archive("all");
    assert_eq!(archive.paths[0], "metadata/version");
    assert_eq!(archive.contents["metadata/version"], b"1.1.0\n");
    let widget = "widgets.example.com";
    let plain = &archive.contents[&format!("resources/{widget}/namespaces/shop/blue.json")];
    let preferred = &archive.contents[&format!("resources/{widget}/v1-preferredversion/namespaces/shop/blue.json")];
    assert_eq!(plain, preferred);
    let other = &archive.contents[&format!("resources/{widget}/v1beta1/namespaces/shop/blue.json")];
    let version = |json: &[u8]| text(&serde_json::from_slice::<Value>(json).expect("JSON"), "/apiVersion");
    assert_eq!(version(plain), "example.com/v1");
    assert_eq!(version(other), "example.com/v1beta1");
    // What has one version has no other copies.
    let others = |path: &&String| path.contains("/v1beta1/") && !path.contains(widget);
    assert_eq!(archive.paths.iter().find(others), None);
    let list = server.unpacked("backups/all/all-resource-list.json.gz");
    for listed in [
        r#""example.com/v1/Widget":["shop/blue"]"#,
        r#""example.com/v1beta1/Widget":["shop/blue"]"#,
    ] {
        assert!(list.contains(listed), "{listed} is not in {list}");
    }

    let restore = [
        "restore",
        "create",
        "back",
        "--from-backup",
        "all",
        "--include-resources",
        "widgets.example.com",
        "--namespace-mappings",
        "shop:copy",
        "--wait",
    ];
    server.velero(&restore);
    let restore = server.object("restore", "back");
    assert_eq!(text(&restore, "/status/phase"), "Completed", "{restore:#}");
    assert!(plane.get("copy", "widgets", "blue").is_some());
}
