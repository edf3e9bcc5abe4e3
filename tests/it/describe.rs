//! `describe` of a restore that has ended, and of one that waits.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Plane, S3, Server, eventually, text};
use crate::s3::fill;

#[test]
fn a_waiting_and_an_ended_restore_are_described_as_json() {
    let plane = Plane::start();
    let s3 = S3::start(&["--bucket", "bkt"]);
    let directory = tempfile::tempdir().expect("a directory");
    // Its files come by signed addresses: in a test there is no other way to them.
    let location = s3.location("velero", "bkt", "");
    let server = Server::at(&plane, "velero", directory.path(), &location, &[]);
    fill(&plane, "app");
    one_that_has_ended(&server);
    one_that_waits(&plane, &server);
}

fn described(server: &Server<'_>, arguments: &[&str]) -> Value {
    let out = server.velero(&[&["restore", "describe"], arguments].concat());
    assert!(out.starts_with("{\n    \"metadata\": {"), "{out}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn one_that_has_ended(server: &Server<'_>) {
    server.velero(&["backup", "create", "b", "--include-namespaces", "app", "--wait"]);
    let create = [
        "restore",
        "create",
        "r",
        "--from-backup",
        "b",
        "--namespace-mappings",
        "app:copy",
        "--wait",
    ];
    server.velero(&create);
    let restore = server.object("restore", "r");

    let brief = described(server, &["r", "-o", "json"]);
    assert_eq!(text(&brief, "/phase"), "Completed", "{brief:#}");
    for (shown, counted) in [
        ("totalItemsToBeRestored", "totalItems"),
        ("itemsRestored", "itemsRestored"),
    ] {
        assert_eq!(
            brief["status"][shown], restore["status"]["progress"][counted],
            "{brief:#}"
        );
    }
    assert!(brief["status"]["itemsRestored"].as_u64() >= Some(4), "{brief:#}");
    assert_eq!(brief["spec"]["namespaceMappings"], json!({"app": "copy"}));
    assert_eq!(
        text(&brief, "/status/restoreVolumes/csiSnapshots"),
        "<none included>",
        "{brief:#}"
    );
    for absent in ["rate", "estimatedSecondsLeft", "resourceList", "blocked"] {
        assert_eq!(brief["status"].get(absent), None, "{brief:#}");
    }

    let full = described(server, &["r", "-o", "json", "--details"]);
    let maps = full["status"]["resourceList"]["v1/ConfigMap"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for number in 0..3 {
        let line = json!(format!("copy/c{number}(created)"));
        assert!(maps.contains(&line), "{full:#}");
    }
    let page = server.velero(&["restore", "describe", "r"]);
    let total = format!(
        "Total items to be restored:  {}\n",
        brief["status"]["totalItemsToBeRestored"]
    );
    assert!(page.contains(&total), "{page}");

    let refused = [
        "restore",
        "create",
        "n",
        "--from-backup",
        "b",
        "--include-resources",
        "nodes",
        "-w",
    ];
    server.velero(&refused);
    let refused = described(server, &["n", "-o", "json"]);
    assert_eq!(text(&refused, "/phase"), "FailedValidation");
    assert_eq!(
        refused["validationErrors"],
        server.object("restore", "n")["status"]["validationErrors"]
    );
    // Several are a page each, as with backups.
    let both = server.velero(&["restore", "describe", "-o", "json"]);
    assert_eq!(both.matches("\nPhase: ").count(), 2, "{both}");
}

/// Its namespace stays Terminating: no controller manager runs here.
fn one_that_waits(plane: &Plane, server: &Server<'_>) {
    plane.kubectl(&["create", "namespace", "going"]);
    plane.kubectl(&["delete", "namespace", "going", "--wait=false"]);
    server.velero(&[
        "restore",
        "create",
        "w",
        "--from-backup",
        "b",
        "--namespace-mappings",
        "app:going",
    ]);
    let message = eventually("a restore that waits", || {
        let restore = server.object("restore", "w");
        let conditions = restore["status"]["conditions"].as_array()?;
        let blocked = conditions
            .iter()
            .find(|one| one["type"] == "Blocked" && one["status"] == "True")?;
        Some(text(blocked, "/message"))
    });
    let start = Instant::now();
    let page = server.velero(&["restore", "describe", "w"]);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        start.elapsed()
    );
    let line = page.lines().find_map(|line| line.strip_prefix("Blocked:"));
    assert_eq!(line.map(str::trim), Some(message.as_str()), "{page}");
    assert!(
        page.contains("\nPhase:                                 InProgress\n"),
        "{page}"
    );

    let shown = described(server, &["w", "-o", "json", "--details"]);
    assert_eq!(text(&shown, "/status/blocked"), message, "{shown:#}");
    assert_eq!(
        shown["status"]["estimatedTotalItemsToBeRestored"],
        json!(4),
        "{shown:#}"
    );
    assert_eq!(shown["status"].get("estimatedSecondsLeft"), None, "{shown:#}");
}
