//! The queue of backups with `--concurrent-backups`: which backups run, which wait and for what, and what frees a place (spec
//! backup 3). Decisions have their tables beside the code; here it is the real process on a real API server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Fault, Plane, Proxy, S3, Server, eventually, phase, text, within};
use crate::s3::{backup, create, fill, proxied, s3_of};

/// Less than the resync of a backup that waits: what happens within is no accident.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A location with a store that answers no write, so that its backups are in progress until it is healed.
struct Stuck {
    s3: S3,
    proxy: Proxy,
}

impl Stuck {
    fn before(server: &Server<'_>) -> Self {
        let s3 = s3_of(server);
        let proxy = proxied(server, &s3, "stuck");
        proxy.misbehave(|asked| asked.writes().then_some(Fault::Silence));
        Self { s3, proxy }
    }

    /// Makes a backup there and waits until it stands still.
    fn backup(&self, server: &Server<'_>, name: &str, namespace: &str) {
        let before = self.proxy.hits();
        create(server.plane, [backup(server, name, "stuck", namespace)]);
        eventually("the backup to stand still", || {
            (self.proxy.hits() > before).then_some(())
        });
        assert_eq!(phase(&server.object("backup", name)), "InProgress");
    }
}

/// Why a backup waits: the reason and the message of its condition.
fn waits_for(server: &Server<'_>, name: &str) -> (String, String) {
    let backup = server.object("backup", name);
    let conditions = backup["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let queued = conditions
        .iter()
        .find(|condition| condition["type"] == "Queued")
        .unwrap_or(&Value::Null);
    (text(queued, "/reason"), text(queued, "/message"))
}

/// A backup's status and place in the queue, from the table of backups.
fn row(server: &Server<'_>, name: &str) -> (String, String) {
    let table = server.velero(&["backup", "get"]);
    let mut lines = table.lines();
    let header = lines.next().expect("a header");
    let column = |title: &str| header.find(title).expect("the column");
    let line = lines
        .find(|line| line.split_whitespace().next() == Some(name))
        .unwrap_or_else(|| panic!("{name} is not in\n{table}"));
    let cell = |title: &str| {
        let rest = line.get(column(title)..).unwrap_or_default();
        rest.split("  ").next().unwrap_or_default().trim().to_owned()
    };
    (cell("STATUS"), cell("QUEUE POSITION"))
}

#[track_caller]
fn until_queued(server: &Server<'_>, places: &[(&str, &str)]) {
    for (name, place) in places {
        eventually(&format!("{name} to have place {place}"), || {
            let backup = server.object("backup", name);
            (phase(&backup) == "Queued" && text(&backup, "/status/queuePosition") == *place).then_some(())
        });
        assert_eq!(row(server, name), ("Queued".to_owned(), (*place).to_owned()));
    }
}

#[track_caller]
fn completed(server: &Server<'_>, names: &[&str], limit: Duration) {
    let ended = server.all_ended("backup", names, limit);
    for name in names {
        assert_eq!(phase(&ended[*name]), "Completed", "{:#}", ended[*name]);
    }
}

fn delete(server: &Server<'_>, name: &str) {
    let backup = ["delete", "backup.velero.io", name, "-n", &server.namespace];
    server.plane.kubectl(&backup);
}

#[test]
fn a_stalled_backup_delays_only_those_of_its_namespaces() {
    let plane = Plane::start();
    let server = Server::start_with(&plane, "velero", &["--concurrent-backups=2"]);
    for name in ["a", "b", "c"] {
        fill(&plane, name);
    }
    let store = Stuck::before(&server);
    store.backup(&server, "stuck", "a");

    let all = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "wide", "namespace": "velero"},
        "spec": {"includedNamespaces": ["a*", "b?"]},
    });
    create(&plane, [all.to_string()]);
    until_queued(&server, &[("wide", "1")]);
    create(&plane, ["b", "c"].map(|name| backup(&server, name, "default", name)));
    create(&plane, [backup(&server, "late", "default", "a")]);
    completed(&server, &["b", "c"], AT_ONCE);
    until_queued(&server, &[("wide", "1"), ("late", "2")]);
    let (reason, message) = waits_for(&server, "wide");
    assert_eq!(reason, "NamespaceConflict", "{message}");
    assert!(
        message.contains("namespace `a` is also saved by backup `stuck`"),
        "{message}"
    );

    delete(&server, "stuck");
    completed(&server, &["wide", "late"], AT_ONCE);
    let began = |name: &str| text(&server.object("backup", name), "/status/startTimestamp");
    let ended = text(&server.object("backup", "wide"), "/status/completionTimestamp");
    assert!(ended <= began("late"), "they ran at once");
    store.proxy.heal();
    server.until_no_records();
    assert_eq!(store.s3.objects("stuck/backups"), [""; 0]);
    server.was_well(&[]);
}

