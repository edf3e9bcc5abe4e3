//! The main job: an application backed up and restored, seen from outside.

use crate::harness::{Plane, Server, text};

#[test]
fn the_shop_is_backed_up_deleted_and_restored() {
    let plane = Plane::with_controller_manager();
    let server = Server::start(&plane, "velero");
    plane.open_shop();

    server.velero(&["backup", "create", "first", "--include-namespaces", "shop", "--wait"]);
    let backup = server.ended("backup", "first");
    assert_eq!(text(&backup, "/status/phase"), "Completed", "{backup:#}");
    plane.kubectl(&[
        "wait",
        "-n",
        "velero",
        "--for=condition=Completed",
        "backup.velero.io/first",
        "--timeout=10s",
    ]);
    let members = server.archive("first").paths;
    for path in [
        "metadata/version",
        "resources/configmaps/namespaces/shop/settings.json",
        "resources/configmaps/v1-preferredversion/namespaces/shop/settings.json",
        "resources/deployments.apps/namespaces/shop/web.json",
        "resources/widgets.example.com/namespaces/shop/blue.json",
        "resources/customresourcedefinitions.apiextensions.k8s.io/cluster/widgets.example.com.json",
        "resources/persistentvolumes/cluster/shop-data.json",
        "resources/clusterrolebindings.rbac.authorization.k8s.io/cluster/shop-reader.json",
        "resources/namespaces/cluster/shop.json",
    ] {
        assert!(
            members.iter().any(|member| member == path),
            "{path} is not in {members:#?}"
        );
    }

    plane.kubectl(&["delete", "namespace", "shop", "--wait", "--timeout=60s"]);
    plane.kubectl(&["delete", "persistentvolume", "shop-data", "--wait=false"]);
    server.velero(&["restore", "create", "back", "--from-backup", "first", "--wait"]);
    let restore = server.ended("restore", "back");
    assert_eq!(
        text(&restore, "/status/phase"),
        "Completed",
        "{restore:#}\n{}",
        server.velero(&["restore", "logs", "back"])
    );

    let settings = plane.get("shop", "configmap", "settings").expect("it is back");
    assert_eq!(text(&settings, "/data/greeting"), "hello, wörld");
    assert_eq!(text(&settings, "/metadata/labels/velero.io~1restore-name"), "back");
    let blue = plane.get("shop", "widget", "blue").expect("it is back");
    assert_eq!(text(&blue, "/spec/big"), "9007199254740993");
    let namespace = plane.get("", "namespace", "shop").expect("it is back");
    assert_eq!(text(&namespace, "/metadata/labels/team"), "web");
}
