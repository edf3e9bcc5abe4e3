//! Installing into a namespace that restricts its pods, and removing an installation while its server runs. `tests/e2e` tests the
//! server in its pod.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, phase};

/// The command line against a control plane.
fn velero(plane: &Plane, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velero"));
    command
        .args(arguments)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("HOME", std::env::temp_dir())
        .stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The server's pod as an installation with these flags has it.
fn pod(plane: &Plane, flags: &[&str]) -> Value {
    let dry = ["install", "--image", "i:1", "--dry-run", "-o", "json"];
    let output = velero(plane, &[&dry, flags].concat()).output().expect("it runs");
    let (printed, error) = texts(&output);
    assert!(output.status.success(), "{flags:?}: {error}");
    let list: Value = serde_json::from_str(&printed).expect("a list");
    let objects = list["items"].as_array().expect("items");
    let deployment = objects
        .iter()
        .find(|object| object["kind"] == "Deployment")
        .expect("a deployment");
    let template = &deployment["spec"]["template"];
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "velero", "namespace": "strict", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    })
}

/// Whether the API server would admit a pod, or its error.
fn admitted(plane: &Plane, pod: &Value) -> Result<String, String> {
    plane.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &pod.to_string())
}

/// A typo in `--namespace` must not delete the objects of an installation that has no Deployment here.
fn definitions_stay_while_another_namespace_has_objects(plane: &Plane) {
    let run = |arguments: &[&str]| velero(plane, arguments).output().expect("it runs");
    assert!(run(&["install", "--crds-only"]).status.success());
    plane.apply(
        "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {name: kept, namespace: strict}\n\
         spec: {provider: velero.io/fs, objectStorage: {bucket: b}}\n",
    );
    let output = run(&["uninstall", "--force", "--namespace", "typo"]);
    let (printed, error) = texts(&output);
    assert!(output.status.success(), "{error}");
    assert!(
        printed.contains("Velero is also installed in strict, or has objects there"),
        "{printed}"
    );
    let kept = ["backup-location", "get", "kept", "--namespace", "strict"];
    assert!(run(&kept).status.success());

    // Without an answer nothing is done, and a script learns of it.
    for question in [
        &["backup-location", "delete", "kept", "--namespace", "strict"][..],
        &["uninstall", "--namespace", "strict"],
    ] {
        let output = run(question);
        let (_, error) = texts(&output);
        assert!(!output.status.success(), "{question:?}");
        assert!(
            error.contains("error reading user input: EOF; nothing was deleted"),
            "{error}"
        );
    }
    assert!(run(&kept).status.success());
}

/// A process that ends with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_installation_runs_restricted_and_reports_obstacles_at_once() {
    let plane = Plane::with_controller_manager();
    plane.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: velero, namespace: strict}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: mine, namespace: strict}\n",
    );
    let credentials = tempfile::NamedTempFile::new().expect("a file");
    fs::write(
        credentials.path(),
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\n",
    )
    .expect("it is written");
    let secret = credentials.path().display().to_string();
    let s3 = [
        "--provider",
        "aws",
        "--bucket",
        "b",
        "--backup-location-config",
        "region=r",
    ];
    let variants: [Vec<&str>; 5] = [
        vec!["--filesystem-claim", "c"],
        [&s3[..], &["--secret-file", &secret]].concat(),
        [&s3[..], &["--no-secret", "--service-account-name", "mine"]].concat(),
        vec![
            "--filesystem-claim",
            "c",
            "--velero-pod-cpu-request",
            "0",
            "--features",
            "EnableAPIGroupVersions",
        ],
        vec![
            "--no-default-backup-location",
            "--no-secret",
            "--pod-labels",
            "a=b",
            "--pod-annotations",
            "c=d",
        ],
    ];
    for flags in &variants {
        let pod = pod(&plane, flags);
        let admitted = admitted(&plane, &pod);
        assert!(admitted.is_ok(), "{flags:?}: {admitted:?}");
    }
    // The committed files are the same.
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/30-velero.yaml");
    let from_files = plane.kubectl(&["create", "--dry-run=client", "-o", "json", "-f", files]);
    let deployment = serde_json::Deserializer::from_str(&from_files)
        .into_iter::<Value>()
        .map(|object| object.expect("JSON"))
        .flat_map(|object| object["items"].as_array().cloned().unwrap_or_else(|| vec![object]))
        .find(|object| object["kind"] == "Deployment")
        .expect("a deployment");
    let mut of_files = pod(&plane, &variants[0]);
    of_files["spec"] = deployment["spec"]["template"]["spec"].clone();
    assert_eq!(admitted(&plane, &of_files).err(), None);
    definitions_stay_while_another_namespace_has_objects(&plane);
    // This namespace does refuse others.
    let mut loose = of_files.clone();
    loose["spec"]["containers"][0]["securityContext"]["seccompProfile"] = Value::Null;
    let refused = admitted(&plane, &loose).expect_err("it is refused");
    assert!(
        refused.contains("violates PodSecurity") && refused.contains("seccompProfile"),
        "{refused}"
    );

    let on_host = ["--filesystem-host-path", "/d", "--node", "node-1", "-n", "strict"];
    plane.apply("apiVersion: v1\nkind: Node\nmetadata: {name: node-1}\n");
    let output = velero(&plane, &[&["install", "--image", "i:1"], &on_host[..]].concat())
        .output()
        .expect("it runs");
    let (_, error) = texts(&output);
    assert!(
        !output.status.success()
            && error.contains(
                "--filesystem-host-path: namespace \"strict\" enforces the pod security level \"restricted\""
            ),
        "{error}"
    );

    // An update leaves the namespace as strict as it was.
    let claimed = [
        "install",
        "--image",
        "i:1",
        "--filesystem-claim",
        "c",
        "-n",
        "strict",
        "--apply",
    ];
    let output = velero(&plane, &claimed).output().expect("it runs");
    assert!(output.status.success(), "{:?}", texts(&output));
    let namespace = plane.get("", "namespace", "strict").expect("it is there");
    assert_eq!(
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    assert_eq!(namespace["metadata"]["labels"]["component"], "velero");

    a_deployment_that_cannot_make_its_pods_says_why(&plane);
}

