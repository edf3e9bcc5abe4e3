//! `velero server` on this machine against a control plane, with a Velero namespace and a bucket of its own.

mod process;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{Plane, eventually, text, within};

/// Phases that a backup or a restore does not leave.
const FINAL: [&str; 4] = ["Completed", "PartiallyFailed", "Failed", "FailedValidation"];

/// A Velero installation of a test.
pub struct Server<'a> {
    /// The cluster.
    pub plane: &'a Plane,
    /// The namespace Velero lives in.
    pub namespace: String,
    child: Option<Child>,
    directory: PathBuf,
    /// Further flags of the next start.
    pub flags: Vec<String>,
    /// Variables of the environment, of the server from its next start on and of commands.
    pub environment: Vec<(String, String)>,
    /// Its identity in the leader election.
    identity: String,
    /// Where it serves artifacts.
    artifacts: String,
    /// Where its page of metrics is.
    pub metrics: String,
    starts: u32,
    /// Removed with it, unless another installation reads the same bucket.
    owned: Option<tempfile::TempDir>,
}

impl<'a> Server<'a> {
    /// Makes a namespace and a location named `default` on a bucket of its own, and starts the server.
    pub fn start(plane: &'a Plane, namespace: &str) -> Self {
        Self::owning(|directory| Self::on_bucket(plane, namespace, directory))
    }

    /// The same with further flags.
    pub fn start_with(plane: &'a Plane, namespace: &str, flags: &[&str]) -> Self {
        Self::owning(|directory| Self::on_bucket_with(plane, namespace, directory, flags))
    }

    fn owning(start: impl FnOnce(&Path) -> Self) -> Self {
        let owned = tempfile::Builder::new()
            .prefix("velero")
            .tempdir()
            .expect("a directory");
        let mut server = start(owned.path());
        server.owned = Some(owned);
        server
    }

    /// The same on a bucket that is there already.
    pub fn on_bucket(plane: &'a Plane, namespace: &str, directory: &Path) -> Self {
        Self::on_bucket_with(plane, namespace, directory, &[])
    }

    fn on_bucket_with(plane: &'a Plane, namespace: &str, directory: &Path, flags: &[&str]) -> Self {
        let location = format!(
            "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: default, namespace: {namespace}}}\n\
             spec: {{provider: velero.io/fs, default: true, objectStorage: {{bucket: velero}}, config: {{fspath: {}}}}}\n",
            directory.join("store").display()
        );
        Self::at(plane, namespace, directory, &location, flags)
    }

