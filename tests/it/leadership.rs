//! Two servers and one lease (decision 8): which one leads, and what happens to a run when that changes.

use std::time::{Duration, Instant};

use crate::harness::{Plane, Server, eventually, files, text, within};
use crate::survival::{assert_restored, assert_whole, fill};

/// So slow that it is met in the middle.
const SLOW: [&str; 2] = ["--client-qps=20", "--client-burst=1"];

const OBJECTS: usize = 200;

/// The lease's duration, two retries, and time for a loaded machine.
const TAKEOVER: Duration = Duration::from_secs(25);

const LIMIT: Duration = Duration::from_mins(2);

pub fn under_way(server: &Server<'_>, kind: &str, name: &str, counter: &str) {
    within(LIMIT, &format!("{kind} {name} to be under way"), || {
        let count: usize = text(&server.object(kind, name), counter).parse().unwrap_or_default();
        (count > 3).then_some(())
    });
}

pub fn leads(server: &Server<'_>) {
    within(TAKEOVER, &format!("{} to lead", server.identity()), || {
        (server.leader() == server.identity()).then_some(())
    });
}

#[test]
fn a_standby_takes_over_from_a_killed_leader_with_its_backup() {
    let plane = Plane::start();
    let mut first = Server::start_with(&plane, "velero", &SLOW);
    fill(&plane, "many", OBJECTS);
    let second = first.standby();
    leads(&first);

    first.velero(&["backup", "create", "b", "--include-namespaces", "many"]);
    eventually("an upload", || {
        first.bucket().join(".velero-uploads").exists().then_some(())
    });
    first.kill();
    let killed = Instant::now();
    leads(&second);
    assert!(
        killed.elapsed() > Duration::from_secs(5),
        "it did not wait for the lease"
    );
    second.ended("backup", "b");
    assert_whole(&first, OBJECTS);

    // Every replica serves artifacts, leader or standby.
    first.flags.clear();
    first.begin();
    let token = second.token("d", "BackupResults", "b");
    let (status, bytes) = second.artifact("BackupResults", "b", &token);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    let (status, same) = eventually("the standby to serve", || {
        first
            .log()
            .contains("standing by")
            .then(|| first.artifact("BackupResults", "b", &token))
    });
    assert_eq!((status, same), (200, bytes));
    assert_eq!(first.artifact("BackupLog", "b", &token).0, 403, "it is for one file");
    assert_eq!(first.leader(), second.identity());
}

#[test]
fn a_leader_paused_beyond_its_lease_does_no_harm_afterwards() {
    let plane = Plane::start();
    let mut first = Server::start_with(&plane, "velero", &SLOW);
    fill(&plane, "many", OBJECTS);
    first.velero(&["backup", "create", "b", "--include-namespaces", "many"]);
    first.ended("backup", "b");
    let second = first.standby();

    // In the middle of a restore.
    let restore = [
        "restore",
        "create",
        "r",
        "--from-backup",
        "b",
        "--namespace-mappings",
        "many:copy",
    ];
    first.velero(&restore);
    under_way(&first, "restore", "r", "/status/progress/itemsRestored");
    first.signal("STOP");
    leads(&second);
    second.ended("restore", "r");
    assert_restored(&first, OBJECTS);
    let before = (
        second.object("restore", "r"),
        files(&first.bucket()),
        plane.list("copy", "configmaps"),
    );
    first.signal("CONT");
    // It ends itself, or becomes a standby: its work is over in either case.
    within(TAKEOVER, "the one that woke up to see that it does not lead", || {
        let log = first.log();
        (first.exited().is_some()
            || log.contains("leadership lost")
            || log.contains("did not stop before the lease was over"))
        .then_some(())
    });
    eventually("it to be gone or to stand by", || {
        (first.exited().is_some()
            || first
                .log()
                .lines()
                .rev()
                .take(40)
                .any(|line| line.contains("standing by")))
        .then_some(())
    });
    let after = (
        second.object("restore", "r"),
        files(&first.bucket()),
        plane.list("copy", "configmaps"),
    );
    assert!(before == after, "it wrote late: {:#}\n{:#}", before.0, after.0);
    assert_eq!(second.leader(), second.identity());
    assert_restored(&first, OBJECTS);
}
