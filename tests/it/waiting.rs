//! What a restore leaves out, restores first and waits for, as the API server requires: one backup of an application, restored
//! over itself and beside it, on one control plane with its controllers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, phase, text, within};
use crate::s3::create;

const LIMIT: Duration = Duration::from_mins(2);

/// What must be there before the pods are admitted.
const BASE: &str = r#"
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: wait-default}
value: 7
globalDefault: true
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: wait-never}
value: 100
preemptionPolicy: Never
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: wait-heavy}
handler: heavy
overhead: {podFixed: {cpu: 10m}}
---
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: Namespace
metadata: {name: limited}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: two, namespace: limited}
spec: {hard: {pods: "2"}}
---
apiVersion: v1
kind: Service
metadata: {name: selected, namespace: app}
spec: {selector: {app: debugged}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: by-hand, namespace: app}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: by-hand, namespace: app}
subsets: [{addresses: [{ip: 10.9.8.7}], ports: [{port: 80}]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: mine, namespace: app, labels: {kubernetes.io/service-name: by-hand}}
addressType: IPv4
endpoints: [{addresses: [10.9.8.6]}]
ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: broken, namespace: app}
spec: {type: NodePort, ports: [{port: 80}], selector: {a: b}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: both, namespace: app}
spec: {ingressClassName: new, defaultBackend: {service: {name: selected, port: {number: 80}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: four, namespace: limited}
spec:
  replicas: 4
  selector: {matchLabels: {app: four}}
  template:
    metadata: {labels: {app: four}}
    spec: {containers: [{name: c, image: i}]}
"#;

fn pod(name: &str, spec: &Value) -> String {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "app", "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    for (key, value) in spec.as_object().expect("a map") {
        pod["spec"][key] = value.clone();
    }
    pod.to_string()
}

/// Keys that the API server merges into the selectors as requirements on the pod's own labels.
fn spread() -> Value {
    let term = |keys: &str| {
        json!({
            (keys): ["app"], "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        })
    };
    let mut constraint = term("matchLabelKeys");
    constraint["maxSkew"] = json!(1);
    constraint["whenUnsatisfiable"] = json!("ScheduleAnyway");
    let terms = |keys: &str| {
        json!({
            "requiredDuringSchedulingIgnoredDuringExecution": [term(keys)],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term(keys)}],
        })
    };
    json!({
        "topologySpreadConstraints": [constraint],
        "affinity": {"podAffinity": terms("matchLabelKeys"), "podAntiAffinity": terms("mismatchLabelKeys")},
    })
}

fn fill(plane: &Plane) {
    // the quota is to be counted before there is anything to admit
    eventually("the base to be taken", || {
        plane.kubectl_with(&["apply", "-f", "-"], BASE).ok()
    });
    let pods = [
        pod("debugged", &json!({})),
        pod("quiet", &json!({"priorityClassName": "wait-never"})),
        pod("plain", &json!({"priorityClassName": "wait-default"})),
        pod("heavy", &json!({"runtimeClassName": "wait-heavy"})),
        pod("spread", &spread()),
    ]
    .join("\n---\n");
    // admission reads classes from a cache
    eventually("the pods to be admitted", || {
        plane.kubectl_with(&["apply", "-f", "-"], &pods).ok()
    });
    let mut debugged = plane.get("app", "pod", "debugged").expect("it is there");
    debugged["spec"]["ephemeralContainers"] = json!([{
        "name": "dbg", "image": "i", "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    }]);
    plane
        .kubectl_with(
            &[
                "replace",
                "--raw",
                "/api/v1/namespaces/app/pods/debugged/ephemeralcontainers",
                "-f",
                "-",
            ],
            &debugged.to_string(),
        )
        .unwrap_or_else(|error| panic!("debug: {error}"));
    // what kubectl apply would not let through, annotate does
    plane.kubectl(&[
        "annotate",
        "ingress",
        "both",
        "-n",
        "app",
        "kubernetes.io/ingress.class=old",
    ]);
    let record = "kubectl.kubernetes.io/last-applied-configuration=not { json";
    plane.kubectl(&["annotate", "service", "broken", "-n", "app", "--overwrite", record]);
    eventually("two pods of four", || {
        (plane.list("limited", "pods").len() == 2).then_some(())
    });
    for service in ["selected", "by-hand"] {
        eventually("the slices", || {
            (!slices(plane, "app", service).is_empty()).then_some(())
        });
    }
}

/// The slices of a service, each with its maintainer.
fn slices(plane: &Plane, namespace: &str, service: &str) -> Vec<String> {
    let of = |slice: &Value| text(slice, "/metadata/labels/kubernetes.io~1service-name") == service;
    let all = plane.list(namespace, "endpointslices");
    all.iter()
        .filter(|slice| of(slice))
        .map(|slice| text(slice, "/metadata/labels/endpointslice.kubernetes.io~1managed-by"))
        .collect()
}

fn results(server: &Server<'_>, restore: &str) -> Value {
    let text = server.unpacked(&format!("restores/{restore}/restore-{restore}-results.gz"));
    serde_json::from_str(&text).expect("results")
}

#[test]
fn refused_objects_are_left_out_and_expected_ones_awaited() {
    let plane = Plane::with_controller_manager();
    let server = Server::start_with(&plane, "velero", &["--resource-timeout=90s"]);
    fill(&plane);
    server.velero(&["backup", "create", "b", "--include-namespaces", "app,limited", "--wait"]);
    over_itself_nothing_happens(&server);
    beside_it_everything_comes(&server);
    a_conversion_webhook_that_comes_up_is_waited_for(&server);
}

fn over_itself_nothing_happens(server: &Server<'_>) {
    server.velero(&["restore", "create", "same", "--from-backup", "b", "--wait"]);
    let restore = server.ended("restore", "same");
    assert_eq!(phase(&restore), "Completed", "{}", results(server, "same"));
    assert_eq!(results(server, "same"), json!({"warnings": {}, "errors": {}}));
}

fn beside_it_everything_comes(server: &Server<'_>) {
    let plane = server.plane;
    plane.kubectl(&["delete", "priorityclass", "wait-default", "wait-never"]);
    plane.kubectl(&["delete", "runtimeclass", "wait-heavy"]);
    plane.apply(
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: wait-other}\nvalue: 9\nglobalDefault: true\n---\n\
         apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: wait-never}\nvalue: 5\n---\n\
         apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: wait-heavy}\nhandler: heavy\n",
    );
    server.velero(&[
        "restore",
        "create",
        "copy",
        "--from-backup",
        "b",
        "--namespace-mappings",
        "app:app2,limited:limited2",
        "--wait",
    ]);
    let restore = server.ended("restore", "copy");
    let results = results(server, "copy");
    assert_eq!(phase(&restore), "Completed", "{results}");
    assert_eq!(results["errors"], json!({}));
    let warnings = results["warnings"]["cluster"].to_string();
    assert!(
        warnings.contains("priorityclasses.scheduling.k8s.io/wait-default is restored with globalDefault: false"),
        "{results}"
    );
    assert_eq!(results["warnings"]["namespaces"], Value::Null, "{results}");

    let pod = |name: &str| {
        plane
            .get("app2", "pod", name)
            .unwrap_or_else(|| panic!("no pod {name}"))
    };
    assert_eq!(pod("debugged")["spec"]["ephemeralContainers"], Value::Null);
    assert_eq!(pod("quiet")["spec"]["priority"], 5);
    assert_eq!(
        pod("plain")["spec"]["priority"],
        7,
        "its class is restored, as no default"
    );
    assert_eq!(pod("heavy")["spec"]["overhead"], Value::Null);
    let source = plane.get("app", "pod", "spread").expect("the pod of the source");
    let merged = source["spec"]["affinity"].to_string();
    assert!(
        merged.contains(r#"{"key":"app","operator":"NotIn","values":["spread"]}"#),
        "{merged}"
    );
    for field in ["topologySpreadConstraints", "affinity"] {
        assert_eq!(pod("spread")["spec"][field], source["spec"][field], "merged once again");
    }
    let log = server.unpacked("restores/copy/restore-copy-logs.gz");
    assert!(log.contains("without its debug containers"), "a person made them");

    let ingress = plane.get("app2", "ingress", "both").expect("the ingress");
    assert_eq!(text(&ingress, "/spec/ingressClassName"), "new");
    assert_eq!(
        ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"],
        Value::Null
    );
    assert!(
        plane.get("app2", "service", "broken").is_some(),
        "a hint is never fatal"
    );

    // by the list of what was restored: controllers copy the labels of a service to its endpoints
    let list: Value =
        serde_json::from_str(&server.unpacked("restores/copy/restore-copy-resource-list.json.gz")).expect("a list");
    assert_eq!(
        list["v1/Endpoints"],
        json!([
            "app2/broken(skipped)",
            "app2/by-hand(created)",
            "app2/selected(skipped)"
        ])
    );
    let made = list["discovery.k8s.io/v1/EndpointSlice"].to_string();
    assert!(
        made.contains("app2/mine(created)") && made.matches("(created)").count() == 1,
        "{made}"
    );
    let authority = eventually("the authority", || plane.get("app2", "configmap", "kube-root-ca.crt"));
    assert_eq!(authority["metadata"]["labels"]["velero.io/restore-name"], Value::Null);
    eventually("one slice", || {
        (slices(plane, "app2", "selected") == ["endpointslice-controller.k8s.io"]).then_some(())
    });

    let pods = plane.list("limited2", "pods");
    assert_eq!(pods.len(), 2, "{pods:?}");
    assert!(
        pods.iter()
            .all(|pod| text(pod, "/metadata/labels/velero.io~1restore-name") == "copy"),
        "those of the backup, and none of a controller's: {pods:?}"
    );
}

fn a_conversion_webhook_that_comes_up_is_waited_for(server: &Server<'_>) {
    let plane = server.plane;
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "convs.wait.example.com"},
        "spec": {
            "group": "wait.example.com", "scope": "Namespaced",
            "names": {"plural": "convs", "singular": "conv", "kind": "Conv", "listKind": "ConvList"},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": schema},
                {"name": "v2", "served": true, "storage": false, "schema": schema},
            ],
        },
    });
    create(plane, [definition.to_string()]);
    plane.kubectl(&[
        "wait",
        "--for=condition=Established",
        "crd/convs.wait.example.com",
        "--timeout=60s",
    ]);
    let object =
        r#"{"apiVersion": "wait.example.com/v1", "kind": "Conv", "metadata": {"name": "c", "namespace": "app"}}"#;
    eventually("its type to be served", || {
        plane.kubectl_with(&["apply", "-f", "-"], object).ok()
    });
    server.velero(&[
        "backup",
        "create",
        "conv",
        "--include-resources",
        "convs.wait.example.com",
        "--include-namespaces",
        "app",
        "--wait",
    ]);
    plane.kubectl(&["delete", "convs.wait.example.com", "c", "-n", "app"]);
    let convert = |conversion: &str| {
        let patch = format!(r#"{{"spec": {{"conversion": {conversion}}}}}"#);
        plane.kubectl(&["patch", "crd", "convs.wait.example.com", "--type=merge", "-p", &patch]);
    };
    convert(
        r#"{"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:9/convert"}}}"#,
    );
    eventually("the webhook to be called without success", || {
        plane
            .kubectl_with(
                &["create", "--dry-run=server", "-f", "-"],
                &object.replace("/v1", "/v2"),
            )
            .err()
            .filter(|error| error.contains("conversion webhook for"))
    });
    server.velero(&["restore", "create", "conv", "--from-backup", "conv"]);
    within(LIMIT, "the restore to say what it waits for", || {
        let restore = server.object("restore", "conv");
        restore["status"]["conditions"]
            .to_string()
            .contains("ConversionWebhookUnavailable")
            .then_some(())
    });
    convert(r#"{"strategy": "None", "webhook": null}"#);
    let restore = server.ended("restore", "conv");
    assert_eq!(phase(&restore), "Completed", "{}", results(server, "conv"));
    assert!(plane.get("app", "convs.wait.example.com", "c").is_some());
}
