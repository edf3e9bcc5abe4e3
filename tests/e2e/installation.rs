//! Velero as a user installs it, in a namespace of the test's own.

use std::path::PathBuf;

use serde_json::Value;

use crate::node::{IMAGE, Node};
use crate::{eventually, text};

/// An installation that stores backups in a directory of the node.
pub struct Installation<'a> {
    pub node: &'a Node,
    pub namespace: &'static str,
    store: PathBuf,
}

impl<'a> Installation<'a> {
    /// Installs, and waits until the server is ready.
    pub fn new(node: &'a Node, namespace: &'static str) -> Self {
        Self::with(node, namespace, &[])
    }

    /// The same with further flags of `velero install`.
    pub fn with(node: &'a Node, namespace: &'static str, flags: &[&str]) -> Self {
        let installation = Self {
            node,
            namespace,
            store: node.volume(&format!("store-{namespace}")),
        };
        installation.install_with(flags);
        installation
    }

    /// Runs `velero install`; returns its output.
    pub fn install(&self) -> String {
        self.install_with(&[])
    }

    fn install_with(&self, flags: &[&str]) -> String {
        let store = self.store.display().to_string();
        let usual = [
            "install",
            "--image",
            IMAGE,
            "--filesystem-host-path",
            &store,
            "--node",
            &self.node.name,
            // Several installations share a small node.
            "--velero-pod-cpu-request=50m",
            "--wait",
        ];
        self.velero(&[&usual, flags].concat())
    }

    /// Runs the command line and returns its output; the test fails with its errors.
    #[track_caller]
    pub fn velero(&self, arguments: &[&str]) -> String {
        let (ok, out, err) = self.try_velero(arguments);
        assert!(ok, "velero {arguments:?} failed\n{out}\n{err}");
        out
    }

    /// Runs the command line; whether it succeeded, its output and its errors.
    pub fn try_velero(&self, arguments: &[&str]) -> (bool, String, String) {
        self.node.velero(self.namespace, arguments)
    }

    /// Backs up a namespace; the test fails unless it is complete.
    #[track_caller]
    pub fn back_up(&self, backup: &str, namespace: &str) {
        self.velero(&["backup", "create", backup, "--include-namespaces", namespace, "--wait"]);
        self.must_be_complete("backup", backup);
    }

    /// Restores a backup with these flags; the test fails unless the restore is complete.
    #[track_caller]
    pub fn restore(&self, restore: &str, backup: &str, flags: &[&str]) {
        let create = ["restore", "create", restore, "--from-backup", backup, "--wait"];
        self.velero(&[&create, flags].concat());
        self.must_be_complete("restore", restore);
    }

    /// Fails with all there is to know unless the run was complete.
    #[track_caller]
    pub fn must_be_complete(&self, kind: &str, name: &str) {
        let run = self.object(kind, name);
        let phase = text(&run, "/status/phase");
        if phase != "Completed" {
            let (_, log, error) = self.try_velero(&[kind, "logs", name]);
            let log: Vec<_> = log.lines().filter(|line| !line.contains("level=info")).collect();
            panic!("{kind} {name} is {phase}\n{run:#}\n{}\n{error}", log.join("\n"));
        }
    }

    /// Waits until a run is over.
    #[track_caller]
    pub fn until_over(&self, kind: &str, name: &str) {
        eventually(&format!("the end of {kind} {name}"), || {
            let phase = text(&self.object(kind, name), "/status/phase");
            ["Completed", "PartiallyFailed", "Failed", "FailedValidation"]
                .contains(&phase.as_str())
                .then_some(())
        });
    }

    /// An object of Velero's.
    #[track_caller]
    pub fn object(&self, kind: &str, name: &str) -> Value {
        self.node
            .object(self.namespace, &format!("{kind}.velero.io"), name)
            .unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// The server's pods that are not on their way out.
    pub fn pods(&self) -> Vec<Value> {
        let all = self
            .node
            .objects(&["pods", "-n", self.namespace, "-l", "deploy=velero"]);
        all.into_iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .collect()
    }
}

impl Drop for Installation<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for previous in ["--previous=false", "--previous"] {
            let arguments = ["logs", "-n", self.namespace, "deployment/velero", "--tail=40", previous];
            let log = self.node.try_kubectl(&arguments, "");
            eprintln!(
                "--- the server's last words ({previous}) ---\n{}",
                log.unwrap_or_else(|e| e)
            );
        }
    }
}
