//! The events of an object, as `kubectl describe` shows them: of a run that succeeded, of one with a server that died, and of one
//! that was refused.

use crate::harness::{Plane, Server, eventually, text};
use crate::survival::{fill, meet};

/// The events of an object in their order: reason and note.
fn events_of(plane: &Plane, kind: &str, name: &str) -> Vec<(String, String)> {
    let mut events: Vec<_> = plane
        .list("velero", "events")
        .into_iter()
        .filter(|event| text(event, "/involvedObject/kind") == kind && text(event, "/involvedObject/name") == name)
        .collect();
    events.sort_by_key(|event| text(event, "/eventTime"));
    let shown = |event| (text(event, "/reason"), text(event, "/message"));
    events.iter().map(shown).collect()
}

/// Waits for an event with the reason `last`, and returns all reasons and the last note.
fn reasons_and_note(plane: &Plane, kind: &str, name: &str, last: &str) -> (Vec<String>, String) {
    let events = eventually(&format!("{kind} {name} to report that it is {last}"), || {
        let events = events_of(plane, kind, name);
        events.iter().any(|(reason, _)| reason == last).then_some(events)
    });
    let note = events.last().map(|(_, note)| note.clone()).unwrap_or_default();
    (events.into_iter().map(|(reason, _)| reason).collect(), note)
}

#[test]
fn events_show_a_backup_with_a_death_and_its_restore() {
    const OBJECTS: usize = 400;
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &["--client-qps=50", "--client-burst=5"]);
    fill(&plane, "many", OBJECTS);

    server.velero(&["backup", "create", "b", "--include-namespaces", "many"]);
    meet(&server.bucket(), ".velero-uploads/");
    server.kill();
    server.flags.clear();
    server.begin();
    server.ended("backup", "b");
    let (reasons, note) = reasons_and_note(&plane, "Backup", "b", "Completed");
    assert_eq!(reasons, ["Started", "Resumed", "Completed"]);
    assert!(note.starts_with("backed up 401 item(s) in "), "{note}");
    assert!(
        note.ends_with("without errors or warnings; see `velero backup describe b --details`"),
        "{note}"
    );

    server.velero(&[
        "restore",
        "create",
        "r",
        "--from-backup",
        "b",
        "--namespace-mappings",
        "many:copy",
    ]);
    server.ended("restore", "r");
    let (reasons, note) = reasons_and_note(&plane, "Restore", "r", "Completed");
    assert_eq!(reasons, ["Started", "Completed"]);
    assert!(note.starts_with("restored 401 item(s) in "), "{note}");

    server.velero(&["backup", "create", "odd", "--include-resources", "pods,*"]);
    server.ended("backup", "odd");
    let (reasons, note) = reasons_and_note(&plane, "Backup", "odd", "FailedValidation");
    assert_eq!(reasons, ["FailedValidation"]);
    assert!(note.contains("Invalid included/excluded resource lists"), "{note}");

    let (reasons, _) = reasons_and_note(&plane, "BackupStorageLocation", "default", "Available");
    assert_eq!(reasons, ["Available"]);
    server.was_well(&[]);
}