fn a_deployment_that_cannot_make_its_pods_says_why(plane: &Plane) {
    plane.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: full}\n---\n\
         apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none, namespace: full}\nspec: {hard: {pods: '0'}}\n",
    );
    let waiting = [
        "install",
        "--image",
        "i:1",
        "--filesystem-claim",
        "c",
        "-n",
        "full",
        "--wait",
    ];
    let child = velero(plane, &waiting)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut child = Ending(child);
    let output = child.0.stdout.take().expect("its output");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let reason = lines.find(|line| line.starts_with("Deployment velero: "));
    let reason = reason.expect("it ended without a word about the deployment");
    assert!(
        reason.contains("FailedCreate: ") && reason.contains("exceeded quota: none"),
        "{reason}"
    );
}

/// A pod on a node with a kubelet that accepts connections and never answers, so that its hooks run into their timeout.
fn silent_pod(plane: &Plane) -> TcpListener {
    let kubelet = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = kubelet.local_addr().expect("an address").port();
    let annotations = json!({
        "pre.hook.backup.velero.io/command": "[\"freeze\"]", "pre.hook.backup.velero.io/timeout": "4s",
        "post.hook.backup.velero.io/command": "[\"thaw\"]", "post.hook.backup.velero.io/timeout": "1s",
    });
    for object in [
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "silent"},
               "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                          "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "calm"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "app"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "slow", "namespace": "app", "annotations": annotations},
               "spec": {"nodeName": "silent", "containers": [{"name": "db", "image": "i"}]}}),
    ] {
        plane
            .kubectl_with(&["create", "-f", "-"], &object.to_string())
            .or_else(|error| {
                if error.contains("already exists") {
                    Ok(error)
                } else {
                    Err(error)
                }
            })
            .expect("it is created");
    }
    let running = r#"{"status": {"phase": "Running", "containerStatuses": [{"name": "db", "image": "i", "imageID": "i", "ready": true,
        "restartCount": 0, "state": {"running": {"startedAt": "2026-11-24T01:02:03Z"}}}]}}"#;
    plane.kubectl(&[
        "patch",
        "pod",
        "slow",
        "-n",
        "app",
        "--subresource=status",
        "-p",
        running,
    ]);
    kubelet
}

/// Begins a backup and waits until its pod may be frozen.
fn begin_to_freeze(server: &Server<'_>, name: &str) {
    server.velero(&["backup", "create", name, "--include-namespaces", "app"]);
    eventually("the pod to be frozen", || {
        let frozen = server
            .plane
            .labelled(&server.namespace, "configmaps", "velero.io/open-freezes");
        (!frozen.is_empty()).then_some(())
    });
    assert!(claim(server, name).exists(), "its name is taken");
}

fn claim(server: &Server<'_>, name: &str) -> std::path::PathBuf {
    server.bucket().join(format!("backups/{name}/velero-claim.json"))
}

fn uninstall(plane: &Plane) -> (String, String, Duration) {
    let began = Instant::now();
    let output = velero(plane, &["uninstall", "--force"]).output().expect("it runs");
    let (printed, complained) = texts(&output);
    assert!(output.status.success(), "{printed}\n{complained}");
    (printed, complained, began.elapsed())
}

#[test]
fn uninstall_cancels_runs_and_does_not_wait_for_a_missing_server() {
    let plane = Plane::with_controller_manager();
    let directory = tempfile::tempdir().expect("a directory");
    let start = |directory: &Path| {
        plane.apply(
            &fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/00-namespace.yaml")).expect("a file"),
        );
        Server::on_bucket(&plane, "velero", directory)
    };
    let mut server = start(directory.path());
    let _kubelet = silent_pod(&plane);
    begin_to_freeze(&server, "b");
    let (printed, complained, _) = uninstall(&plane);
    assert!(
        printed.contains("Backup \"b\" has not finished, cancelling it."),
        "{printed}"
    );
    assert_eq!(complained, "", "nothing is left behind");
    assert!(!claim(&server, "b").exists(), "its name is free");
    server.kill();

    let install = |command: &[&str]| velero(&plane, command).output().expect("it runs").status.success();
    assert!(install(&["install", "--crds-only"]));
    let mut server = start(directory.path());
    server.velero(&["backup", "create", "b", "--include-namespaces", "calm"]);
    let again = server.ended("backup", "b");
    assert_eq!(phase(&again), "Completed", "{again:#}");

    begin_to_freeze(&server, "c");
    server.kill();
    let (printed, complained, took) = uninstall(&plane);
    assert!(took < Duration::from_secs(45), "it took {took:?}\n{printed}");
    for left in [
        "Warning: pod app/slow may still be frozen, and no server will thaw it: run its post hooks manually: [\"thaw\"] in container \"db\"",
        "Warning: backup \"c\" was not cleaned up",
    ] {
        assert!(complained.contains(left), "{left} is not in {complained}");
    }
    assert!(claim(&server, "c").exists());
    assert_eq!(plane.get("", "namespace", "velero"), None);
    // Nor does the API server know Velero's group now: it answers without a reason.
    uninstall(&plane);
}
