//! A control plane: etcd and a kube-apiserver of its own for a test, or one shared by those that keep to namespaces.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::launched::{Launched, program};

/// A running control plane; ends when it is dropped.
pub struct Plane {
    kubeconfig: PathBuf,
    _launched: Launched,
}

impl Plane {
    /// Starts one; takes a few seconds.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with a controller manager: namespaces end, owners' dependents go.
    pub fn with_controller_manager() -> Self {
        Self::with(&["--controller-manager"])
    }

    fn with(arguments: &[&str]) -> Self {
        let launched = Launched::start("control-plane", arguments);
        let plane = Self {
            kubeconfig: launched.reported("kubeconfig").expect("a kubeconfig").into(),
            _launched: launched,
        };
        plane.kubectl(&["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crds")]);
        plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        plane
    }

    /// Where it is reached.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl and returns its output; the test fails with its errors.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// Runs kubectl with an input; its output, or its errors.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(program("node"))
            .arg("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        child
            .stdin
            .take()
            .expect("its input")
            .write_all(input.as_bytes())
            .expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Applies this YAML.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.kubectl_with(&["apply", "-f", "-"], yaml)
            .unwrap_or_else(|error| panic!("apply: {error}\n{yaml}"));
    }

    /// An object, or nothing.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        let mut arguments = vec![
            "get",
            kind,
            name,
            "-o",
            "json",
            "--show-managed-fields",
            "--ignore-not-found",
        ];
        if !namespace.is_empty() {
            arguments.extend(["-n", namespace]);
        }
        let text = self.kubectl(&arguments);
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).expect("an object"))
    }

    /// Every object of a kind in a namespace.
    pub fn list(&self, namespace: &str, kind: &str) -> Vec<Value> {
        let text = self.kubectl(&["get", kind, "-n", namespace, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).expect("a list");
        list["items"].as_array().expect("items").clone()
    }
}
