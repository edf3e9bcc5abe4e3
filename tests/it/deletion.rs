//! The end of a backup's life: by the command line, by its expiration, through the death of the server, and in a bucket of S3.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::compat::metrics::page;
use crate::harness::{Plane, Server, eventually, files, text};
use crate::s3::{backup, location, s3_of};
use crate::survival::fill;

/// What the bucket holds of backups and restores.
fn stored(server: &Server<'_>) -> Vec<String> {
    let mut stored = files(&server.bucket());
    stored.retain(|file| file.starts_with("backups/") || file.starts_with("restores/"));
    stored
}

/// Waits until neither the backup nor anything that belongs to it is there.
fn until_nothing_is_left(server: &Server<'_>) {
    eventually("the objects to be gone", || {
        let kinds = ["backup", "restore", "deletebackuprequest"];
        kinds.iter().all(|kind| server.objects(kind).is_empty()).then_some(())
    });
    assert_eq!(stored(server), [""; 0]);
}

#[test]
fn a_deleted_backup_leaves_no_file_and_no_object() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "many", 20);
    server.velero(&["backup", "create", "b", "--include-namespaces", "many", "--wait"]);
    let mapped = ["--namespace-mappings", "many:copy"];
    server.velero(&[&["restore", "create", "r", "--from-backup", "b", "--wait"][..], &mapped].concat());
    assert!(stored(&server).len() > 10, "{:#?}", stored(&server));

    let refused = server.try_velero(&["backup", "delete"]);
    let exactly = "you must specify exactly one of: specific backup name(s), the --all flag, or the --selector flag";
    assert!(!refused.0 && refused.2.contains(exactly), "{refused:?}");
    let (ok, out, err) = server.try_velero(&["backup", "delete", "nope", "--confirm"]);
    assert!(
        !ok && err.contains("backups.velero.io \"nope\" not found"),
        "{out}{err}"
    );
    let mut asked = server.command(&["delete", "backup", "b"]);
    let mut asked = asked
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    asked
        .stdin
        .take()
        .expect("its input")
        .write_all(b"what?\nn\n")
        .expect("it reads");
    let answer = asked.wait_with_output().expect("it ends");
    let question = "Are you sure you want to continue (Y/N)? ";
    assert_eq!(String::from_utf8_lossy(&answer.stdout), question.repeat(2));
    assert!(server.objects("deletebackuprequest").is_empty());

    // No server: the request waits for the next one.
    server.kill();
    assert_eq!(
        server.velero(&["backup", "delete", "b", "--confirm"]),
        "Request to delete backup \"b\" submitted successfully.\n\
         The backup will be fully deleted after all associated data (disk snapshots, backup files, restores) are removed.\n"
    );
    let requests = server.objects("deletebackuprequest");
    let (name, request) = requests.first_key_value().expect("a request");
    assert!(name.starts_with("b-"), "{name}");
    let labels = &request["metadata"]["labels"];
    assert_eq!(labels["velero.io/backup-name"], "b");
    assert_eq!(
        labels["velero.io/backup-uid"],
        server.object("backup", "b")["metadata"]["uid"]
    );
    server.begin();
    plane.kubectl(&[
        "wait",
        "-n",
        "velero",
        "--for=delete",
        "backup.velero.io/b",
        "--timeout=60s",
    ]);
    until_nothing_is_left(&server);
    let metrics = page(&server);
    for line in [
        "velero_backup_deletion_attempt_total{schedule=\"\"} 1",
        "velero_backup_deletion_success_total{schedule=\"\"} 1",
        "velero_backup_deletion_failure_total{schedule=\"\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert_eq!(
        server.velero(&["backup", "delete", "--all", "--confirm"]),
        "No backups found\n"
    );
    server.was_well(&[]);
}

