//! A client that knows nothing but URLs, outside of the cluster: through a port of the node to the server's pod.

use crate::installation::Installation;
use crate::node::node;
use crate::text;

#[test]
#[ignore = "builds the Go release, which takes many minutes: `make test-long` runs it"]
fn the_go_command_line_reads_through_a_port_of_the_node() {
    let node = node();
    let object = node.object("", "node", &node.name).expect("the node");
    let url = format!("https://{}:30443", text(&object, "/status/addresses/0/address"));
    let flags = ["--artifact-url", &url, "--artifact-node-port", "30443"];
    // What `velero install` writes to the location is all that its clients trust.
    let velero = Installation::with(&node, "velero-port", &flags);
    node.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: reached}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: reached}\n",
    );
    velero.back_up("b", "reached");
    for (arguments, wanted) in [
        (&["backup", "logs", "b"][..], "backup=velero-port/b"),
        (&["backup", "describe", "b", "--details"], "- reached/settings"),
        (
            &["backup", "download", "b", "-o", "b.tar.gz"],
            "successfully downloaded",
        ),
    ] {
        let (ok, out, error) = node.go_velero(velero.namespace, arguments);
        assert!(ok && out.contains(wanted), "{arguments:?}: {out}\n{error}");
        assert!(!out.contains("<error"), "{arguments:?}: {out}");
    }
}
