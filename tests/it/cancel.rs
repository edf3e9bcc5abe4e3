//! Backups and restores that are cancelled, by the command line and on a real API server (decision 55).

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Fault, Plane, Server, eventually, phase, text, within};
use crate::s3::{backup, create, fill, proxied, s3_of};
use crate::survival;

/// What is promised.
const PROMISED: Duration = Duration::from_secs(30);

/// So slow that a run is met in the middle.
const SLOW: [&str; 2] = ["--client-qps=20", "--client-burst=1"];

fn cancelled(object: &Value) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "Cancelled");
    let text = |key| found.map_or_else(String::new, |found| text(found, key));
    (text("/status"), text("/reason"))
}

#[track_caller]
fn failed(server: &Server<'_>, kind: &str, name: &str) -> Value {
    let object = within(PROMISED, &format!("the cancelled {kind} {name} to be Failed"), || {
        let object = server.object(kind, name);
        (phase(&object) == "Failed").then_some(object)
    });
    assert_eq!(
        cancelled(&object),
        ("True".to_owned(), "Cancelled".to_owned()),
        "{object:#}"
    );
    object
}

#[test]
fn a_backup_is_cancelled_in_the_middle_or_in_the_queue() {
    let plane = Plane::start();
    let server = Server::start_with(&plane, "velero", &SLOW);
    survival::fill(&plane, "many", 300);
    for name in ["running", "second", "third"] {
        server.velero(&["backup", "create", name, "--include-namespaces", "many"]);
    }
    survival::meet(&server.bucket(), "backups/running/velero-claim.json");
    eventually("the others to wait", || {
        (text(&server.object("backup", "third"), "/status/queuePosition") == "2").then_some(())
    });
    let out = server.velero(&["backup", "cancel", "second", "--confirm"]);
    assert!(out.contains("Backup \"second\" is being cancelled"), "{out}");
    let second = failed(&server, "backup", "second");
    assert_eq!(
        text(&second, "/status/failureReason"),
        "cancelled by the annotation velero.io/cancel before it began"
    );
    eventually("the third to move up", || {
        (text(&server.object("backup", "third"), "/status/queuePosition") == "1").then_some(())
    });
    assert_eq!(
        phase(&server.object("backup", "running")),
        "InProgress",
        "it was met too late"
    );

    server.velero(&["cancel", "backup", "running", "--confirm"]);
    let running = failed(&server, "backup", "running");
    let reason = text(&running, "/status/failureReason");
    assert!(
        reason.contains("items had been backed up; nothing of it is kept"),
        "{reason}"
    );
    assert_eq!(
        crate::harness::files(&server.bucket().join("backups/running")),
        ["running-logs.gz", "running-results.gz"]
    );
    assert!(server.unpacked("backups/running/running-logs.gz").contains(&reason));
    let page = server.velero(&["backup", "describe", "running"]);
    assert!(
        page.contains("Failed") && page.contains("cancelled by the annotation"),
        "{page}"
    );

    // The place is free.
    let third = within(Duration::from_mins(2), "the third backup to complete", || {
        let third = server.object("backup", "third");
        (phase(&third) == "Completed").then_some(third)
    });
    let out = server.velero(&["backup", "cancel", "third", "--confirm"]);
    assert_eq!(
        out,
        "Backup \"third\" has the phase Completed: there is nothing to cancel.\n"
    );
    assert_eq!(cancelled(&third), (String::new(), String::new()));
    assert_eq!(
        server.velero(&["backup", "cancel", "--all", "--confirm"]),
        "No unfinished backups found\n"
    );
    let (ok, _, err) = server.try_velero(&["backup", "cancel", "nothing", "--confirm"]);
    assert!(!ok && err.contains("\"nothing\" not found"), "{err}");
    server.was_well(&[]);
}

#[test]
fn a_backup_whose_store_does_not_answer_is_cancelled_in_time_and_put_in_order_later() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    let s3 = s3_of(&server);
    fill(&plane, "app");
    let names = ["claim", "archive", "log"];
    let proxies = names.map(|name| {
        let proxy = proxied(&server, &s3, name);
        let file = match name {
            "claim" => "velero-claim.json",
            "archive" => "archive.tar.gz",
            _ => "log-logs.gz",
        };
        proxy.misbehave(move |asked| (asked.writes() && asked.target.contains(file)).then_some(Fault::Silence));
        proxy
    });
    for (nth, (name, proxy)) in names.iter().zip(&proxies).enumerate() {
        create(&plane, [backup(&server, name, name, "app")]);
        eventually("the backup to stand still", || (proxy.hits() > 0).then_some(()));
        // From here on the store answers nothing.
        proxy.misbehave(|_| Some(Fault::Silence));
        server.velero(&["backup", "cancel", name, "--confirm"]);
        if nth == 1 {
            server.restart();
        }
        failed(&server, "backup", name);
    }
    for proxy in &proxies {
        proxy.heal();
    }
    server.until_no_records();
    for name in names {
        let left = s3.objects(&format!("{name}/backups"));
        assert!(
            left.iter()
                .all(|file| file.ends_with("-logs.gz") || file.ends_with("-results.gz")),
            "{left:?}"
        );
    }
    assert_eq!(s3.unfinished(""), 0, "uploads are left");
    server.was_well(&[&s3.secret_key]);
}

#[test]
fn a_cancelled_restore_keeps_what_it_made_over_the_death_of_its_server() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    survival::fill(&plane, "many", 300);
    server.velero(&["backup", "create", "b", "--include-namespaces", "many", "--wait"]);
    server.kill();
    server.flags = SLOW.map(str::to_owned).to_vec();
    server.begin();
    for name in ["lives", "dies"] {
        let mapping = format!("many:{name}");
        server.velero(&[
            "restore",
            "create",
            name,
            "--from-backup",
            "b",
            "--namespace-mappings",
            &mapping,
        ]);
        within(Duration::from_mins(2), "some items to be restored", || {
            let restore = server.object("restore", name);
            assert!(matches!(&*phase(&restore), "" | "New" | "InProgress"), "{restore:#}");
            let restored = text(&restore, "/status/progress/itemsRestored").parse().unwrap_or(0);
            (restored > 20).then_some(())
        });
        server.velero(&["restore", "cancel", name, "--confirm"]);
        if name == "dies" {
            server.restart();
        }
        let restore = failed(&server, "restore", name);
        let made = plane.list(name, "configmaps").len();
        assert!((20..300).contains(&made), "{made}");
        let results = server.unpacked(&format!("restores/{name}/restore-{name}-results.gz"));
        assert!(
            results.contains("cancelled: ") && results.contains("items were restored, and stay"),
            "{results}"
        );
        let list = server.unpacked(&format!("restores/{name}/restore-{name}-resource-list.json.gz"));
        let listed = list.matches("(created)").count();
        // What a killed server made after it stored its ledger last is there, and not listed (decision 55).
        let least = if name == "dies" { 1 } else { 20 };
        assert!((least..=made + 2).contains(&listed), "{listed} of {made}");
        let reason = text(&restore, "/status/failureReason");
        assert!(
            reason.starts_with("cancelled by the annotation velero.io/cancel: "),
            "{reason}"
        );
    }
    server.until_no_records();
    server.was_well(&[]);
}
