//! The scene of the truth tables: a few namespaces, and at least one object of everything that filters distinguish.

use crate::harness::{Plane, eventually, text};

/// Each object by its name, which is its own, and the path of its plain copy without `resources/` and `.json`.
const OBJECTS: [(&str, &str); 28] = [
    // Namespace `shop`.
    ("settings", "configmaps/namespaces/shop/settings"),
    ("key", "secrets/namespaces/shop/key"),
    ("robot", "serviceaccounts/namespaces/shop/robot"),
    ("web-0", "pods/namespaces/shop/web-0"),
    ("data", "persistentvolumeclaims/namespaces/shop/data"),
    ("blue", "widgets.example.com/namespaces/shop/blue"),
    ("started", "events/namespaces/shop/started"),
    // Never saved: labelled out, being deleted, of a type that is never collected.
    ("excused", "configmaps/namespaces/shop/excused"),
    ("going", "configmaps/namespaces/shop/going"),
    ("shot", "volumesnapshots.snapshot.storage.k8s.io/namespaces/shop/shot"),
    // Other namespaces. `hidden` is labelled out, `dying` is being deleted.
    ("ledger", "configmaps/namespaces/bank/ledger"),
    ("red", "widgets.example.com/namespaces/bank/red"),
    ("trial", "configmaps/namespaces/shop-test/trial"),
    ("plan", "configmaps/namespaces/hidden/plan"),
    ("last", "configmaps/namespaces/dying/last"),
    // Of cluster scope.
    ("volume", "persistentvolumes/cluster/volume"),
    ("spare", "persistentvolumes/cluster/spare"),
    ("urgent", "priorityclasses.scheduling.k8s.io/cluster/urgent"),
    ("fast", "storageclasses.storage.k8s.io/cluster/fast"),
    ("reader", "clusterroles.rbac.authorization.k8s.io/cluster/reader"),
    (
        "reading",
        "clusterrolebindings.rbac.authorization.k8s.io/cluster/reading",
    ),
    ("earth", "planets.example.com/cluster/earth"),
    (
        "content",
        "volumesnapshotcontents.snapshot.storage.k8s.io/cluster/content",
    ),
    (
        "crd:widgets",
        "customresourcedefinitions.apiextensions.k8s.io/cluster/widgets.example.com",
    ),
    (
        "crd:planets",
        "customresourcedefinitions.apiextensions.k8s.io/cluster/planets.example.com",
    ),
    (
        "crd:shots",
        "customresourcedefinitions.apiextensions.k8s.io/cluster/volumesnapshots.snapshot.storage.k8s.io",
    ),
    (
        "crd:contents",
        "customresourcedefinitions.apiextensions.k8s.io/cluster/volumesnapshotcontents.snapshot.storage.k8s.io",
    ),
    // The same event as its twin in another group.
    ("started@events.k8s.io", "events.events.k8s.io/namespaces/shop/started"),
];

/// The namespaces of the scene; their objects are called `ns:shop` and so on.
const NAMESPACES: [&str; 5] = ["shop", "bank", "shop-test", "hidden", "dying"];

/// What a member is called in a case. Of objects outside of the scene only the sort is given: `~namespaced`, `~cluster`, or
/// `~ns` for Namespace objects.
pub fn called(path: &str) -> String {
    if let Some((name, _)) = OBJECTS.iter().find(|(_, of)| *of == path) {
        return (*name).to_owned();
    }
    let namespaced = path.split('/').nth(1) == Some("namespaces");
    match path.strip_prefix("namespaces/cluster/") {
        Some(name) if NAMESPACES.contains(&name) => format!("ns:{name}"),
        Some(_) => "~ns".to_owned(),
        None if NAMESPACES
            .iter()
            .any(|name| path.contains(&format!("/namespaces/{name}/"))) =>
        {
            path.to_owned()
        }
        None if namespaced => "~namespaced".to_owned(),
        None => "~cluster".to_owned(),
    }
}

fn definition(group: &str, plural: &str, kind: &str, scope: &str, versions: &str) -> String {
    let version = |name: &str, storage: bool| {
        format!(
            "{{name: {name}, served: true, storage: {storage}, \
             schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}"
        )
    };
    let versions: Vec<String> = versions
        .split(' ')
        .enumerate()
        .map(|(at, name)| version(name, at == 0))
        .collect();
    format!(
        "---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.{group}
  annotations: {{api-approved.kubernetes.io: \"unapproved, of a test\"}}
spec:
  group: {group}
  scope: {scope}
  names: {{plural: {plural}, singular: {}, kind: {kind}}}
  versions: [{}]
",
        kind.to_lowercase(),
        versions.join(", ")
    )
}

const APPLICATION: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bank, labels: {team: money}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop-test, labels: {app: web}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: hidden, labels: {velero.io/exclude-from-backup: "true"}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: dying}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: urgent}, value: 7}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast}, provisioner: none.example.com}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop, labels: {app: web}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop, labels: {app: db}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: shop}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: shop, name: data}
  hostPath: {path: /data}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: spare}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /spare}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], volumeName: volume, storageClassName: "", resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec:
  priorityClassName: urgent
  containers: [{name: c, image: i}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Event
metadata: {name: started, namespace: shop}
involvedObject: {kind: Pod, namespace: shop, name: web-0}
reason: Started
---
apiVersion: v1
kind: ConfigMap
metadata: {name: excused, namespace: shop, labels: {app: web, velero.io/exclude-from-backup: "true"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: going, namespace: shop, labels: {app: web}, finalizers: [example.com/wait]}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ledger, namespace: bank, labels: {app: web}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: trial, namespace: shop-test}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: plan, namespace: hidden, labels: {app: web}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: last, namespace: dying}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}, rules: []}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reading}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, namespace: shop, name: robot}]
"#;

const CUSTOM: &str = "
{apiVersion: example.com/v1, kind: Widget, metadata: {name: blue, namespace: shop, labels: {app: web}}}
---
{apiVersion: example.com/v1, kind: Widget, metadata: {name: red, namespace: bank, labels: {app: db}}}
---
{apiVersion: example.com/v1, kind: Planet, metadata: {name: earth, labels: {app: web}}}
---
{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: shot, namespace: shop, labels: {app: web}}}
---
{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshotContent, metadata: {name: content}}
";

/// Sets the scene. No controllers run here, so it binds volumes itself, and terminating objects stay.
pub fn set(plane: &Plane) {
    let definitions = [
        definition("example.com", "widgets", "Widget", "Namespaced", "v1 v1beta1"),
        definition("example.com", "planets", "Planet", "Cluster", "v1"),
        definition(
            "snapshot.storage.k8s.io",
            "volumesnapshots",
            "VolumeSnapshot",
            "Namespaced",
            "v1",
        ),
        definition(
            "snapshot.storage.k8s.io",
            "volumesnapshotcontents",
            "VolumeSnapshotContent",
            "Cluster",
            "v1",
        ),
    ];
    plane.apply(&format!("{APPLICATION}{}", definitions.concat()));
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    plane.apply(CUSTOM);
    let bound = [
        "patch",
        "pvc/data",
        "-n",
        "shop",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status": {"phase": "Bound"}}"#,
    ];
    plane.kubectl(&bound);
    plane.kubectl(&["delete", "configmap/going", "-n", "shop", "--wait=false"]);
    plane.kubectl(&["delete", "namespace/dying", "--wait=false"]);
    eventually("a namespace to be terminating", || {
        let dying = plane.get("", "namespace", "dying")?;
        (text(&dying, "/status/phase") == "Terminating").then_some(())
    });
}
