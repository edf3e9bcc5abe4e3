//! Restores into a cluster that has part of it already: volumes that outlived their claims, what a copy shares with its
//! source, tokens that users made, jobs with their pods. The API server's own controllers run.

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually, text};

const VOLUMES: &str = r"
{apiVersion: v1, kind: Namespace, metadata: {name: kept}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: mine}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, storageClassName: m, hostPath: {path: /var/lib/a}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: free}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, storageClassName: m, hostPath: {path: /var/lib/b}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: kept}
spec: {accessModes: [ReadWriteOnce], storageClassName: m, volumeName: mine, resources: {requests: {storage: 1Gi}}}
";

const RIGHTS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: app}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: app}, secrets: [{name: robot-token-ci}]}
---
apiVersion: v1
kind: Secret
metadata: {name: robot-token-ci, namespace: app, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
---
apiVersion: v1
kind: Pod
metadata: {name: user, namespace: app}
spec:
  serviceAccountName: robot
  automountServiceAccountToken: false
  containers: [{name: c, image: busybox, volumeMounts: [{name: robot-token-ci, mountPath: /t}]}]
  volumes: [{name: robot-token-ci, secret: {secretName: robot-token-ci}}]
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}, rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reading}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects:
- {kind: ServiceAccount, name: robot, namespace: app}
- {kind: Group, apiGroup: rbac.authorization.k8s.io, name: "system:serviceaccounts:app"}
"#;

const JOBS: &str = r"
{apiVersion: v1, kind: Namespace, metadata: {name: work}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: failed, namespace: work}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: running, namespace: work}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: manual, namespace: work}
spec:
  manualSelector: true
  selector: {matchLabels: {run: mine, controller-uid: my-own}}
  template: {metadata: {labels: {run: mine, controller-uid: my-own}}, spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}
";

#[test]
fn existing_objects_are_neither_taken_over_nor_run_twice() {
    let plane = Plane::with_controller_manager();
    let server = Server::start(&plane, "velero");
    plane.apply(VOLUMES);
    plane.apply(RIGHTS);
    plane.apply(JOBS);
    until_bound(&plane);
    one_job_fails(&plane);
    eventually("the token", || {
        let secret = plane.get("app", "secret", "robot-token-ci")?;
        secret.pointer("/data/token").map(|_| ())
    });
    for namespace in ["kept", "app", "work"] {
        server.velero(&[
            "backup",
            "create",
            namespace,
            "--include-namespaces",
            namespace,
            "--wait",
        ]);
        assert_eq!(text(&server.ended("backup", namespace), "/status/phase"), "Completed");
    }
    a_copy_takes_nothing_from_its_source(&plane, &server);
    plane.kubectl(&["delete", "namespace", "kept", "app", "work", "--wait", "--timeout=60s"]);
    a_kept_volume_goes_back(&plane, &server);
    a_token_of_a_person_comes_back(&plane, &server);
    jobs_run_once(&plane, &server);
    server.was_well(&[]);
}

/// Restores and gives the Restore with its results.
fn restored(server: &Server<'_>, name: &str, arguments: &[&str]) -> (Value, String) {
    let mut command = vec!["restore", "create", name, "--wait"];
    command.extend(arguments);
    server.velero(&command);
    let restore = server.ended("restore", name);
    let results = server.unpacked(&format!("restores/{name}/restore-{name}-results.gz"));
    assert_eq!(text(&restore, "/status/phase"), "Completed", "{restore:#}\n{results}");
    (restore, results)
}

fn until_bound(plane: &Plane) -> Value {
    eventually("the claim to be bound to its own volume", || {
        let claim = plane.get("kept", "pvc", "data")?;
        let volume = plane.get("", "pv", "mine")?;
        let bound = [&claim, &volume]
            .iter()
            .all(|object| text(object, "/status/phase") == "Bound");
        let mine = text(&volume, "/spec/claimRef/uid") == text(&claim, "/metadata/uid");
        (bound && mine).then_some(claim)
    })
}

fn one_job_fails(plane: &Plane) {
    let name = eventually("the job's pod", || {
        let pods = plane.list("work", "pods");
        let pod = pods
            .iter()
            .find(|pod| text(pod, "/metadata/labels/job-name") == "failed")?;
        Some(text(pod, "/metadata/name"))
    });
    let status = json!({"status": {"phase": "Failed"}}).to_string();
    plane.kubectl(&[
        "patch",
        "pod",
        "-n",
        "work",
        &name,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ]);
    plane.kubectl(&[
        "wait",
        "-n",
        "work",
        "--for=condition=Failed",
        "job/failed",
        "--timeout=60s",
    ]);
    eventually("a pod of each other job", || {
        let of = |job: &str| {
            let pods = plane.list("work", "pods");
            pods.iter()
                .any(|pod| text(pod, "/metadata/ownerReferences/0/name") == job)
        };
        (of("running") && of("manual")).then_some(())
    });
}

