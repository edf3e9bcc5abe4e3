//! Storage locations whose Secrets change, and two that are the default (decision 56).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, text, within};
use crate::s3::{create, location, s3_of};

/// Much less than the period of validations.
const AT_ONCE: Duration = Duration::from_secs(20);

#[track_caller]
fn until_phase(server: &Server<'_>, name: &str, phase: &str) -> String {
    within(AT_ONCE, &format!("location {name} to be {phase}"), || {
        let location = server.object("backupstoragelocation", name);
        (text(&location, "/status/phase") == phase).then(|| text(&location, "/status/message"))
    })
}

#[test]
fn a_changed_secret_is_validated_at_once_and_a_deleted_one_reported() {
    let plane = Plane::start();
    let server = Server::start_with(&plane, "velero", &["--store-validation-frequency=1h"]);
    let s3 = s3_of(&server);
    let put = |content: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own", "namespace": "velero"},
            "stringData": {"cloud": content},
        });
        plane.apply(&secret.to_string());
    };
    let good = s3.credentials("default");
    let wrong = good.replace(&s3.secret_key, "hunter2hunter2hunter2");
    put(&good);
    let own = json!({"credential": {"name": "own", "key": "cloud"}});
    create(&plane, [location(&server, "own", &s3.endpoint, &[], &own)]);
    until_phase(&server, "own", "Available");
    put(&wrong);
    let message = until_phase(&server, "own", "Unavailable");
    assert!(!message.contains("hunter2"), "{message}");
    put(&good);
    until_phase(&server, "own", "Available");
    plane.kubectl(&["delete", "secret", "own", "-n", "velero"]);
    let message = until_phase(&server, "own", "Unavailable");
    assert!(
        message.contains("secret `own`") && message.contains("is not there"),
        "{message}"
    );
    put(&good);
    until_phase(&server, "own", "Available");
    server.was_well(&[&s3.secret_key]);
}

#[test]
fn two_default_locations_are_reported_on_both() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    let first = server.object("backupstoragelocation", "default");
    let mut second = first.clone();
    second["metadata"] = json!({"name": "second", "namespace": "velero"});
    second["status"] = Value::Null;
    // Its name decides if both were created in one second.
    second["spec"]["default"] = json!(true);
    create(&plane, [second.to_string()]);
    for name in ["default", "second"] {
        eventually("an event about the conflict", || {
            let events = plane.list("velero", "events");
            let about =
                |event: &&Value| event["reason"] == "DefaultConflict" && event["involvedObject"]["name"] == name;
            events.iter().find(about).map(|event| text(event, "/message"))
        });
    }
    let is_default = |name: &str| server.object("backupstoragelocation", name)["spec"]["default"] == true;
    eventually("one default", || {
        (is_default("second") && !is_default("default")).then_some(())
    });
    server.was_well(&[]);
}
