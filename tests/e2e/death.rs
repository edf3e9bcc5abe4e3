//! A server that dies in its pod, in the middle of its work.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::installation::Installation;
use crate::node::{Node, node};
use crate::{eventually, text};

const OBJECTS: usize = 300;

/// A namespace with many small objects.
fn fill(node: &Node, namespace: &str) {
    let mut yaml = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n");
    for number in 0..OBJECTS {
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: {namespace}}}\ndata: {{number: \"{number}\"}}\n"
        );
    }
    node.try_kubectl(&["create", "-f", "-"], &yaml)
        .unwrap_or_else(|error| panic!("create: {error}"));
}

/// Makes the server slow, so that there is a middle.
fn slow_down(velero: &Installation<'_>) {
    let slow = r#"[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--client-qps=20"},
                   {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--client-burst=20"}]"#;
    let namespace = ["-n", velero.namespace, "deployment/velero"];
    let patch = ["patch", "--type=json", "-p", slow];
    velero.node.kubectl(&[&patch[..], &namespace].concat());
    let status = ["rollout", "status", "--timeout=60s"];
    velero.node.kubectl(&[&status[..], &namespace].concat());
}

/// Waits until a run is in its middle: it has begun, and its record holds what the next server needs.
#[track_caller]
fn under_way(velero: &Installation<'_>, kind: &str, name: &str) {
    eventually(&format!("{kind} {name} to be under way"), || {
        let run = velero.object(kind, name);
        let phase = text(&run, "/status/phase");
        assert_ne!(
            phase, "Completed",
            "{kind} {name} was over before it could be disturbed"
        );
        let record = format!("velero-run-{}", text(&run, "/metadata/uid"));
        let record = velero.node.object(velero.namespace, "configmap", &record);
        (phase == "InProgress" && record.is_some()).then_some(())
    });
}

/// Kills the process of a pod's container from outside, as the kernel does when memory runs out.
pub fn kill_process(pod: &Value) {
    let uid = text(pod, "/metadata/uid");
    let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let pid = processes
        .map(|process| process.path())
        .filter(|process| fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "velero"))
        .find(|process| fs::read_to_string(process.join("cgroup")).is_ok_and(|groups| groups.contains(&uid)))
        .expect("the server's process is on this machine");
    let pid = pid.file_name().expect("a number").to_owned();
    assert!(
        Command::new("kill")
            .arg("-9")
            .arg(pid)
            .status()
            .expect("kill")
            .success()
    );
}

fn restarts(pod: &Value) -> String {
    text(pod, "/status/containerStatuses/0/restartCount")
}

#[test]
fn a_run_continues_after_a_kill_and_after_a_pods_deletion() {
    let node = node();
    let velero = Installation::new(&node, "velero-death");
    fill(&node, "many");
    slow_down(&velero);

    velero.velero(&["backup", "create", "many", "--include-namespaces", "many"]);
    under_way(&velero, "backup", "many");
    kill_process(&velero.pods()[0]);
    velero.until_over("backup", "many");
    velero.must_be_complete("backup", "many");
    assert_eq!(restarts(&velero.pods()[0]), "1", "the kubelet started it again");
    let log = velero.velero(&["backup", "logs", "many"]);
    assert!(log.contains("Backup was resumed"), "it was killed too late\n{log}");
    let backup = velero.object("backup", "many");
    // The objects, their namespace, its account and its bundle of authorities.
    assert_eq!(
        text(&backup, "/status/progress/itemsBackedUp"),
        (OBJECTS + 3).to_string(),
        "{backup:#}"
    );

    let mappings = ["--namespace-mappings", "many:copy"];
    velero.velero(&[&["restore", "create", "copy", "--from-backup", "many"], &mappings[..]].concat());
    under_way(&velero, "restore", "copy");
    let first = text(&velero.pods()[0], "/metadata/name");
    node.kubectl(&[
        "delete",
        "pod",
        &first,
        "-n",
        velero.namespace,
        "--force",
        "--grace-period=0",
    ]);
    velero.until_over("restore", "copy");
    velero.must_be_complete("restore", "copy");
    assert_ne!(text(&velero.pods()[0], "/metadata/name"), first, "another pod did it");
    let log = velero.velero(&["restore", "logs", "copy"]);
    assert!(log.contains("Restore was resumed"), "it was killed too late\n{log}");
    let restore = velero.object("restore", "copy");
    assert_eq!(
        text(&restore, "/status/warnings"),
        "",
        "what it had made itself is no conflict: {restore:#}"
    );
    let copies = node.objects(&["configmaps", "-n", "copy"]);
    assert_eq!(
        copies.iter().filter(|map| !map["data"]["number"].is_null()).count(),
        OBJECTS
    );
    node.kubectl(&["delete", "namespace", "many", "copy", "--wait=false"]);
}
