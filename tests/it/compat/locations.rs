//! The commands of both sorts of locations, by themselves and with the verb first.

use crate::harness::{Server, text};

fn refused(why: &str) -> (bool, String, String) {
    (false, String::new(), format!("An error occurred: {why}\n"))
}

pub(super) fn backup_locations(server: &Server<'_>) {
    let create = |name: &str, more: &[&str]| {
        let mut arguments = vec!["backup-location", "create", name, "--provider", "aws", "--bucket", "b"];
        arguments.extend(more);
        server.try_velero(&arguments)
    };
    let configured = |name: &str| {
        (
            true,
            format!("Backup storage location \"{name}\" configured successfully.\n"),
            String::new(),
        )
    };
    assert_eq!(
        create("other", &["--labels", "a=b", "--access-mode", "ReadOnly"]),
        configured("other")
    );
    assert_eq!(
        create("other", &[]),
        refused("backupstoragelocations.velero.io \"other\" already exists")
    );
    assert_eq!(
        create("third", &["--default"]),
        refused(
            "there is already exist default backup storage location, please unset it first or do not set --default flag"
        )
    );
    let set = |more: &[&str]| server.try_velero(&[&["backup-location", "set", "other"], more].concat());
    assert_eq!(
        set(&["--default"]),
        refused("there are already exist default backup storage locations, please unset them first")
    );
    assert_eq!(set(&["--credential", "s3=cloud"]), configured("other"));
    let other = server.object("backupstoragelocation", "other");
    assert_eq!(text(&other, "/spec/credential"), r#"{"key":"cloud","name":"s3"}"#);
    assert_eq!(text(&other, "/spec/accessMode"), "ReadOnly");
    let default = server.velero(&["get", "backup-locations", "--default"]);
    assert!(
        default.contains("\ndefault ") && !default.contains("\nother "),
        "{default}"
    );

    // The Go release ends with 0, though nothing was deleted (decision 48).
    let (succeeded, asked, why) = server.try_velero(&["backup-location", "delete", "other"]);
    assert_eq!(
        (succeeded, asked.trim_end()),
        (false, "Are you sure you want to continue (Y/N)?")
    );
    assert!(
        why.contains("error reading user input: EOF; nothing was deleted"),
        "{why}"
    );
    assert_eq!(
        server.velero(&["delete", "backup-location", "-l", "a=b", "--confirm"]),
        "Backup storage location \"other\" deleted successfully.\n"
    );
    assert_eq!(
        server.velero(&["delete", "backup-locations", "-l", "a=b", "--confirm"]),
        "No backup-locations found\n"
    );
    assert_eq!(
        server.try_velero(&["backup-location", "delete", "other", "--confirm"]),
        refused("backupstoragelocations.velero.io \"other\" not found")
    );
}

pub(super) fn snapshot_locations(server: &Server<'_>) {
    let create = |words: &[&str]| server.try_velero(&[&["snapshot-location", "create"], words].concat());
    let configured = |text: &str| (true, format!("{text}\n"), String::new());
    assert_eq!(
        create(&["east", "--provider", "aws", "--config", "region=e", "--labels", "a=b"]),
        configured("Snapshot volume location \"east\" configured successfully.")
    );
    assert_eq!(
        server.try_velero(&["create", "snapshot-location", "west", "--provider", "gcp"]),
        configured("Snapshot volume location \"west\" configured successfully.")
    );
    assert_eq!(create(&["north"]), refused("--provider is required"));
    assert_eq!(
        create(&["east", "--provider", "aws"]),
        refused("volumesnapshotlocations.velero.io \"east\" already exists")
    );
    let table = |text: String| {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let all = ["NAME PROVIDER", "east aws", "west gcp"];
    assert_eq!(table(server.velero(&["snapshot-location", "get"])), all);
    assert_eq!(table(server.velero(&["get", "snapshot-locations"])), all);
    // The Go release ignores the selector.
    assert_eq!(
        table(server.velero(&["get", "snapshot-location", "-l", "a=b"])),
        all[..2]
    );
    assert_eq!(
        server.try_velero(&["snapshot-location", "set", "east", "--credential", "s=k"]),
        configured("Volume snapshot location \"east\" configured successfully.")
    );
    let east = server.object("volumesnapshotlocation", "east");
    assert_eq!(text(&east, "/spec/credential"), r#"{"key":"k","name":"s"}"#);
    assert_eq!(text(&east, "/spec/config/region"), "e");
    assert_eq!(
        server.try_velero(&["snapshot-location", "set", "south"]),
        refused("volumesnapshotlocations.velero.io \"south\" not found")
    );
}