#[test]
fn an_expired_backup_is_deleted_at_its_time() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    fill(&plane, "many", 5);
    for (name, ttl) in [("short", "3s"), ("long", "100000h")] {
        let created = ["backup", "create", name, "--include-namespaces", "many", "--ttl", ttl];
        server.velero(&created);
    }
    server.ended("backup", "long");
    eventually("the short one to be gone", || {
        (!server.objects("backup").contains_key("short")).then_some(())
    });
    eventually("its request to be gone", || {
        server.objects("deletebackuprequest").is_empty().then_some(())
    });
    assert!(
        stored(&server).iter().all(|file| file.starts_with("backups/long/")),
        "{:#?}",
        stored(&server)
    );
    assert_eq!(text(&server.object("backup", "long"), "/status/phase"), "Completed");
    server.was_well(&[]);
}

#[test]
fn a_restore_is_deleted_with_its_files_by_the_command_line() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    fill(&plane, "many", 5);
    server.velero(&["backup", "create", "b", "--include-namespaces", "many", "--wait"]);
    for name in ["r1", "r2"] {
        let mapped = ["--namespace-mappings", "many:copy"];
        server.velero(
            &[
                &["restore", "create", name, "--from-backup", "b", "--wait"][..],
                &mapped,
            ]
            .concat(),
        );
    }
    // As in Velero, a wrong name keeps all of them.
    let (ok, out, err) = server.try_velero(&["restore", "delete", "r1", "nope", "--confirm"]);
    assert!(
        !ok && err.contains("restores.velero.io \"nope\" not found"),
        "{out}{err}"
    );
    assert_eq!(server.objects("restore").len(), 2);
    assert_eq!(
        server.velero(&["restore", "delete", "r1", "--confirm"]),
        "Request to delete restore \"r1\" submitted successfully.\n\
         The restore will be fully deleted after all associated data (restore files in object storage) are removed.\n"
    );
    eventually("the restore to be gone", || {
        (server.objects("restore").len() == 1).then_some(())
    });
    assert!(!stored(&server).iter().any(|file| file.starts_with("restores/r1/")));
    assert!(stored(&server).iter().any(|file| file.starts_with("restores/r2/")));
    server.velero(&["delete", "restores", "--all", "--confirm"]);
    eventually("the other to be gone", || {
        server.objects("restore").is_empty().then_some(())
    });
    assert!(!stored(&server).iter().any(|file| file.starts_with("restores/")));
    server.was_well(&[]);
}

#[test]
fn a_backup_in_s3_is_deleted_and_one_that_cannot_be_says_why_until_it_can() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    let s3 = s3_of(&server);
    fill(&plane, "many", 5);
    plane.create(&location(&server, "s3", &s3.endpoint, &[], &json!({})));
    server.until_available("s3");
    plane.create(&backup(&server, "b", "s3", "many"));
    server.ended("backup", "b");
    let set_mode = |mode: &str| {
        let patch = format!("{{\"spec\":{{\"accessMode\":\"{mode}\"}}}}");
        let arguments = [
            "patch",
            "backupstoragelocation",
            "s3",
            "-n",
            "velero",
            "--type=merge",
            "-p",
            &patch,
        ];
        plane.kubectl(&arguments);
    };
    set_mode("ReadOnly");
    server.velero(&["backup", "delete", "b", "--confirm"]);
    let refused = eventually("the refusal", || {
        let requests = server.objects("deletebackuprequest");
        let request = requests.into_values().next()?;
        (text(&request, "/status/phase") == "Processed").then_some(request)
    });
    assert_eq!(
        text(&refused, "/status/errors/0"),
        "cannot delete backup because backup storage location s3 is currently in read-only mode"
    );
    let page = server.velero(&["backup", "describe", "b"]);
    assert!(page.contains("Deletion Attempts (1 failed):"), "{page}");
    set_mode("ReadWrite");
    server.velero(&["backup", "delete", "b", "--confirm"]);
    until_nothing_is_left(&server);
    // The sync would bring in what the bucket still has.
    plane.create(&backup(&server, "b", "s3", "many"));
    assert_eq!(
        text(&server.ended("backup", "b"), "/status/phase"),
        "Completed",
        "the name is free"
    );
    server.was_well(&[]);
}
