//! A control plane that runs: etcd, a kube-apiserver that knows Velero's kinds, perhaps a kube-controller-manager.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::api::Api;
use super::launched::{Launched, program};
use super::store::Store;

/// Ends when it is dropped.
pub struct Running {
    pub kubeconfig: PathBuf,
    pub api: Api,
    launched: Launched,
}

impl Running {
    /// Starts one; takes a few seconds. The arguments are the launcher's.
    pub fn start(arguments: &[&str]) -> Self {
        let launched = Launched::start("control-plane", arguments);
        let kubeconfig = PathBuf::from(launched.reported("kubeconfig").expect("a kubeconfig"));
        let running = Self {
            api: Api::new(&kubeconfig),
            kubeconfig,
            launched,
        };
        for arguments in [
            ["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crds")].as_slice(),
            &["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"],
        ] {
            let done = running.kubectl(arguments, "");
            done.unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"));
        }
        running
    }

    /// What its API server keeps.
    pub fn store(&self) -> Store {
        Store::new(self.launched.reported("etcd").expect("its store"))
    }

    /// Runs kubectl with an input; its output, or its errors.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(program("node"))
            .arg("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.kubectl_cache())
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

    /// What is remembered of its kinds is asked for again.
    pub fn forget_kinds(&self) -> Result<(), String> {
        self.api.forget_kinds();
        match std::fs::remove_dir_all(self.kubectl_cache()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("remove the cache of kubectl: {error}")),
            _ => Ok(()),
        }
    }

    /// By its default place kubectl would take a later cluster at the same address for this one.
    fn kubectl_cache(&self) -> PathBuf {
        self.kubeconfig.with_file_name("kubectl-cache")
    }
}
