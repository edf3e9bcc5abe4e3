//! Restores that wait for something that may never come: they report what they wait for, and end without it and with everything
//! else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, phase, text};
use crate::s3::{create, fill};

const LIMIT: Duration = Duration::from_mins(2);

fn definition(plural: &str) -> String {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    })
    .to_string()
}

/// A namespace that stays Terminating: no controller manager runs here.
fn leaving(plane: &Plane, name: &str) {
    plane.kubectl(&["create", "namespace", name]);
    plane.kubectl(&["delete", "namespace", name, "--wait=false"]);
}

fn let_go(plane: &Plane, name: &str) {
    let mut namespace = plane.get("", "namespace", name).expect("it is leaving");
    namespace["spec"]["finalizers"] = json!([]);
    let path = format!("/api/v1/namespaces/{name}/finalize");
    let gone = plane.kubectl_with(&["replace", "--raw", &path, "-f", "-"], &namespace.to_string());
    gone.expect("it may be finalized");
}

fn blocked(server: &Server<'_>, name: &str) -> Option<Value> {
    let restore = server.object("restore", name);
    let conditions = restore["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == "Blocked")
        .cloned()
}

fn until_blocked(server: &Server<'_>, name: &str, reason: &str) -> Value {
    eventually("a restore that reports what it waits for", || {
        blocked(server, name).filter(|found| found["status"] == "True" && found["reason"] == reason)
    })
}

#[test]
fn a_waiting_restore_names_its_reason_and_ends_without_it() {
    let plane = Plane::start();
    let flags = ["--resource-timeout=15s", "--terminating-resource-timeout=25s"];
    let server = Server::start_with(&plane, "velero", &flags);
    fill(&plane, "app");
    fill(&plane, "other");
    create(&plane, [definition("widgets")]);
    let widget = json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "blue", "namespace": "other"}, "spec": {},
    });
    eventually("the new type", || {
        plane.kubectl_with(&["create", "-f", "-"], &widget.to_string()).ok()
    });
    server.velero(&["backup", "create", "b", "--include-namespaces", "app,other"]);
    assert_eq!(phase(&server.all_ended("backup", &["b"], LIMIT)["b"]), "Completed");

    a_namespace_that_goes(&plane, &server);

    // another definition has the name of the kind now
    plane.kubectl(&["delete", "crd", "widgets.example.com"]);
    create(&plane, [definition("wodgets")]);
    eventually("the other definition", || {
        let wodgets = plane.get("", "crd", "wodgets.example.com")?;
        wodgets["status"]["acceptedNames"]["kind"].as_str().map(|_| ())
    });
    what_never_comes(&plane, &server);
    server.was_well(&[]);
}

fn restore(server: &Server<'_>, name: &str, spec: &Value) -> String {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": name, "namespace": server.namespace}, "spec": spec,
    })
    .to_string()
}

fn a_namespace_that_goes(plane: &Plane, server: &Server<'_>) {
    leaving(plane, "going");
    let spec = json!({"backupName": "b", "includedNamespaces": ["app"], "namespaceMapping": {"app": "going"}});
    create(plane, [restore(server, "freed", &spec)]);
    let condition = until_blocked(server, "freed", "NamespaceTerminating");
    let message = text(&condition, "/message");
    assert!(
        message.contains("/going/")
            && message.contains("its namespace is being deleted")
            && message.contains("it fails 25s"),
        "{message}"
    );
    eventually("an event about what blocks it", || {
        let events = plane.list("velero", "events");
        let about = |event: &Value| {
            text(event, "/reason") == "NamespaceTerminating" && text(event, "/involvedObject/name") == "freed"
        };
        events.iter().any(about).then_some(())
    });
    let_go(plane, "going");
    let ended = server.all_ended("restore", &["freed"], LIMIT);
    assert_eq!(phase(&ended["freed"]), "Completed", "{:#}", ended["freed"]);
    let condition = blocked(server, "freed").expect("it was so");
    assert_eq!(condition["status"], "False", "{condition}");
    assert!(plane.get("going", "configmap", "c0").is_some());
    let logs = server.unpacked("restores/freed/restore-freed-logs.gz");
    let lines = logs.matches("Will be retried").count();
    let items = logs.matches("No longer waiting").count();
    assert!(
        items > 0 && lines == items,
        "{lines} lines about {items} items:\n{logs}"
    );
}

fn what_never_comes(plane: &Plane, server: &Server<'_>) {
    leaving(plane, "leaving");
    let spec = json!({"backupName": "b", "namespaceMapping": {"app": "leaving", "other": "fine"}});
    create(plane, [restore(server, "stuck", &spec)]);
    let ended = server.all_ended("restore", &["stuck"], LIMIT);
    let results = server.unpacked("restores/stuck/restore-stuck-results.gz");
    assert_eq!(phase(&ended["stuck"]), "PartiallyFailed", "{results}");
    let condition = blocked(server, "stuck").expect("it was so");
    assert_eq!(condition["status"], "False", "{condition}");
    for expected in [
        "namespace leaving is being deleted and was not gone in time",
        "check what its finalizers wait for",
        "customresourcedefinitions.apiextensions.k8s.io/widgets.example.com was created, but the API server has not accepted it; \
         check its conditions",
        "error restoring widgets.example.com/fine/blue: ",
    ] {
        assert_eq!(results.matches(expected).count(), 1, "`{expected}` in {results}");
    }
    assert_eq!(text(&ended["stuck"], "/status/errors"), "3", "{results}");
    assert!(plane.get("fine", "configmap", "c0").is_some(), "the rest is restored");
}
