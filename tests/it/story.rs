//! The events of an object tell its story: what `kubectl describe` shows of a run that went well, of one whose server died,
//! and of one that was refused.

use crate::harness::{Plane, Server, eventually, text};
use crate::survival::{fill, meet};

/// The story of an object as its events tell it, in the order they happened: reason and note.
fn story(plane: &Plane, kind: &str, name: &str) -> Vec<(String, String)> {
    let mut events: Vec<_> = plane
        .list("velero", "events")
        .into_iter()
        .filter(|event| text(event, "/involvedObject/kind") == kind && text(event, "/involvedObject/name") == name)
        .collect();
    events.sort_by_key(|event| text(event, "/eventTime"));
    let told = |event| (text(event, "/reason"), text(event, "/message"));
    events.iter().map(told).collect()
}

/// Waits for the last event of a story, and gives its reasons and its last note.
fn told(plane: &Plane, kind: &str, name: &str, last: &str) -> (Vec<String>, String) {
    let story = eventually(&format!("{kind} {name} to tell that it is {last}"), || {
        let story = story(plane, kind, name);
        story.iter().any(|(reason, _)| reason == last).then_some(story)
    });
    let note = story.last().map(|(_, note)| note.clone()).unwrap_or_default();
    (story.into_iter().map(|(reason, _)| reason).collect(), note)
}

#[test]
fn events_tell_the_story_of_a_backup_whose_server_died_and_of_its_restore() {
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
    let (reasons, note) = told(&plane, "Backup", "b", "Completed");
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
    let (reasons, note) = told(&plane, "Restore", "r", "Completed");
    assert_eq!(reasons, ["Started", "Completed"]);
    assert!(note.starts_with("restored 401 item(s) in "), "{note}");

    server.velero(&["backup", "create", "odd", "--include-resources", "pods,*"]);
    server.ended("backup", "odd");
    let (reasons, note) = told(&plane, "Backup", "odd", "FailedValidation");
    assert_eq!(reasons, ["FailedValidation"]);
    assert!(note.contains("Invalid included/excluded resource lists"), "{note}");

    let (reasons, _) = told(&plane, "BackupStorageLocation", "default", "Available");
    assert_eq!(reasons, ["Available"]);
    server.was_well(&[]);
}
