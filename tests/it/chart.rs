//! The community Helm chart with our image: its CRD Job, its Deployment and its DaemonSet, by the arguments and variables
//! that it sets and no others, as listed in `tests/data/chart/`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Plane, S3, data, eventually, free_address, phase, text};

const NAMESPACE: &str = "velero";

/// The lines of a file of arguments or variables, with what only the test knows put in.
fn lines(name: &str, known: &[(&str, &str)]) -> Vec<String> {
    let text = std::fs::read_to_string(data("chart").join(name)).expect("a file of tests/data");
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            known
                .iter()
                .fold(line.to_owned(), |line, (key, value)| line.replace(key, value))
        })
        .collect()
}

/// A container of the chart: our program with no environment but the chart's.
fn container(plane: &Plane, directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velero"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        // In a pod this is the service account's.
        .env("KUBECONFIG", plane.kubeconfig())
        // The image has no directory for temporary files, and the chart mounts none.
        .env("TMPDIR", directory.join("no-such-directory"))
        .stdin(Stdio::null());
    command
}

/// A replica of the chart's Deployment.
struct Replica {
    child: Child,
    metrics: String,
    log: PathBuf,
}

impl Replica {
    fn start(plane: &Plane, directory: &Path, name: &str) -> Self {
        let scratch = directory.join(format!("scratch-{name}"));
        std::fs::create_dir_all(&scratch).expect("a directory");
        let (metrics, artifacts) = (free_address(), free_address());
        let log = directory.join(format!("{name}.log"));
        let file = File::create(&log).expect("a file");
        let variables = lines(
            "server-environment",
            &[
                ("/credentials", &directory.join("credentials").display().to_string()),
                ("/scratch", &scratch.display().to_string()),
            ],
        );
        let variables = variables.iter().filter_map(|line| line.split_once('='));
        let child = container(plane, directory)
            .args(lines("server-arguments", &[(":8085", &metrics), (":8443", &artifacts)]))
            .envs(variables)
            .stdout(file.try_clone().expect("a handle"))
            .stderr(file)
            .spawn()
            .expect("the server starts");
        Self { child, metrics, log }
    }

    /// The requests of the chart's probes.
    fn probe(&self) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let url = format!("http://{}/metrics", self.metrics);
        runtime.block_on(async {
            let answer = reqwest::get(url).await.ok()?;
            let ok = answer.status().is_success();
            answer.text().await.ok().filter(|_| ok)
        })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log());
        }
    }
}

fn leader(plane: &Plane) -> String {
    let lease = plane.get(NAMESPACE, "lease", "velero-server");
    lease.map_or_else(String::new, |lease| text(&lease, "/spec/holderIdentity"))
}

#[test]
fn the_community_chart_starts_our_image_unchanged() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let plane = Plane::start();
    let s3 = S3::start(&[]);
    let directory = tempfile::Builder::new().prefix("chart").tempdir().expect("a directory");
    let directory = directory.path();
    plane.kubectl(&["create", "namespace", NAMESPACE]);

    // Installs missing CRDs, and upgrades existing ones.
    plane.kubectl(&["delete", "crd", "schedules.velero.io"]);
    for _ in 0..2 {
        let job = container(&plane, directory)
            .args(lines("job-arguments", &[]))
            .output()
            .expect("it runs");
        let printed = String::from_utf8_lossy(&[job.stdout, job.stderr].concat()).into_owned();
        assert!(job.status.success(), "{printed}");
    }
    plane.kubectl(&["get", "crd", "schedules.velero.io"]);

    // The chart's Secret has a name of its own; its file is all that the server sees of it.
    std::fs::create_dir_all(directory.join("credentials")).expect("a directory");
    std::fs::write(directory.join("credentials/cloud"), s3.credentials("default")).expect("a file");
    let location = format!(
        "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: default, namespace: {NAMESPACE}}}\n\
         spec: {{provider: aws, default: true, objectStorage: {{bucket: velero, prefix: chart}}, \
         config: {{region: us-east-1, s3ForcePathStyle: \"true\", s3Url: \"{}\"}}}}\n",
        s3.endpoint
    );
    plane.apply(&location);

    let mut replicas = Vec::from(["first", "second"].map(|name| Replica::start(&plane, directory, name)));
    for replica in &replicas {
        let page = eventually("the probe to be answered", || replica.probe());
        assert!(page.contains("velero_backup_total"), "{page}");
    }
    eventually("one to lead", || (!leader(&plane).is_empty()).then_some(()));
    eventually("the location to be available", || {
        let location = plane.get(NAMESPACE, "backupstoragelocation.velero.io", "default")?;
        assert_ne!(phase(&location), "Unavailable", "{location:#}");
        (phase(&location) == "Available").then_some(())
    });
    plane.apply(&format!(
        "{{apiVersion: velero.io/v1, kind: Backup, metadata: {{name: b, namespace: {NAMESPACE}}}, \
         spec: {{includedNamespaces: [default]}}}}"
    ));
    let ended = eventually("the backup to end", || {
        let backup = plane.get(NAMESPACE, "backup.velero.io", "b")?;
        ["Completed", "PartiallyFailed", "Failed", "FailedValidation"]
            .contains(&&*phase(&backup))
            .then_some(backup)
    });
    assert_eq!(phase(&ended), "Completed", "{ended:#}");

    // The store signs, so clients need no Service.
    plane.apply(&format!(
        "{{apiVersion: velero.io/v1, kind: DownloadRequest, metadata: {{name: d, namespace: {NAMESPACE}}}, \
         spec: {{target: {{kind: BackupLog, name: b}}}}}}"
    ));
    let url = eventually("a URL", || {
        let request = plane.get(NAMESPACE, "downloadrequest.velero.io", "d")?;
        Some(text(&request, "/status/downloadURL")).filter(|url| !url.is_empty())
    });
    assert!(url.starts_with(&s3.endpoint), "the store's own URL");

    // The standby is found alive too, and takes over.
    for replica in &mut replicas {
        assert!(replica.probe().is_some(), "standby or not");
        assert_eq!(replica.child.try_wait().expect("its status"), None);
        for flag in lines("flags-without-effect", &[]) {
            let field = format!("flag={flag}");
            let log = replica.log();
            let lines = log.lines().filter(|line| line.split(' ').any(|word| word == field));
            assert_eq!(lines.count(), 1, "--{flag} is reported once\n{log}");
        }
        assert!(!replica.log().contains("panicked"));
    }

    // There is no node agent: its pods do not stay up as if there were one.
    let agent = container(&plane, directory)
        .args(lines("node-agent-arguments", &[]))
        .output()
        .expect("it runs");
    let printed = String::from_utf8_lossy(&agent.stderr).into_owned();
    assert!(!agent.status.success());
    assert_eq!(printed.trim().lines().count(), 1, "{printed}");
    assert!(printed.contains("no node agent"), "{printed}");
}
