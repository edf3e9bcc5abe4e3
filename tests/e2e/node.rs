//! A Kubernetes node on this machine, shared by the tests of this binary, which take turns on it.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde_json::Value;

use crate::api::Api;

/// The image of the server on it, made of the binary that the tests were built with.
pub const IMAGE: &str = "velero-rs:e2e";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A running node. It goes when the last test that has it is over, and with the test process however that ends.
pub struct Node {
    /// Everything of it, and what tests put there.
    directory: PathBuf,
    kubeconfig: PathBuf,
    api: Option<Api>,
    /// Its name in the cluster.
    pub name: String,
    /// Takes the node down when its input ends.
    guard: Child,
}

/// A test's turn: the node for itself.
pub struct Turn {
    /// Let go before the node.
    _turn: MutexGuard<'static, ()>,
    node: Arc<Node>,
}

impl std::ops::Deref for Turn {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

/// The node that the tests share. Locked while it is coming up.
static RUNNING: Mutex<Weak<Node>> = Mutex::new(Weak::new());

/// Whether anything of the shared node may be on the machine, and what tells that it is gone.
static PRESENT: Mutex<bool> = Mutex::new(false);
static GONE: Condvar = Condvar::new();

/// The node, for one test after the other.
pub fn node() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let node = {
        let mut running = RUNNING.lock();
        let node = running.upgrade().unwrap_or_else(|| Arc::new(Node::up()));
        *running = Arc::downgrade(&node);
        node
    };
    Turn {
        // A test that failed has had its turn all the same.
        _turn: TURN.lock(),
        node,
    }
}

/// Runs a test that wants no node on the machine: after the tests that have or await one now, before any later one.
pub fn without_node(test: impl FnOnce(&Path)) {
    let _running = RUNNING.lock();
    let mut present = PRESENT.lock();
    while *present {
        GONE.wait(&mut present);
    }
    test(&launcher());
}

fn launcher() -> PathBuf {
    let programs = std::env::var("VELERO_TEST_BIN")
        .expect("VELERO_TEST_BIN is not set: tests of the whole system are started by `make test`");
    Path::new(&programs).join("launcher")
}

impl Node {
    fn up() -> Self {
        let linked = if cfg!(target_feature = "crt-static") {
            "statically"
        } else {
            "dynamically"
        };
        assert_eq!(
            linked, "statically",
            "the image is made FROM scratch and the binary needs libraries: `make test` sets the flags for that"
        );
        let directory = tempfile::Builder::new()
            .prefix("velero-e2e-")
            .tempdir()
            .expect("a directory")
            .keep();
        *PRESENT.lock() = true;
        let guard = guard(&directory);
        let mut node = Self {
            kubeconfig: PathBuf::new(),
            api: None,
            name: String::new(),
            guard,
            directory,
        };
        let run = node.directory.join("node");
        let ready = succeed(Command::new(launcher()).args(["cluster", "up", "--dir"]).arg(&run));
        let ready: Value = serde_json::from_str(&ready).expect("the launcher reports about the node");
        node.kubeconfig = PathBuf::from(ready["kubeconfig"].as_str().expect("a kubeconfig"));
        node.api = Some(Api::new(&node.kubeconfig));
        ready["node"].as_str().expect("a name").clone_into(&mut node.name);
        node.build_image(&run);
        node
    }

    fn build_image(&self, run: &Path) {
        let binaries = Path::new(env!("CARGO_BIN_EXE_velero")).parent().expect("a directory");
        succeed(
            Command::new("make")
                .args(["--no-print-directory", "-C", ROOT, "image-context"])
                .arg(format!("BINARIES={}", binaries.display()))
                .arg(format!("IMAGE_DIR={}", self.directory.display())),
        );
        succeed(
            Command::new(launcher())
                .args(["image", "build", "--tag", IMAGE, "--file"])
                .arg(Path::new(ROOT).join("Dockerfile"))
                .arg("--context")
                .arg(self.directory.join("context"))
                .arg("--dir")
                .arg(run),
        );
    }

    /// A directory of this machine with this name, for a volume.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Runs the command line as a user does from this machine; whether it succeeded, its output and what it complained of.
    pub fn velero(&self, namespace: &str, arguments: &[&str]) -> (bool, String, String) {
        self.program(Path::new(env!("CARGO_BIN_EXE_velero")), namespace, arguments)
    }

    /// Runs that of the Go release.
    pub fn go_velero(&self, namespace: &str, arguments: &[&str]) -> (bool, String, String) {
        self.program(&launcher().with_file_name("velero"), namespace, arguments)
    }

    fn program(&self, program: &Path, namespace: &str, arguments: &[&str]) -> (bool, String, String) {
        let output = Command::new(program)
            .args(arguments)
            .args(["--namespace", namespace])
            .current_dir(&self.directory)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.directory)
            .stdin(Stdio::null())
            .output()
            .expect("the command runs");
        (output.status.success(), plain(&output.stdout), plain(&output.stderr))
    }

    /// Runs kubectl and returns its output; the test fails with its errors.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments, "")
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// Runs kubectl with an input; its output, or its errors.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(launcher().with_file_name("node"))
            .arg("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("its input");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        if output.status.success() {
            Ok(plain(&output.stdout))
        } else {
            Err(plain(&output.stderr))
        }
    }

    /// Applies this YAML.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.try_kubectl(&["apply", "-f", "-"], yaml)
            .unwrap_or_else(|error| panic!("apply: {error}\n{yaml}"));
    }

    /// The objects that these arguments of `kubectl get` lead to.
    #[track_caller]
    pub fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat());
        let found: Value = serde_json::from_str(&text).expect("JSON");
        match found["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![found],
        }
    }

    /// One object, or nothing.
    pub fn object(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        let api = self.api.as_ref().expect("the node is up");
        let mut object = api.get(namespace, kind, name)?;
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        Some(object)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        *PRESENT.lock() = false;
        GONE.notify_all();
    }
}

/// A process that outlives this one: when its input is closed it takes the node down, and removes the directory
/// once nothing is mounted there. In a group of its own, so that an interrupt from the terminal is not for it.
fn guard(directory: &Path) -> Child {
    const SCRIPT: &str = r#"cat >/dev/null; "$0" cluster down --dir "$1/node" >/dev/null 2>&1 && rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", SCRIPT])
        .arg(launcher())
        .arg(directory)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("a guard starts")
}

/// The output of a command that has to succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{command:?}\n{}", plain(&output.stderr));
    plain(&output.stdout)
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
