//! A control plane: etcd and a kube-apiserver of its own for a test, or one shared by those that keep to namespaces.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running control plane; ends when it is dropped, and with the test process however that ends.
pub struct Plane {
    child: Child,
    kubeconfig: PathBuf,
    /// Removed with it.
    _directory: tempfile::TempDir,
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
        let programs = std::env::var("VELERO_TEST_BIN")
            .expect("VELERO_TEST_BIN is not set: integration tests are started by `make test`");
        let directory = tempfile::Builder::new().prefix("plane").tempdir().expect("a directory");
        let mut child = Command::new(Path::new(&programs).join("launcher"))
            .args(["control-plane", "run", "--dir"])
            .arg(directory.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the launcher starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!(
                "the control plane did not start; its logs are in {}",
                directory.path().display()
            )
        });
        let kubeconfig = PathBuf::from(ready["kubeconfig"].as_str().expect("a kubeconfig"));
        let plane = Self {
            child,
            kubeconfig,
            _directory: directory,
        };
        plane.kubectl(&["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crds")]);
        plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        plane
    }

    /// Where it is reached.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl; its output, or the test fails with what it said.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// Runs kubectl with an input; its output, or what it said.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let programs = std::env::var("VELERO_TEST_BIN").expect("set by `make test`");
        let mut child = Command::new(Path::new(&programs).join("node"))
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

    /// Creates or changes what this YAML says.
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

impl Drop for Plane {
    fn drop(&mut self) {
        // Its end of input tells the launcher to stop what it started.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
