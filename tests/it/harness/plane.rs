//! A control plane for a test: etcd and a kube-apiserver.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::pool::{Clean, Pool};
use super::running::Running;
use super::text;

/// A control plane that a test has for itself. When this is dropped it goes to the next test, emptied; the plane of a test that
/// failed ends, as one with a controller manager does.
pub struct Plane {
    /// Nothing only while it is dropped.
    source: Option<Source>,
}

enum Source {
    Own(Box<Running>),
    Pooled(Box<Clean>, Arc<Pool>),
}

impl Plane {
    /// Takes one that is as new, or starts one.
    pub fn start() -> Self {
        Self::of(Pool::shared())
    }

    fn of(pool: Arc<Pool>) -> Self {
        let plane = pool.take(|| Running::start(&[]));
        Self {
            source: Some(Source::Pooled(Box::new(plane), pool)),
        }
    }

    /// Starts one with a controller manager: namespaces end, owners' dependents go.
    pub fn with_controller_manager() -> Self {
        // Not used again: its controllers may still be about to write when the store is put back.
        Self {
            source: Some(Source::Own(Box::new(Running::start(&["--controller-manager"])))),
        }
    }

    fn running(&self) -> &Running {
        match self.source.as_ref().expect("it is not dropped") {
            Source::Own(running) => running,
            Source::Pooled(plane, _) => &plane.running,
        }
    }

    /// Where it is reached.
    pub fn kubeconfig(&self) -> &Path {
        &self.running().kubeconfig
    }

    /// Runs kubectl and returns its output; the test fails with its errors.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// Runs kubectl with an input; its output, or its errors.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        self.running().kubectl(arguments, input)
    }

    /// Applies this YAML.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.kubectl_with(&["apply", "-f", "-"], yaml)
            .unwrap_or_else(|error| panic!("apply: {error}\n{yaml}"));
    }

    /// Creates the objects of these documents, one after another.
    #[track_caller]
    pub fn create(&self, documents: &str) {
        let created = self.running().api.create(documents);
        created.unwrap_or_else(|error| panic!("create: {error}"));
    }

    /// An object, or nothing.
    #[track_caller]
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        self.running().api.get(namespace, kind, name)
    }

    /// Every object of a kind in a namespace.
    #[track_caller]
    pub fn list(&self, namespace: &str, kind: &str) -> Vec<Value> {
        self.running().api.list(namespace, kind, "")
    }

    /// The names of those of them that have a label.
    #[track_caller]
    pub fn labelled(&self, namespace: &str, kind: &str, label: &str) -> Vec<String> {
        let found = self.running().api.list(namespace, kind, label);
        found.iter().map(|object| text(object, "/metadata/name")).collect()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(Source::Pooled(plane, pool)) = self.source.take()
            && !std::thread::panicking()
        {
            pool.give(*plane);
        }
    }
}

#[test]
fn a_plane_goes_to_the_next_test_as_new_and_not_after_a_failure() {
    let pool = Arc::new(Pool::default());
    let plane = Plane::of(Arc::clone(&pool));
    let kubeconfig = plane.kubeconfig().to_owned();
    plane.create(
        r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
{apiVersion: v1, kind: Namespace, metadata: {name: app, finalizers: [example.com/stays]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: app, finalizers: [example.com/stays]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: refuses}
webhooks:
- name: refuses.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: [configmaps]}]
  clientConfig: {url: "https://127.0.0.1:9/"}
"#,
    );
    plane.kubectl(&["wait", "--for=condition=Established", "crd/widgets.example.com"]);
    plane.create(r#"{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}"#);
    plane.kubectl(&["get", "widgets"]);
    plane.kubectl(&["label", "namespace", "default", "changed=yes"]);
    plane.kubectl(&["delete", "crd", "schedules.velero.io"]);
    plane.kubectl(&["delete", "clusterrole", "view"]);
    drop(plane);

    let plane = Plane::of(Arc::clone(&pool));
    assert_eq!(plane.kubeconfig(), kubeconfig, "it is the same one");
    for (namespace, kind, name) in [
        ("", "namespace", "app"),
        ("app", "configmap", "c"),
        ("", "crd", "widgets.example.com"),
        ("", "validatingwebhookconfiguration", "refuses"),
    ] {
        assert_eq!(plane.get(namespace, kind, name), None);
    }
    let unknown = plane
        .kubectl_with(&["get", "widgets"], "")
        .expect_err("the kind is unknown");
    assert!(unknown.contains("the server doesn't have a resource type"), "{unknown}");
    let default = plane.get("", "namespace", "default").expect("it is there");
    assert_eq!(default["metadata"]["labels"]["changed"], Value::Null);
    assert!(plane.get("", "clusterrole", "view").is_some());
    plane.create(r#"{"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "s"}, "spec": {"schedule": "@daily", "template": {}}}"#);
    plane.create(r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}"#);

    let failed = std::thread::spawn(move || {
        let _plane = plane;
        panic!("as a test that fails");
    });
    assert!(failed.join().is_err());
    assert!(pool.is_empty(), "the plane of a failed test ended");
}
