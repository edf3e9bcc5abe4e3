//! Backups and Restores that cannot be carried out are refused with every reason at once. Objects that cannot be parsed are
//! left alone, and no other object is affected.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, phase, text};
use crate::s3::{backup, create, fill, restore};

const LIMIT: Duration = Duration::from_mins(2);

fn object(server: &Server<'_>, kind: &str, name: &str, spec: &Value) -> String {
    json!({
        "apiVersion": "velero.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": server.namespace}, "spec": spec,
    })
    .to_string()
}

/// Fails unless each was refused for all of its reasons and no other.
fn expect_refused(server: &Server<'_>, kind: &str, cases: &[(&str, Value, &[&str])]) {
    let names: Vec<&str> = cases.iter().map(|(name, _, _)| *name).collect();
    let ended = server.all_ended(kind, &names, LIMIT);
    for (name, _, texts) in cases {
        let object = &ended[*name];
        assert_eq!(phase(object), "FailedValidation", "{name}: {object:#}");
        let errors = object["status"]["validationErrors"].as_array().expect("errors").clone();
        assert_eq!(errors.len(), texts.len(), "{name}: {errors:#?}");
        for text in *texts {
            let found = errors
                .iter()
                .any(|error| error.as_str().is_some_and(|error| error.contains(text)));
            assert!(found, "{name}: `{text}` is not among {errors:#?}");
        }
        assert_eq!(text(object, "/status/startTimestamp"), "", "{name} did not begin");
    }
}

#[test]
fn an_invalid_spec_is_refused_with_every_reason_at_once() {
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &["--concurrent-backups=4"]);
    fill(&plane, "app");
    fill(&plane, "other");
    let location = |name: &str, path: &str, mode: &str| {
        object(
            &server,
            "BackupStorageLocation",
            name,
            &json!({"provider": "velero.io/fs", "accessMode": mode, "objectStorage": {"bucket": "b"}, "config": {"fspath": path}}),
        )
    };
    create(
        &plane,
        [
            location("broken", "relative/path", "ReadWrite"),
            location("archive", "/nowhere", "ReadOnly"),
        ],
    );
    let message = server.unavailable("broken");
    assert!(
        message.contains("`config.fspath` is `relative/path`; it must be an absolute path"),
        "{message}"
    );

    backups_are_refused(&plane, &server);
    create(&plane, [backup(&server, "good", "default", "app")]);
    let both = json!({"includedNamespaces": ["app", "other"]});
    create(&plane, [object(&server, "Backup", "both", &both)]);
    for (name, backup) in server.all_ended("backup", &["good", "both"], LIMIT) {
        assert!(
            !["good", "both"].contains(&name.as_str()) || phase(&backup) == "Completed",
            "{backup:#}"
        );
    }
    restores_are_refused(&plane, &server);
    mappings_that_look_odd_and_are_not(&plane, &server);
    long_names(&plane, &server);
    an_object_that_nobody_can_parse_harms_no_other(&plane, &mut server);
    server.was_well(&[]);
}

