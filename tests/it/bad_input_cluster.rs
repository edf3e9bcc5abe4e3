//! A cluster with objects that are hard to read, and one that refuses restored objects: each is one line in the log, and the rest
//! is saved and restored.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, phase, text};
use crate::s3::{create, fill};

const LIMIT: Duration = Duration::from_mins(2);

/// A name that only RBAC allows.
const ODD: &str = "team:admin ü?#&\"x\" {y}";

/// Numbers as the API server gives them back.
const NUMBERS: &str = r#"{"beyond":100000000000000000000,"exact":9007199254740993,"fraction":0.1,"huge":1e+300,"most":9223372036854775807}"#;

fn definition(plural: &str, kind: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    })
}

/// A type with objects that can be created but not listed in the preferred version.
fn unlistable() -> Value {
    let mut definition = definition("ghosts", "Ghost");
    let mut newer = definition["spec"]["versions"][0].clone();
    newer["name"] = json!("v2");
    newer["storage"] = json!(false);
    definition["spec"]["versions"]
        .as_array_mut()
        .expect("versions")
        .push(newer);
    definition["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:9/convert"}},
    });
    definition
}

fn custom(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "{{\"apiVersion\": \"example.com/v1\", \"kind\": \"{kind}\", \"metadata\": {{\"name\": \"{name}\", \"namespace\": \"app\"}}, \"spec\": {spec}}}"
    )
}

/// The odd objects in the namespace `app`, and in the cluster around it.
fn oddities(plane: &Plane) {
    fill(plane, "app");
    create(
        plane,
        [
            definition("things", "Thing").to_string(),
            unlistable().to_string(),
            json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.away.example.org"},
                "spec": {"group": "away.example.org", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
                    "service": {"namespace": "app", "name": "missing"}},
            })
            .to_string(),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": ODD, "namespace": "app"},
                "rules": [],
            })
            .to_string(),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "app"}}).to_string(),
        ],
    );
    for name in ["things", "ghosts"] {
        plane.kubectl(&[
            "wait",
            "--for=condition=Established",
            &format!("crd/{name}.example.com"),
            "--timeout=60s",
        ]);
    }
    let large = format!("\"{}\"", "x".repeat(1_400_000));
    create(
        plane,
        [
            custom("Thing", "numbers", NUMBERS),
            custom("Thing", "nulls", r#"{"a": null, "b": [null], "": {"": null}}"#),
            custom("Thing", "large", &large),
            custom("Ghost", "casper", "{}"),
        ],
    );
    eventually("the group without a server to be known", || {
        let service = plane.get("", "apiservice", "v1.away.example.org")?;
        service["status"]["conditions"]
            .to_string()
            .contains("\"False\"")
            .then_some(())
    });
}

/// A namespace that refuses some of the restored objects, each for another reason.
fn refusing(plane: &Plane, namespace: &str) {
    create(
        plane,
        [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).to_string(),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-c1"},
                "spec": {
                    "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}]},
                    "validations": [{"expression": format!("object.metadata.name != 'c1' || object.metadata.namespace != '{namespace}'"), "message": "c1 is not wanted here"}],
                },
            })
            .to_string(),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-c1"},
                "spec": {"policyName": "no-c1", "validationActions": ["Deny"]},
            })
            .to_string(),
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": namespace}, "spec": {"hard": {"secrets": "0"}}})
                .to_string(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c0", "namespace": namespace}, "immutable": true, "data": {"n": "old"}})
                .to_string(),
        ],
    );
    // Without a controller manager quotas are not counted.
    let status = r#"{"status": {"hard": {"secrets": "0"}, "used": {"secrets": "0"}}}"#;
    plane.kubectl(&[
        "patch",
        "resourcequota/q",
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
    ]);
    // A policy takes effect a moment after it was created.
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c1", "namespace": namespace}})
        .to_string();
    eventually("the policy to take effect", || {
        plane
            .kubectl_with(&["create", "--dry-run=server", "-f", "-"], &probe)
            .is_err()
            .then_some(())
    });
}

#[test]
fn unreadable_and_refused_objects_are_one_line_each() {
    let plane = Plane::start();
    let server = Server::start_with(&plane, "velero", &["--resource-timeout=4s"]);
    oddities(&plane);

    server.velero(&["backup", "create", "odd", "--include-namespaces", "app"]);
    let backup = &server.all_ended("backup", &["odd"], LIMIT)["odd"];
    assert_eq!(phase(backup), "PartiallyFailed", "{backup:#}");
    assert_eq!(
        text(backup, "/status/errors"),
        "1",
        "{}",
        server.unpacked("backups/odd/odd-results.gz")
    );
    let described = server.unpacked("backups/odd/odd-results.gz");
    let logs = server.unpacked("backups/odd/odd-logs.gz");
    assert!(
        logs.contains("Error listing items") && logs.contains("list ghosts.example.com"),
        "{logs}"
    );
    assert!(
        logs.contains("API group away.example.org/v1 is not in the backup"),
        "{logs}"
    );
    assert!(described.contains("ghosts.example.com"), "{described}");
    let members = server.archive("odd").paths;
    for path in [
        "resources/things.example.com/namespaces/app/numbers.json".to_owned(),
        "resources/things.example.com/namespaces/app/nulls.json".to_owned(),
        "resources/things.example.com/namespaces/app/large.json".to_owned(),
        format!("resources/roles.rbac.authorization.k8s.io/namespaces/app/{ODD}.json"),
        "resources/configmaps/namespaces/app/c2.json".to_owned(),
    ] {
        assert!(members.contains(&path), "{path} is not in {members:#?}");
    }

    refusing(&plane, "target");
    let spec = json!({
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "back", "namespace": "velero"},
        "spec": {"backupName": "odd", "namespaceMapping": {"app": "target"}, "existingResourcePolicy": "update"},
    });
    create(&plane, [spec.to_string()]);
    let restore = &server.all_ended("restore", &["back"], LIMIT)["back"];
    let described = server.unpacked("restores/back/restore-back-results.gz");
    assert_eq!(phase(restore), "PartiallyFailed", "{described}");
    assert_eq!(text(restore, "/status/errors"), "2", "{described}");
    for expected in [
        "error restoring configmaps/target/c1: ",
        "c1 is not wanted here",
        "error restoring secrets/target/s: ",
        "exceeded quota: q",
        "could not update configmaps/target/c0, which already exists: ",
        "field is immutable when `immutable` is set",
    ] {
        assert!(described.contains(expected), "`{expected}` is not in: {described}");
    }
    let map = |name: &str| plane.get("target", "configmap", name);
    assert_eq!(map("c1"), None);
    assert!(map("c2").is_some());
    assert_eq!(map("c0").expect("it was there")["data"]["n"], "old");
    assert!(plane.get("target", "role", ODD).is_some());
    let numbers = plane.kubectl(&["get", "--raw", "/apis/example.com/v1/namespaces/target/things/numbers"]);
    let original = plane.kubectl(&["get", "--raw", "/apis/example.com/v1/namespaces/app/things/numbers"]);
    let spec = |object: &str| object[object.find("\"spec\":").expect("a spec")..].to_owned();
    assert_eq!(spec(&numbers), spec(&original));
    server.was_well(&[]);
}
