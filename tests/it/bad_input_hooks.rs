//! Hooks that are invalid or cannot run: each is reported with its reason, and the rest of the backup is unaffected. A hook that
//! never ends needs a kubelet: `tests/e2e/hooks.rs`.

use serde_json::{Value, json};

use crate::harness::{Plane, Server, phase, text};

fn pod(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "app", "annotations": annotations},
        "spec": {"containers": [{"name": "db", "image": "example.com/db:1"}]},
    })
}

fn backup(name: &str, hooks: &Value) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": name, "namespace": "velero"},
        "spec": {"includedNamespaces": ["app"], "hooks": hooks},
    })
}

fn hook(exec: &Value) -> Value {
    json!({"resources": [{"name": "h", "pre": [{"exec": exec}]}]})
}

#[test]
fn an_invalid_hook_is_reported_and_affects_nothing_else() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    let command = "pre.hook.backup.velero.io/command";
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "app"}}),
        pod("plain", &json!({})),
        pod("speechless", &json!({command: "[]"})),
        pod(
            "elsewhere",
            &json!({command: "sync", "pre.hook.backup.velero.io/container": "web"}),
        ),
        // No kubelet runs it, and what does not run has nothing to freeze.
        pod("waiting", &json!({command: "sync"})),
        backup("refused", &hook(&json!({"command": [""]}))),
        backup("reported", &json!({})),
    ];
    for object in objects {
        plane.apply(&object.to_string());
    }

    let refused = server.ended("backup", "refused");
    assert_eq!(phase(&refused), "FailedValidation", "{refused:#}");
    let place = "invalid hook \"h\", spec.hooks.resources[0].pre[0].exec.command";
    let reason = format!("{place}: it is empty: name the program to run and its arguments");
    assert_eq!(refused["status"]["validationErrors"], json!([reason]));
    // The API server itself refuses what has not even the field.
    let unheard = backup("unheard", &hook(&json!({}))).to_string();
    let error = plane
        .kubectl_with(&["apply", "-f", "-"], &unheard)
        .expect_err("refused");
    assert!(
        error.contains("spec.hooks.resources[0].pre[0].exec.command: Required value"),
        "{error}"
    );

    let reported = server.ended("backup", "reported");
    assert_eq!(phase(&reported), "PartiallyFailed", "{reported:#}");
    let results: Value = serde_json::from_str(&server.unpacked("backups/reported/reported-results.gz")).expect("JSON");
    let errors = results["errors"]["namespaces"]["app"].to_string();
    for expected in [
        "name: /speechless message: /Error executing hook error: /the command is empty",
        "name: /speechless message: /Error backing up item: a pre hook of the pod failed, so it is not saved",
        "name: /elsewhere message: /Error executing hook error: /container `web` is not in the pod; it has db",
        "name: /elsewhere message: /Error backing up item: a pre hook of the pod failed, so it is not saved",
    ] {
        assert!(errors.contains(expected), "`{expected}` is not in {errors}");
    }
    assert_eq!(text(&reported, "/status/errors"), "4", "{errors}");
    assert_eq!(text(&reported, "/status/hookStatus/hooksFailed"), "2", "{reported:#}");
    let warnings = results["warnings"]["namespaces"]["app"].to_string();
    let printed = "name: /waiting message: /Container \\\"db\\\" of the pod does not run (the pod is not scheduled): there is nothing to freeze";
    assert!(warnings.contains(printed), "`{printed}` is not in {warnings}");
    let list: Value =
        serde_json::from_str(&server.unpacked("backups/reported/reported-resource-list.json.gz")).expect("JSON");
    assert_eq!(list["v1/Pod"], json!(["app/plain", "app/waiting"]));
}