fn backups_are_refused(plane: &Plane, server: &Server<'_>) {
    let long = "b".repeat(253);
    let expression =
        |operator: &str| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": ["x"]}]});
    let cases: Vec<(&str, Value, &[&str])> = vec![
        (
            "nowhere",
            json!({"storageLocation": "nowhere"}),
            &["the backup storage location 'nowhere' was not found. Please address"],
        ),
        (
            "unavailable",
            json!({"storageLocation": "broken"}),
            &["BackupStorageLocation broken is in Unavailable status. (BackupStorageLocation"],
        ),
        (
            "read-only",
            json!({"storageLocation": "archive"}),
            &["location archive is currently in read-only mode"],
        ),
        (
            "operator",
            json!({"labelSelector": expression("Near")}),
            &["invalid spec.labelSelector: \"Near\" is not a valid label selector operator"],
        ),
        (
            "key",
            json!({"labelSelector": {"matchLabels": {"a b": "c"}}}),
            &["label selector key \"a b\" is not a valid label key"],
        ),
        (
            "selectors",
            json!({"labelSelector": expression("In"), "orLabelSelectors": [expression("Exists")]}),
            &[
                "only one can be specified",
                "invalid spec.orLabelSelectors[0]: label selector key \"app\": operator Exists takes no values",
            ],
        ),
        (
            "pattern",
            json!({"excludedResources": ["secr[ets"]}),
            &["`secr[ets` is not a valid pattern: a bracket is not closed"],
        ),
        (
            "namespace",
            json!({"includedNamespaces": ["a|b"]}),
            &["wildcard pattern contains unsupported characters"],
        ),
        (
            "overlap",
            json!({"includedResources": ["pods", "*"], "excludedResources": ["pods"]}),
            &[
                "must either contain '*' only",
                "cannot contain an item in the includes list: pods",
            ],
        ),
        (
            "styles",
            json!({"includedResources": ["pods"], "excludedClusterScopedResources": ["*"]}),
            &["They cannot be used together"],
        ),
        (
            "ttl",
            json!({"ttl": "-1h", "csiSnapshotTimeout": "soon", "itemOperationTimeout": "3"}),
            &[
                "invalid spec.ttl: -1h is negative",
                "invalid spec.csiSnapshotTimeout: time: invalid duration \"soon\"",
                "missing unit in duration \"3\"",
            ],
        ),
        (
            "not-yet",
            json!({"snapshotMoveData": true, "hooks": {"resources": [{"name": "h", "pre": [{"exec": {"command": ["a"], "timeout": "soon"}}]}]}}),
            &[
                "`spec.snapshotMoveData`",
                "invalid hook \"h\", spec.hooks.resources[0].pre[0].exec.timeout",
            ],
        ),
        (&long, json!({}), &["the backup's name has 253 characters"]),
        (
            "everything",
            json!({
                "storageLocation": "nowhere", "ttl": "30d", "labelSelector": expression("Near"), "includedResources": ["{a"],
                "includedNamespaces": ["a"], "excludedNamespaces": ["a"], "snapshotMoveData": true,
            }),
            &[
                "'nowhere' was not found",
                "unknown unit \"d\"",
                "\"Near\"",
                "`{a` is not a valid pattern: a brace is not closed",
                "includes list: a",
                "`spec.snapshotMoveData`",
            ],
        ),
    ];
    create(
        plane,
        cases.iter().map(|(name, spec, _)| object(server, "Backup", name, spec)),
    );
    expect_refused(server, "backup", &cases);
}

fn restores_are_refused(plane: &Plane, server: &Server<'_>) {
    // What only other releases and other moments leave behind.
    for (name, phase) in [
        ("deleting", "Deleting"),
        ("failed", "Failed"),
        ("finished", "Completed"),
    ] {
        let location = if name == "finished" { "gone" } else { "default" };
        let mut backup: Value =
            serde_json::from_str(&backup(server, name, location, "app")).expect("it was made a line above");
        backup["status"] =
            json!({"phase": phase, "failureReason": if name == "failed" { "the disk was full" } else { "" }});
        create(plane, [backup.to_string()]);
    }
    let of = |more: Value| {
        let mut spec = json!({"backupName": "good"});
        spec.as_object_mut()
            .expect("it is one")
            .extend(more.as_object().expect("it is one").clone());
        spec
    };
    let long = "r".repeat(240);
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("none", json!({}), &["Either a backup or schedule must be specified"]),
        (
            "two",
            of(json!({"scheduleName": "daily"})),
            &["Either a backup or schedule must be specified"],
        ),
        (
            "gone",
            json!({"backupName": "never"}),
            &["can't find backup velero/never: backups.velero.io \"never\" not found"],
        ),
        (
            "schedule",
            json!({"scheduleName": "never"}),
            &[
                "No backups found for schedule",
                "No completed backups found for schedule",
            ],
        ),
        (
            "deleting",
            json!({"backupName": "deleting"}),
            &["backup deleting is being deleted"],
        ),
        (
            "failed",
            json!({"backupName": "failed"}),
            &["backup failed is Failed: the disk was full; restore another one"],
        ),
        (
            "invalid",
            json!({"backupName": "ttl"}),
            &["backup ttl is FailedValidation: it saved nothing"],
        ),
        (
            "location",
            json!({"backupName": "finished"}),
            &["can't find the storage location velero/gone of backup finished"],
        ),
        (
            "policy",
            of(json!({"existingResourcePolicy": "replace"})),
            &["Invalid ExistingResourcePolicy: replace"],
        ),
        (
            "nodes",
            of(json!({"includedResources": ["nodes"]})),
            &[
                "nodes are non-restorable resources",
                "cannot contain an item in the includes list: nodes",
            ],
        ),
        (
            "mapping",
            of(json!({"namespaceMapping": {"app": "Not Legal", "": "x"}})),
            &[
                "'Not Legal' is not a legal namespace name",
                "invalid namespace mapping ':x': both sides must name a namespace",
            ],
        ),
        (
            "selector",
            of(json!({"orLabelSelectors": [{"matchLabels": {"app": "not a value"}}]})),
            &[
                "invalid spec.orLabelSelectors[0]: label selector key \"app\": \"not a value\" is not a valid label value",
            ],
        ),
        (
            "pattern",
            of(json!({"excludedNamespaces": ["shop["]})),
            &["`shop[` is not a valid pattern: a bracket is not closed"],
        ),
        (
            "timeout",
            of(json!({"itemOperationTimeout": "soon"})),
            &["invalid spec.itemOperationTimeout: time: invalid duration \"soon\""],
        ),
        (
            "modifier",
            of(json!({"resourceModifier": {"kind": "configmap", "name": "m"}})),
            &["`spec.resourceModifier`"],
        ),
        (&long, of(json!({})), &["the restore's name has 240 characters"]),
    ];
    create(
        plane,
        cases
            .iter()
            .map(|(name, spec, _)| object(server, "Restore", name, spec)),
    );
    expect_refused(server, "restore", &cases);
}

