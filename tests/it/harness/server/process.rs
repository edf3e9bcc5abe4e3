//! The server as a process among others: signals, standbys, what it serves itself.

use std::net::UdpSocket;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Server, free_address};
use crate::harness::{eventually, text, within};

impl<'a> Server<'a> {
    /// Another replica of the same installation, started, with a scratch directory of its own.
    pub fn standby(&self) -> Server<'a> {
        let directory = self.directory.join("standby");
        std::fs::create_dir_all(directory.join("scratch")).expect("a scratch directory");
        let mut standby = Server {
            plane: self.plane,
            namespace: self.namespace.clone(),
            child: None,
            directory,
            flags: Vec::new(),
            environment: self.environment.clone(),
            identity: format!("{}-standby", self.namespace),
            artifacts: String::new(),
            metrics: String::new(),
            starts: 0,
            owned: None,
        };
        standby.begin();
        standby
    }

    /// Its identity in the leader election.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Sends its process a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill");
        assert!(sent.success(), "signal {name}");
    }

    /// The most memory that its process has ever had, in MiB.
    pub fn peak_memory(&self) -> f64 {
        let pid = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.expect("a number of kB") / 1024.0
    }

    /// How its process ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("its status")
    }

    /// Stops it with SIGTERM, as Kubernetes does, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self, grace: Duration) -> ExitStatus {
        self.signal("TERM");
        let status = within(grace, "the server to stop", || self.exited());
        self.child = None;
        status
    }

    /// The names of the installation's run records.
    pub fn records(&self) -> Vec<String> {
        self.plane
            .labelled(&self.namespace, "configmaps", "velero.io/run-record")
    }

    /// Waits until no run has a record any more.
    #[track_caller]
    pub fn until_no_records(&self) {
        eventually("run records to go", || self.records().is_empty().then_some(()));
    }

    /// The lease's holder; empty without one.
    pub fn leader(&self) -> String {
        let lease = self.plane.get(&self.namespace, "lease", "velero-server");
        lease.map_or_else(String::new, |lease| text(&lease, "/spec/holderIdentity"))
    }

    /// A token for a file of a run, by a DownloadRequest of this name.
    #[track_caller]
    pub fn token(&self, request: &str, kind: &str, name: &str) -> String {
        let object = json!({
            "apiVersion": "velero.io/v1", "kind": "DownloadRequest",
            "metadata": {"name": request, "namespace": self.namespace}, "spec": {"target": {"kind": kind, "name": name}},
        });
        self.plane.apply(&object.to_string());
        eventually(&format!("an answer to download request {request}"), || {
            let request = self.object("downloadrequest", request);
            let token = text(&request, "/metadata/annotations/velero.io~1artifact-token");
            (!token.is_empty()).then_some(token)
        })
    }

    /// What this very process serves of a run's file: the HTTP status and the bytes.
    pub fn artifact(&self, kind: &str, name: &str, token: &str) -> (u16, Vec<u8>) {
        self.ask(Method::GET, &format!("/artifacts/{kind}/{name}"), token, String::new())
    }

    /// What this very process plans for a restore of a backup: the HTTP status and the text.
    pub fn plan(&self, backup: &str, token: &str, restore: &Value) -> (u16, String) {
        let path = format!("/restores/plan/{backup}");
        let (status, text) = self.ask(Method::POST, &path, token, restore.to_string());
        (status, String::from_utf8_lossy(&text).into_owned())
    }

    fn ask(&self, method: Method, path: &str, token: &str, body: String) -> (u16, Vec<u8>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("https://{}{path}", self.artifacts);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .danger_accept_invalid_certs(true)
                .build()
                .expect("a client");
            let request = client.request(method, url).header("X-Velero-Token", token).body(body);
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, answer.bytes().await.expect("its body").to_vec())
        })
    }

    /// Starts it again behind the Service of an installation, so that the API server's proxy leads to its endpoint.
    #[track_caller]
    pub fn stand_behind_the_proxy(&mut self) {
        // Addresses of a Service must not be loopback ones. Nothing is sent.
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.connect("192.0.2.1:9").expect("a route");
        let address = socket.local_addr().expect("its address").ip();
        let listen = free_address().replace("127.0.0.1", &address.to_string());
        let port: u16 = listen
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .expect("a port");
        self.flags.push(format!("--artifact-address={listen}"));
        self.restart();
        self.artifacts = listen;
        let (namespace, meta) = (&self.namespace, json!({"name": "velero", "namespace": self.namespace}));
        let pod = json!({"kind": "Pod", "name": "velero", "namespace": namespace});
        for object in [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta,
                "spec": {"containers": [{"name": "velero", "image": "example.com/velero"}]}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": meta,
                "spec": {"ports": [{"name": "artifacts", "port": 8443, "targetPort": port}]}}),
            json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta,
                "subsets": [{"addresses": [{"ip": address, "targetRef": pod}], "ports": [{"name": "artifacts", "port": port}]}]}),
        ] {
            self.plane.apply(&object.to_string());
        }
        // The proxy leads to nothing but pods.
        let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}).to_string();
        let patch = [
            "patch",
            "pod",
            "velero",
            "-n",
            namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ];
        self.plane.kubectl(&patch);
        eventually("the server to lead", || (self.leader() == self.identity).then_some(()));
    }
}