fn a_copy_takes_nothing_from_its_source(plane: &Plane, server: &Server<'_>) {
    let mapping = ["--from-backup", "kept", "--namespace-mappings", "kept:copy"];
    for (name, policy) in [("copy", "none"), ("copy-update", "update")] {
        let arguments = [&mapping[..], &["--existing-resource-policy", policy]].concat();
        let (_, results) = restored(server, name, &arguments);
        assert!(
            results.contains("PersistentVolume:mine already exists.")
                && results.contains("it belongs to claim kept/data"),
            "{results}"
        );
    }
    until_bound(plane);
    assert_ne!(
        text(&plane.get("copy", "pvc", "data").expect("it is there"), "/status/phase"),
        "Bound"
    );

    let mapping = ["--from-backup", "app", "--namespace-mappings", "app:app-copy"];
    let subjects = || plane.get("", "clusterrolebinding", "reading").expect("it is there")["subjects"].clone();
    let before = subjects();
    let (_, results) = restored(server, "lacking", &mapping);
    assert!(
        results.contains("ServiceAccount app-copy/robot, Group system:serviceaccounts:app-copy"),
        "{results}"
    );
    assert_eq!(subjects(), before);
    let arguments = [&mapping[..], &["--existing-resource-policy", "update"]].concat();
    let (_, results) = restored(server, "joining", &arguments);
    let mut all = before.as_array().expect("subjects").clone();
    all.push(json!({"kind": "ServiceAccount", "name": "robot", "namespace": "app-copy"}));
    all.push(
        json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts:app-copy"}),
    );
    assert_eq!(subjects(), Value::Array(all), "{results}");
    let list = server.unpacked("restores/joining/restore-joining-resource-list.json.gz");
    assert!(list.contains("reading(updated)"), "{list}");
}

fn a_kept_volume_goes_back(plane: &Plane, server: &Server<'_>) {
    let (_, results) = restored(server, "back", &["--from-backup", "kept"]);
    assert!(results.contains(r#""warnings":{}"#), "{results}");
    until_bound(plane);
    let list = server.unpacked("restores/back/restore-back-resource-list.json.gz");
    assert!(list.contains("mine(updated)"), "{list}");
    assert_eq!(
        text(&plane.get("", "pv", "free").expect("it is there"), "/status/phase"),
        "Available"
    );
}

fn a_token_of_a_person_comes_back(plane: &Plane, server: &Server<'_>) {
    let (_, results) = restored(server, "tokens", &["--from-backup", "app"]);
    let account = plane.get("app", "serviceaccount", "robot").expect("it is back");
    assert_eq!(account["secrets"], json!([{"name": "robot-token-ci"}]), "{results}");
    eventually("a fresh token for the new account", || {
        let secret = plane.get("app", "secret", "robot-token-ci")?;
        let uid = text(&secret, "/metadata/annotations/kubernetes.io~1service-account.uid");
        (uid == text(&account, "/metadata/uid") && secret.pointer("/data/token").is_some()).then_some(())
    });
    let pod = plane.get("app", "pod", "user").expect("it is back");
    assert_eq!(text(&pod, "/spec/volumes/0/secret/secretName"), "robot-token-ci");
    assert_eq!(text(&pod, "/spec/containers/0/volumeMounts/0/mountPath"), "/t");
}

fn jobs_run_once(plane: &Plane, server: &Server<'_>) {
    let (_, results) = restored(server, "jobs", &["--from-backup", "work"]);
    assert!(
        results.contains("jobs.batch/work/failed has failed (BackoffLimitExceeded): it is not restored"),
        "{results}"
    );
    assert_eq!(plane.get("work", "job", "failed"), None);
    let manual = plane.get("work", "job", "manual").expect("it is back");
    assert_eq!(
        manual["spec"]["selector"]["matchLabels"],
        json!({"run": "mine", "controller-uid": "my-own"})
    );
    for name in ["running", "manual"] {
        eventually("one pod of each job, and no other", || {
            let job = plane.get("work", "job", name)?;
            let pods = plane.list("work", "pods");
            let own: Vec<_> = pods
                .iter()
                .filter(|pod| text(pod, "/metadata/ownerReferences/0/uid") == text(&job, "/metadata/uid"))
                .collect();
            (own.len() == 1 && pods.len() == 2 && text(&job, "/status/active") == "1").then_some(())
        });
    }
}