    /// The same at the location `default` of this YAML.
    pub fn at(plane: &'a Plane, namespace: &str, directory: &Path, location: &str, flags: &[&str]) -> Self {
        let mut server = Self::stopped(plane, namespace, directory);
        server.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        server.plane.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n{location}"
        ));
        server.begin();
        server.until_available("default");
        server
    }

    fn stopped(plane: &'a Plane, namespace: &str, directory: &Path) -> Self {
        std::fs::create_dir_all(directory.join("scratch")).expect("a scratch directory");
        std::fs::create_dir_all(directory.join("store/velero")).expect("a bucket");
        Self {
            plane,
            namespace: namespace.to_owned(),
            child: None,
            directory: directory.to_owned(),
            flags: Vec::new(),
            environment: Vec::new(),
            identity: namespace.to_owned(),
            artifacts: String::new(),
            metrics: String::new(),
            starts: 0,
            owned: None,
        }
    }

    /// Starts the process; `restart` after a kill.
    pub fn begin(&mut self) {
        self.starts += 1;
        self.artifacts = free_address();
        self.metrics = free_address();
        let log = File::create(self.log_path()).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_velero"))
            .arg("server")
            .arg("--kubeconfig")
            .arg(self.plane.kubeconfig())
            .args(["--namespace", &self.namespace, "--log-level", "debug"])
            // As a container that is restarted in its pod: its own lease is taken back at once.
            .args(["--identity", &self.identity])
            .args([
                "--metrics-address",
                &self.metrics,
                "--artifact-address",
                &self.artifacts,
            ])
            .arg("--scratch-dir")
            .arg(self.directory.join("scratch"))
            .args(&self.flags)
            .envs(self.environment.iter().cloned())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join(format!("server-{}.log", self.starts))
    }

    /// The server's log since its last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The server's log over all of its starts.
    pub fn logs(&self) -> String {
        let logs = (1..=self.starts).map(|start| self.directory.join(format!("server-{start}.log")));
        logs.filter_map(|log| std::fs::read_to_string(log).ok()).collect()
    }

    /// Fails if the server has ever panicked, or if any of these secrets is in its log.
    #[track_caller]
    pub fn was_well(&self, secrets: &[&str]) {
        let logs = self.logs();
        let panic = logs.lines().find(|line| line.contains("panicked"));
        assert_eq!(panic, None, "the server panicked");
        if secrets.is_empty() {
            return;
        }
        let kinds =
            "backups.velero.io,restores.velero.io,backupstoragelocations.velero.io,downloadrequests.velero.io,events";
        let objects = self.plane.kubectl(&[
            "get",
            kinds,
            "-n",
            &self.namespace,
            "-o",
            "json",
            "--show-managed-fields",
        ]);
        for secret in secrets {
            assert!(!logs.contains(secret), "a secret is in the server's log");
            assert!(!objects.contains(secret), "a secret is in a status or an event");
        }
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.begin();
    }

    /// The bucket's directory.
    pub fn bucket(&self) -> PathBuf {
        self.directory.join("store/velero")
    }

    /// A gzipped file of the bucket, as text.
    #[track_caller]
    pub fn unpacked(&self, key: &str) -> String {
        let file = File::open(self.bucket().join(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
        std::io::read_to_string(flate2::read::MultiGzDecoder::new(file)).expect("it is gzipped text")
    }

    /// Runs the command line as a user would and returns its output; the test fails with its errors.
    #[track_caller]
    pub fn velero(&self, arguments: &[&str]) -> String {
        let (ok, out, err) = self.try_velero(arguments);
        assert!(
            ok,
            "velero {arguments:?} failed\n{out}\n{err}\n--- server ---\n{}",
            tail(&self.log())
        );
        out
    }

    /// Runs the command line; whether it succeeded, its output and its errors.
    pub fn try_velero(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = self.command(arguments).output().expect("the command runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// The command line as a user would call it, in the time zone UTC.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velero"));
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(self.plane.kubeconfig())
            .args(["--namespace", &self.namespace])
            .env("HOME", &self.directory)
            .env("TZ", "UTC")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// An object of Velero's.
    #[track_caller]
    pub fn object(&self, kind: &str, name: &str) -> Value {
        self.plane
            .get(&self.namespace, &format!("{kind}.velero.io"), name)
            .unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// Waits for a phase that is final, and gives the object.
    #[track_caller]
    pub fn ended(&self, kind: &str, name: &str) -> Value {
        let last = std::cell::RefCell::new(String::new());
        eventually(
            &format!("the end of {kind} {name}\n--- server ---\n{}", tail(&self.log())),
            || {
                let object = self.object(kind, name);
                let phase = phase(&object);
                let ended = FINAL.contains(&phase.as_str());
                *last.borrow_mut() = phase;
                ended.then_some(object)
            },
        )
    }

    /// Every object of a kind of Velero's, by name.
    #[track_caller]
    pub fn objects(&self, kind: &str) -> BTreeMap<String, Value> {
        let objects = self.plane.list(&self.namespace, &format!("{kind}.velero.io"));
        objects
            .into_iter()
            .map(|object| (text(&object, "/metadata/name"), object))
            .collect()
    }

    /// Waits until all of these have a phase that is final, and gives them by name.
    #[track_caller]
    pub fn all_ended(&self, kind: &str, names: &[&str], limit: Duration) -> BTreeMap<String, Value> {
        within(limit, &format!("the ends of {kind} {names:?}"), || {
            let objects = self.objects(kind);
            let ended = |name: &&&str| {
                objects
                    .get(**name)
                    .is_some_and(|object| FINAL.contains(&&*phase(object)))
            };
            (names.iter().filter(ended).count() == names.len()).then_some(objects)
        })
    }

    /// Waits until a location is judged, and gives its message.
    #[track_caller]
    pub fn unavailable(&self, location: &str) -> String {
        eventually(&format!("location {location} to be unavailable"), || {
            let location = self.object("backupstoragelocation", location);
            (text(&location, "/status/phase") == "Unavailable").then(|| text(&location, "/status/message"))
        })
    }

    /// Waits until a location can be used.
    #[track_caller]
    pub fn until_available(&self, location: &str) {
        eventually(&format!("location {location} to be available"), || {
            let phase = text(&self.object("backupstoragelocation", location), "/status/phase");
            assert_ne!(
                phase,
                "Unavailable",
                "{}",
                self.object("backupstoragelocation", location)
            );
            (phase == "Available").then_some(())
        });
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's last words ---\n{}", tail(&self.log()));
        }
        drop(self.owned.take());
    }
}

/// The phase of a backup, restore or location.
pub fn phase(object: &Value) -> String {
    text(object, "/status/phase")
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A free address. Its port lies below those that the kernel gives to connections: one of them could be taken before the server
/// listens, which it does only when it has its certificate.
pub fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = format!("127.0.0.1:{}", 10_000 + nth);
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
