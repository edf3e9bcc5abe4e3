//! Applications that make a restore harder than the shop does.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::installation::Installation;
use crate::node::{Node, node};
use crate::{eventually, text};

const DEFINITION: &str = include_str!("../../demo/definition.yaml");
const OBJECTS: &str = include_str!("applications.yaml");
const WEBHOOK: &str = "validatingwebhookconfiguration/guarded";
const WIDGETS: usize = 20;

/// The application on a node. It is removed when this is dropped, so that nothing is in the way of the next test.
struct Guarded<'a> {
    node: &'a Node,
}

impl<'a> Guarded<'a> {
    fn open(node: &'a Node) -> Self {
        let certified =
            rcgen::generate_simple_self_signed(["admission.guarded.svc".to_owned()]).expect("a certificate");
        let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        let guarded = Self { node };
        node.apply(DEFINITION);
        node.kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/widgets.example.com",
            "--timeout=60s",
        ]);
        node.apply(OBJECTS);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "admission-tls", "namespace": "guarded"},
            "stringData": {"tls.crt": certificate, "tls.key": key},
        });
        node.apply(&secret.to_string());
        let webhook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "guarded"},
            "webhooks": [{
                "name": "guarded.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 2,
                "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                           "resources": ["widgets"]}],
                "clientConfig": {
                    "service": {"name": "admission", "namespace": "guarded"},
                    "caBundle": base64(certificate.as_bytes()),
                },
            }],
        });
        node.apply(&webhook.to_string());
        guarded.until_ready();
        let mut widgets = String::new();
        for number in 0..WIDGETS {
            let _ = write!(
                widgets,
                "---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w{number}, namespace: guarded}}\nspec: {{n: {number}}}\n"
            );
        }
        // A backend is ready a moment before the node's proxy leads to it.
        eventually("the webhook to be served", || {
            node.try_kubectl(&["apply", "-f", "-"], &widgets).ok()
        });
        guarded
    }

    fn until_ready(&self) {
        self.node.kubectl(&[
            "rollout",
            "status",
            "-n",
            "guarded",
            "deployment/admission",
            "--timeout=60s",
        ]);
    }

    fn delete(&self) {
        for what in [
            WEBHOOK,
            "namespace/guarded",
            "namespace/guarded-copy",
            "crd/widgets.example.com",
        ] {
            let _ = self
                .node
                .try_kubectl(&["delete", what, "--ignore-not-found", "--timeout=60s"], "");
        }
    }

    fn ports(&self, service: &str) -> Value {
        self.node.object("guarded", "service", service).expect("a service")["spec"]["ports"].clone()
    }

    /// How many widgets its backend has let through since it was started.
    fn admitted(&self) -> usize {
        let log = self.node.kubectl(&["logs", "-n", "guarded", "deployment/admission"]);
        log.lines()
            .filter(|line| line.contains("CREATE guarded/w") && line.contains("allowed=true dryRun=false"))
            .count()
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        self.delete();
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn objects_behind_a_webhook_are_restored_in_one_run() {
    let node = node();
    let velero = Installation::new(&node, "velero-guarded");
    let guarded = Guarded::open(&node);
    let fixed = guarded.ports("fixed");
    assert_eq!(guarded.admitted(), WIDGETS);
    velero.velero(&[
        "backup",
        "create",
        "guarded",
        "--include-namespaces",
        "guarded",
        "--include-cluster-scoped-resources",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "--wait",
    ]);
    velero.must_be_complete("backup", "guarded");

    guarded.delete();
    velero.restore("back", "guarded", &[]);
    guarded.until_ready();
    let widgets = node.objects(&["widgets", "-n", "guarded"]);
    assert_eq!(widgets.len(), WIDGETS);
    assert!(node.object("", "validatingwebhookconfiguration", "guarded").is_some());
    // The webhook stood before the first widget came: every one had to wait for the backend.
    assert_eq!(
        guarded.admitted(),
        WIDGETS,
        "{}",
        velero.velero(&["restore", "logs", "back"])
    );
    assert_eq!(guarded.ports("fixed"), fixed, "a port that the user chose is kept");
    assert_ne!(text(&guarded.ports("given"), "/0/nodePort"), "");

    // Beside itself: the chosen port is taken, and every widget of the copy goes through the webhook too.
    velero.velero(&[
        "restore",
        "create",
        "copy",
        "--from-backup",
        "guarded",
        "--namespace-mappings",
        "guarded:guarded-copy",
        "--wait",
    ]);
    assert_eq!(node.objects(&["widgets", "-n", "guarded-copy"]).len(), WIDGETS);
    let copy = velero.object("restore", "copy");
    let results = velero.velero(&["restore", "describe", "copy"]);
    assert_eq!(text(&copy, "/status/errors"), "1", "{results}");
    assert!(results.contains("provided port is already allocated"), "{results}");
}