#[test]
fn waiting_backups_know_their_place_and_a_deleted_one_makes_room() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "a");
    let store = Stuck::before(&server);
    store.backup(&server, "stuck", "a");
    for name in ["b", "c", "d", "e"] {
        create(&plane, [backup(&server, name, "default", "a")]);
    }
    until_queued(&server, &[("b", "1"), ("c", "2"), ("d", "3"), ("e", "4")]);
    let (reason, message) = waits_for(&server, "d");
    assert_eq!(reason, "NoFreePlace");
    assert!(message.contains("--concurrent-backups"), "{message}");
    let described = server.velero(&["backup", "describe", "d"]);
    assert!(described.contains(&message), "{described}");

    delete(&server, "c");
    until_queued(&server, &[("b", "1"), ("d", "2"), ("e", "3")]);
    // No backup is forgotten or loses its place.
    server.restart();
    let before = store.proxy.hits();
    eventually("the backup that runs to go on", || {
        (store.proxy.hits() > before).then_some(())
    });
    until_queued(&server, &[("b", "1"), ("d", "2"), ("e", "3")]);

    delete(&server, "stuck");
    completed(&server, &["b", "d", "e"], AT_ONCE);
    store.proxy.heal();
    server.until_no_records();
    assert_eq!(store.s3.objects("stuck/backups"), [""; 0]);
    server.was_well(&[]);
}

#[test]
fn no_queued_backup_is_lost_when_the_server_dies() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "a");
    server.kill();
    // As a server that died leaves it.
    let left = [
        ("promised", json!({"phase": "ReadyToStart"})),
        (
            "running",
            json!({"phase": "InProgress", "startTimestamp": "2026-01-01T00:00:00Z", "version": 1, "formatVersion": "1.1.0"}),
        ),
        ("second", json!({"phase": "Queued", "queuePosition": 2})),
        ("first", json!({"phase": "Queued", "queuePosition": 1})),
        ("new", json!({})),
    ];
    let with_status = |(name, status): &(&str, Value)| {
        let mut object: Value = serde_json::from_str(&backup(&server, name, "default", "a")).expect("JSON");
        object["status"] = status.clone();
        object.to_string()
    };
    create(&plane, left.iter().map(with_status));
    server.begin();
    let names = ["running", "promised", "first", "second", "new"];
    let ended = server.all_ended("backup", &names, Duration::from_mins(1));
    // The two that had a place are served in any order.
    let mut before = String::new();
    for name in &names[2..] {
        assert_eq!(phase(&ended[*name]), "Completed", "{:#}", ended[*name]);
        let began = text(&ended[*name], "/status/startTimestamp");
        assert!(
            before <= began,
            "{name} began at {began}, and the one before it ended at {before}"
        );
        before = text(&ended[*name], "/status/completionTimestamp");
    }
    completed(&server, &names, AT_ONCE);
    server.was_well(&[]);
}

#[test]
fn backups_wait_with_a_reason_where_none_are_carried_out() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "a");
    for (name, flag) in [("a", "--restore-only"), ("b", "--disable-controllers=backup")] {
        server.kill();
        server.flags = vec![flag.to_owned()];
        server.begin();
        create(&plane, [backup(&server, name, "default", "a")]);
        until_queued(&server, &[(name, "1")]);
        let (reason, message) = waits_for(&server, name);
        assert_eq!(reason, "BackupsNotCarriedOut");
        assert!(message.contains(flag.split('=').next().expect("a flag")), "{message}");
        eventually("an event about it", || {
            let events = plane.list("velero", "events");
            let matches =
                |event: &&Value| event["reason"] == "BackupsNotCarriedOut" && event["involvedObject"]["name"] == name;
            events.iter().find(matches).map(|_| ())
        });
        server.kill();
        server.flags.clear();
        server.begin();
        completed(&server, &[name], Duration::from_mins(1));
    }
    server.was_well(&[]);
}

#[test]
fn when_a_backup_ends_the_next_starts_at_once() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    fill(&plane, "a");
    let names: Vec<String> = (0..8).map(|number| format!("b{number}")).collect();
    create(&plane, names.iter().map(|name| backup(&server, name, "default", "a")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    within(AT_ONCE, "eight backups, one after another", || {
        let backups = server.objects("backup");
        let done = |name: &&&str| phase(&backups[**name]) == "Completed";
        (names.iter().filter(done).count() == names.len()).then_some(())
    });
    let backups = server.objects("backup");
    let at = |name: &str, field: &str| text(&backups[name], &format!("/status/{field}"));
    for pair in names.windows(2) {
        let (ended, began) = (at(pair[0], "completionTimestamp"), at(pair[1], "startTimestamp"));
        assert!(ended <= began, "{pair:?} ran at once");
    }
}
