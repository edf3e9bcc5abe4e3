//! `velero server` as a process of its own, and what can be seen of it from outside.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::plane::Plane;

/// The namespace Velero lives in.
pub const NAMESPACE: &str = "velero";

/// The namespace of the installation that exports its traces.
pub const TRACED: &str = "velero-traced";

/// A server that has not become ready by then will not.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where its objects are.
    pub namespace: &'static str,
    /// From the start of the process until it is ready.
    pub ready_after: Duration,
}

impl Server {
    /// Makes a Velero installation in this cluster with its bucket below `directory`, and starts its server.
    pub fn start(plane: &Plane, program: &Path, directory: &Path, name: &str) -> Self {
        Self::start_in(NAMESPACE, plane, program, directory, name, None)
    }

    /// The same without a bucket, and without a location unless it is there already.
    pub fn start_without_location(plane: &Plane, program: &Path, directory: &Path, name: &str) -> Self {
        plane.apply(&namespace_of(NAMESPACE));
        Self::spawn(NAMESPACE, plane, program, directory, name, None)
    }

    /// The same for the installation that exports its traces, to this collector.
    pub fn start_traced(plane: &Plane, program: &Path, directory: &Path, collector: &str) -> Self {
        Self::start_in(TRACED, plane, program, &directory.join(TRACED), TRACED, Some(collector))
    }

    fn start_in(
        namespace: &'static str,
        plane: &Plane,
        program: &Path,
        directory: &Path,
        name: &str,
        collector: Option<&str>,
    ) -> Self {
        let store = directory.join("store");
        fs::create_dir_all(store.join("velero")).expect("a bucket");
        plane.apply(&format!(
            "{}---\napiVersion: velero.io/v1\nkind: BackupStorageLocation\n\
             metadata: {{name: default, namespace: {namespace}}}\n\
             spec: {{provider: velero.io/fs, default: true, objectStorage: {{bucket: velero}}, config: {{fspath: {}}}}}\n",
            namespace_of(namespace),
            store.display()
        ));
        let server = Self::spawn(namespace, plane, program, directory, name, collector);
        plane.kubectl(&[
            "wait",
            "backupstoragelocation/default",
            "--for=jsonpath={.status.phase}=Available",
            "--timeout=60s",
            "--namespace",
            namespace,
        ]);
        server
    }

    fn spawn(
        namespace: &'static str,
        plane: &Plane,
        program: &Path,
        directory: &Path,
        name: &str,
        collector: Option<&str>,
    ) -> Self {
        let (scratch, log) = (directory.join(name), directory.join(format!("{name}.log")));
        fs::create_dir_all(&scratch).expect("a scratch directory");
        let (metrics, artifacts) = (free_address(), free_address());
        let output = File::create(&log).expect("a log file");
        let start = Instant::now();
        let child = Command::new(program)
            .arg("server")
            .arg("--kubeconfig")
            .arg(plane.kubeconfig())
            .args(["--namespace", namespace])
            .args(["--metrics-address", &metrics.to_string()])
            .args(["--artifact-address", &artifacts.to_string()])
            .arg("--scratch-dir")
            .arg(&scratch)
            .envs(collector.map(|address| ("OTEL_EXPORTER_OTLP_ENDPOINT", address)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a handle"))
            .stderr(output)
            .spawn()
            .expect("the server starts");
        let mut server = Self {
            child,
            log,
            namespace,
            ready_after: Duration::ZERO,
        };
        while !is_ready(metrics) {
            assert!(
                start.elapsed() < PATIENCE && server.child.try_wait().is_ok_and(|ended| ended.is_none()),
                "the server did not become ready:\n{}",
                server.last_words()
            );
            sleep(Duration::from_millis(5));
        }
        server.ready_after = start.elapsed();
        server
    }

    /// The most memory it has ever had, in MiB.
    pub fn peak_memory(&self) -> f64 {
        self.memory("VmHWM:")
    }

    /// The memory it has now, in MiB.
    pub fn resident_memory(&self) -> f64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.expect("a number of kB") / 1024.0
    }

    /// The processor time it has used, in seconds.
    pub fn processor_time(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("its stat");
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        let ticks: f64 = fields.split_whitespace().skip(11).take(2).map(number).sum();
        // Linux shows hundredths of a second whatever the kernel counts in.
        ticks / 100.0
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn namespace_of(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// A free address.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}