fn mappings_that_look_odd_and_are_not(plane: &Plane, server: &Server<'_>) {
    let spec = json!({"backupName": "both", "namespaceMapping": {"app": "one", "other": "one"}});
    create(
        plane,
        [
            object(server, "Restore", "merged", &spec),
            restore(server, "itself", "good", "app", "app"),
        ],
    );
    let ended = server.all_ended("restore", &["merged", "itself"], LIMIT);
    assert_eq!(phase(&ended["merged"]), "Completed", "{:#}", ended["merged"]);
    assert_eq!(
        plane.list("one", "configmaps").len(),
        3,
        "of two with one name the first won"
    );
    assert_eq!(phase(&ended["itself"]), "Completed", "{:#}", ended["itself"]);
}

/// Names as long as they can be: labels hold a part and a hash of them.
fn long_names(plane: &Plane, server: &Server<'_>) {
    let (made, back) = ("b".repeat(220), "r".repeat(220));
    create(plane, [backup(server, &made, "default", "app")]);
    let ended = server.all_ended("backup", &[&made], LIMIT);
    assert_eq!(phase(&ended[&made]), "Completed", "{:#}", ended[&made]);
    create(plane, [restore(server, &back, &made, "app", "from-long")]);
    let ended = server.all_ended("restore", &[&back], LIMIT);
    assert_eq!(phase(&ended[&back]), "Completed", "{:#}", ended[&back]);
    let map = plane.get("from-long", "configmap", "c0").expect("it is back");
    assert_eq!(text(&map, "/metadata/labels/velero.io~1restore-name").len(), 63);
}

/// The schema admits times that are none.
fn an_object_that_nobody_can_parse_harms_no_other(plane: &Plane, server: &mut Server<'_>) {
    let mut odd: Value =
        serde_json::from_str(&backup(server, "odd", "default", "app")).expect("it was made a line above");
    odd["status"] = json!({"expiration": "2024-01-01T00:00:00+99:99"});
    create(plane, [odd.to_string()]);
    eventually("an event about what cannot be read", || {
        let events = plane.list("velero", "events");
        events
            .iter()
            .any(|event| {
                text(event, "/reason") == "Unreadable"
                    && text(event, "/involvedObject/name") == "odd"
                    && text(event, "/message").contains("check it against the kind's schema")
            })
            .then_some(())
    });
    // Neither the watch that was there nor the list of a new start stumbles over it.
    for name in ["after-odd", "after-start"] {
        create(plane, [backup(server, name, "default", "app")]);
        let ended = server.all_ended("backup", &[name], LIMIT);
        assert_eq!(phase(&ended[name]), "Completed", "{:#}", ended[name]);
        server.restart();
    }
    assert_eq!(phase(&server.object("backup", "odd")), "", "it is left alone");
}
