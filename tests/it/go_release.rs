//! The Go release of Velero and this server, one after the other on one bucket and one cluster: what either backs up the
//! other restores. No recording can hold that.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Plane, S3, Server, free_address, program, text, within};

/// The Go server starts a plugin's process for whatever it does.
const LIMIT: Duration = Duration::from_mins(5);

/// Times and fields of the cluster are not compared.
const KINDS: &str = "configmaps,secrets,serviceaccounts,services,deployments,statefulsets,cronjobs,roles,rolebindings,\
    ingresses,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,persistentvolumeclaims,widgets,pods";

/// The server of the Go release, on this machine against a control plane.
struct GoServer<'a> {
    plane: &'a Plane,
    child: Child,
}

impl<'a> GoServer<'a> {
    fn start(plane: &'a Plane, directory: &Path) -> Self {
        let plugins = directory.join("plugins");
        std::fs::create_dir_all(&plugins).expect("a directory");
        let plugin = "velero-plugin-for-aws";
        std::os::unix::fs::symlink(program(plugin), plugins.join(plugin)).expect("a link");
        // The release asks the Deployment for the image of an init container.
        plane.apply(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: velero, namespace: velero, labels: {component: velero}}\n\
             spec: {replicas: 0, selector: {matchLabels: {deploy: velero}}, template: {metadata: {labels: {deploy: velero}},\
             spec: {containers: [{name: velero, image: 'velero:none'}]}}}\n",
        );
        let log = File::create(directory.join("go-server.log")).expect("a file");
        let child = Command::new(program("velero"))
            .args(["server", "--namespace", "velero", "--backup-sync-period", "2s"])
            .args([
                "--metrics-address",
                &free_address(),
                "--profiler-address",
                &free_address(),
            ])
            .arg("--kubeconfig")
            .arg(plane.kubeconfig())
            .arg("--plugin-dir")
            .arg(&plugins)
            .env("VELERO_NAMESPACE", "velero")
            .env("VELERO_SCRATCH_DIR", directory)
            .env("HOME", directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("the Go server starts");
        Self { plane, child }
    }

    /// Waits until a run has ended, and returns the object.
    #[track_caller]
    fn ended(&self, kind: &str, name: &str) -> Value {
        within(LIMIT, &format!("the end of the Go server's {kind} {name}"), || {
            let object = self.plane.get("velero", &format!("{kind}.velero.io"), name)?;
            let ended = ["Completed", "PartiallyFailed", "Failed", "FailedValidation"];
            ended.contains(&&*text(&object, "/status/phase")).then_some(object)
        })
    }

    /// Stops it with SIGTERM: it ends its plugins first.
    fn stop(mut self) {
        self.tell_to_stop();
    }

    fn tell_to_stop(&mut self) {
        // The pid of one that has ended may be another's by now.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

impl Drop for GoServer<'_> {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

/// The shop by the names of its objects, and the contents of two of them.
fn shop(plane: &Plane) -> Vec<String> {
    let mut names: Vec<String> = plane
        .list("shop", KINDS)
        .iter()
        // A Job that is restored without its history starts anew, beside the pod it once had.
        .filter(|object| text(object, "/metadata/labels/job-name").is_empty())
        .map(|object| format!("{} {}", text(object, "/kind"), text(object, "/metadata/name")))
        .collect();
    let content = |kind, name, at| {
        let object = plane.get("shop", kind, name).unwrap_or_default();
        format!("{kind} {name}: {}", text(&object, at))
    };
    names.push(content("configmap", "settings", "/data/greeting"));
    names.push(content("widget", "blue", "/spec/big"));
    names.sort();
    names
}

fn delete_shop(plane: &Plane) {
    plane.kubectl(&["delete", "namespace", "shop", "--wait", "--timeout=60s"]);
    for what in [
        "persistentvolume/shop-data",
        "customresourcedefinition/widgets.example.com",
        "clusterrolebinding/shop-reader",
        "clusterrole/shop-reader",
    ] {
        plane.kubectl(&["delete", what, "--ignore-not-found", "--timeout=60s"]);
    }
}

fn run(kind: &str, name: &str, spec: &str) -> String {
    format!("{{apiVersion: velero.io/v1, kind: {kind}, metadata: {{name: {name}, namespace: velero}}, spec: {spec}}}\n")
}

#[test]
#[ignore = "builds the Go release, which takes many minutes: `make test-long` runs it"]
fn each_release_restores_the_backups_of_the_other() {
    let plane = Plane::with_controller_manager();
    let s3 = S3::start(&[]);
    let directory = tempfile::Builder::new()
        .prefix("go-release")
        .tempdir()
        .expect("a directory");
    let mut server = Server::at(
        &plane,
        "velero",
        directory.path(),
        &s3.location("velero", "velero", "both"),
        &[],
    );
    plane.open_shop();
    let before = shop(&plane);

    plane.apply(&run("Backup", "ours", "{includedNamespaces: [shop]}"));
    assert_eq!(text(&server.ended("backup", "ours"), "/status/phase"), "Completed");
    server.stop(Duration::from_secs(30));
    // As in a new cluster: nothing but the bucket knows of the backup.
    plane.kubectl(&["delete", "backup.velero.io", "ours", "-n", "velero"]);
    delete_shop(&plane);

    let go = GoServer::start(&plane, directory.path());
    go.ended("backup", "ours");
    plane.apply(&run("Restore", "by-go", "{backupName: ours}"));
    let restored = go.ended("restore", "by-go");
    assert_eq!(text(&restored, "/status/phase"), "Completed", "{restored:#}");
    assert_eq!(text(&restored, "/status/errors"), "", "{restored:#}");
    similar_asserts::assert_eq!(shop(&plane), before);
    plane.apply(&run("Backup", "theirs", "{includedNamespaces: [shop]}"));
    assert_eq!(text(&go.ended("backup", "theirs"), "/status/phase"), "Completed");
    go.stop();
    delete_shop(&plane);

    // On the objects as the Go server leaves them.
    server.begin();
    plane.apply(&run("Restore", "by-us", "{backupName: theirs}"));
    let restored = server.ended("restore", "by-us");
    assert_eq!(text(&restored, "/status/phase"), "Completed", "{restored:#}");
    similar_asserts::assert_eq!(shop(&plane), before);
    server.was_well(&[&s3.secret_key]);
}
