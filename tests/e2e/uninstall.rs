//! Installing what cannot work, and removing what was installed.

use crate::installation::Installation;
use crate::node::node;

#[test]
fn an_impossible_installation_is_refused_and_removed_completely() {
    let node = node();
    let other = Installation::new(&node, "velero-stays");
    let (ok, _, error) = node.velero(
        "velero-nowhere",
        &["install", "--image=i", "--filesystem-host-path=/d", "--node=nowhere"],
    );
    assert!(!ok && error.contains("node \"nowhere\" does not exist"), "{error}");
    assert_eq!(
        node.object("", "namespace", "velero-nowhere"),
        None,
        "nothing was created"
    );

    let velero = Installation::new(&node, "velero-goes");
    node.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: kept}\n");
    velero.back_up("kept", "kept");
    velero.restore("kept", "kept", &[]);
    let printed = velero.velero(&["uninstall", "--force"]);
    assert!(printed.contains("Velero is also installed in "), "{printed}");
    assert_eq!(node.object("", "namespace", "velero-goes"), None);
    assert_eq!(node.object("", "clusterrolebinding", "velero-velero-goes"), None);
    other.velero(&["backup-location", "get", "default"]);

    // What is in the bucket is no part of the installation, and comes back with it.
    velero.install();
    crate::eventually("the backup to be brought back from the bucket", || {
        velero.try_velero(&["backup", "get", "kept"]).0.then_some(())
    });
    velero.velero(&["uninstall", "--force"]);
}
