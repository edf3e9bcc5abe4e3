//! What a test run leaves that is killed as a whole, with the process that would have taken its node down.

use std::path::Path;
use std::process::Command;

use crate::node::{succeed, without_node};

/// In the environment of all that the launcher starts.
const OWNER: &str = "VELERO_TEST_CLUSTER_DIR";

#[test]
fn a_node_starts_although_an_earlier_one_was_killed_with_all_its_processes() {
    without_node(|launcher| {
        let directory = tempfile::tempdir().expect("a directory");
        let cluster = |verb: &str, name: &str| {
            let mut command = Command::new(launcher);
            command
                .args(["cluster", verb, "--dir"])
                .arg(directory.path().join(name));
            command
        };
        succeed(&mut cluster("up", "killed"));
        let refused = cluster("up", "next").output().expect("it starts");
        let message = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && message.contains("a node is up already"),
            "a node that runs is left alone: {message}"
        );

        while kill_processes_of(&directory.path().join("killed")) > 0 {}
        succeed(&mut cluster("up", "next"));
        succeed(&mut cluster("down", "next"));
    });
}

/// Kills every process of a run directory, and returns how many there were.
fn kill_processes_of(run: &Path) -> usize {
    let owner = format!("{OWNER}={}", run.display());
    let processes: Vec<String> = std::fs::read_dir("/proc")
        .expect("the processes")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|v| v == owner.as_bytes()))
        })
        .collect();
    if !processes.is_empty() {
        // One that has just ended is no failure.
        let _ = Command::new("kill").arg("-KILL").args(&processes).output();
    }
    processes.len()
}
