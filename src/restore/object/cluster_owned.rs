//! Objects that each cluster writes itself and that are never restored (decision 41): those of the old cluster would be wrong in
//! another one, and in the same one they would be duplicates or be overwritten.

use serde_json::Value;

use super::metadata::{annotation, field, label};
use crate::archive::layout::ItemPath;

/// One kind of object that a cluster writes itself.
struct Row {
    /// Its type.
    resource: &'static str,
    /// Which objects of the type.
    is_owned: fn(&Value) -> bool,
    /// Whether a user maintains them if their service selects no pods.
    needs_selector: bool,
    /// Why it is left out, for the log and for a dry run.
    why: &'static str,
}

/// The label of the controller that maintains an EndpointSlice; labels can be copied.
const SLICE_MAINTAINER: &str = "endpointslice.kubernetes.io/managed-by";

const MAINTAINED: &str = "a controller maintains it and creates one with the addresses of this cluster";

/// `kubernetes` in namespace `default`: the API server's own addresses.
const API_SERVER: &str = "it names the addresses of the API server, which writes it itself";
const RBAC_DEFAULT: &str =
    "it is one of the API server's default roles and bindings, which it writes itself when it starts";
const PRIORITY_DEFAULT: &str =
    "it is one of the API server's own settings of priority and fairness, which it maintains itself";
const CERTIFICATES: &str =
    "it holds the certificates of the old cluster; a controller writes those of this one into every namespace";
const API_SERVER_CONFIG: &str = "it holds reports of the old cluster's API servers; those of this one write their own";
const VELERO: &str = "it belongs to the Velero server of the old cluster; that of this one has its own";
const CAPACITY: &str =
    "it reports the capacity of the old cluster's storage or devices; the drivers of this one write their own";

const ROWS: [Row; 29] = [
    Row {
        resource: "endpointslices.discovery.k8s.io",
        is_owned: |slice| label(slice, SLICE_MAINTAINER) == Some("endpointslice-controller.k8s.io"),
        needs_selector: true,
        why: MAINTAINED,
    },
    Row {
        // made from the Endpoints of a service without a selector, and again from those that are restored
        resource: "endpointslices.discovery.k8s.io",
        is_owned: |slice| label(slice, SLICE_MAINTAINER) == Some("endpointslicemirroring-controller.k8s.io"),
        needs_selector: false,
        why: MAINTAINED,
    },
    Row {
        resource: "endpointslices.discovery.k8s.io",
        is_owned: is_kubernetes,
        needs_selector: false,
        why: API_SERVER,
    },
    Row {
        resource: "endpoints",
        is_owned: is_kubernetes,
        needs_selector: false,
        why: API_SERVER,
    },
    Row {
        resource: "endpoints",
        is_owned: |endpoints| {
            label(endpoints, "endpoints.kubernetes.io/managed-by") == Some("endpoint-controller")
                || annotation(endpoints, "endpoints.kubernetes.io/last-change-trigger-time").is_some()
        },
        needs_selector: true,
        why: SELECTED,
    },
    Row {
        resource: "services",
        is_owned: is_kubernetes,
        needs_selector: false,
        why: API_SERVER,
    },
    Row {
        resource: "configmaps",
        is_owned: |map| is_named(map, &["kube-root-ca.crt", "openshift-service-ca.crt"]),
        needs_selector: false,
        why: CERTIFICATES,
    },
    Row {
        resource: "configmaps",
        is_owned: |map| {
            is_in(map, "kube-system")
                && is_named(
                    map,
                    &[
                        "extension-apiserver-authentication",
                        "kube-apiserver-legacy-service-account-token-tracking",
                    ],
                )
        },
        needs_selector: false,
        why: API_SERVER_CONFIG,
    },
    Row {
        resource: "leases.coordination.k8s.io",
        is_owned: |lease| is_in(lease, "kube-node-lease"),
        needs_selector: false,
        why: "it is the heartbeat of a node of the old cluster",
    },
    Row {
        resource: "leases.coordination.k8s.io",
        is_owned: |lease| label(lease, "apiserver.kubernetes.io/identity").is_some(),
        needs_selector: false,
        why: "it is the heartbeat of an API server of the old cluster",
    },
    Row {
        resource: "leases.coordination.k8s.io",
        is_owned: |lease| is_named(lease, &["velero-server"]),
        needs_selector: false,
        why: VELERO,
    },
    Row {
        resource: "secrets",
        is_owned: |secret| is_named(secret, &["velero-artifact-tokens", "velero-artifact-tls"]),
        needs_selector: false,
        why: VELERO,
    },
    Row {
        resource: "configmaps",
        is_owned: |map| label(map, "velero.io/run-record").is_some(),
        needs_selector: false,
        why: VELERO,
    },
    Row {
        resource: "configmaps",
        is_owned: |map| label(map, "velero.io/open-freezes").is_some(),
        needs_selector: false,
        why: VELERO,
    },
    Row {
        resource: "leasecandidates.coordination.k8s.io",
        is_owned: |_| true,
        needs_selector: false,
        why: "it is the candidacy of a process of the old cluster in a leader election",
    },
    Row {
        resource: "clusterroles.rbac.authorization.k8s.io",
        is_owned: is_rbac_default,
        needs_selector: false,
        why: RBAC_DEFAULT,
    },
    Row {
        resource: "clusterrolebindings.rbac.authorization.k8s.io",
        is_owned: is_rbac_default,
        needs_selector: false,
        why: RBAC_DEFAULT,
    },
    Row {
        resource: "roles.rbac.authorization.k8s.io",
        is_owned: is_rbac_default,
        needs_selector: false,
        why: RBAC_DEFAULT,
    },
    Row {
        resource: "rolebindings.rbac.authorization.k8s.io",
        is_owned: is_rbac_default,
        needs_selector: false,
        why: RBAC_DEFAULT,
    },
    Row {
        resource: "priorityclasses.scheduling.k8s.io",
        is_owned: |class| is_named(class, &["system-node-critical", "system-cluster-critical"]),
        needs_selector: false,
        why: "the API server creates this priority class itself",
    },
    Row {
        resource: "flowschemas.flowcontrol.apiserver.k8s.io",
        is_owned: is_priority_default,
        needs_selector: false,
        why: PRIORITY_DEFAULT,
    },
    Row {
        resource: "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        is_owned: is_priority_default,
        needs_selector: false,
        why: PRIORITY_DEFAULT,
    },
    Row {
        resource: "ipaddresses.networking.k8s.io",
        is_owned: |address| {
            label(address, "ipaddress.kubernetes.io/managed-by").is_some_and(|by| by == "ipallocator.k8s.io")
        },
        needs_selector: false,
        why: "it reserves the address of a service, which gets a new one",
    },
    Row {
        resource: "servicecidrs.networking.k8s.io",
        is_owned: |range| is_named(range, &["kubernetes"]),
        needs_selector: false,
        why: "it is the range of addresses that the API server of the old cluster was started with",
    },
    Row {
        resource: "storageversions.internal.apiserver.k8s.io",
        is_owned: |_| true,
        needs_selector: false,
        why: API_SERVER_CONFIG,
    },
    Row {
        resource: "csistoragecapacities.storage.k8s.io",
        is_owned: |capacity| label(capacity, "csi.storage.k8s.io/managed-by").is_some(),
        needs_selector: false,
        why: CAPACITY,
    },
    Row {
        resource: "resourceslices.resource.k8s.io",
        is_owned: |_| true,
        needs_selector: false,
        why: CAPACITY,
    },
    Row {
        resource: "resourceclaims.resource.k8s.io",
        is_owned: |claim| {
            [
                "resource.kubernetes.io/pod-claim-name",
                "resource.kubernetes.io/extended-resource-claim",
            ]
            .iter()
            .any(|key| annotation(claim, key).is_some())
        },
        needs_selector: false,
        why: "it was created for a pod, and the restored pod gets its own",
    },
    Row {
        resource: "podcertificaterequests.certificates.k8s.io",
        is_owned: |_| true,
        needs_selector: false,
        why: "it is the request of a node of the old cluster for a pod that ran there",
    },
];

const ENDPOINTS: &str = "endpoints";

const SELECTED: &str =
    "its service selects pods, so a controller maintains it and creates one with the addresses of this cluster";

/// Why an object of the backup is not restored because the cluster writes it; nothing if it is restored. `services`: the Services
/// that it may belong to, those of the backup and of the cluster, if they exist.
pub fn reason(path: &ItemPath<'_>, object: &Value, services: &[Value]) -> Option<&'static str> {
    let selected = services.iter().any(selects);
    let by_hand = !services.is_empty() && !selected;
    let row = ROWS
        .iter()
        .find(|row| row.resource == path.group_resource && !(row.needs_selector && by_hand) && (row.is_owned)(object));
    row.map(|row| row.why)
        .or_else(|| (path.group_resource == ENDPOINTS && selected).then_some(SELECTED))
}

/// The name of the Service that decides which controller maintains an object, if there is one.
pub fn service_of<'a>(path: &ItemPath<'a>, object: &'a Value) -> Option<&'a str> {
    match path.group_resource {
        ENDPOINTS => Some(path.name),
        "endpointslices.discovery.k8s.io" if label(object, SLICE_MAINTAINER).is_some() => {
            label(object, "kubernetes.io/service-name")
        }
        _ => None,
    }
}

/// Whether a controller writes the endpoints of a service; without a selector a user writes them.
pub fn selects(service: &Value) -> bool {
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    selector.is_some_and(|selector| !selector.is_empty())
        && service.pointer("/spec/type").is_none_or(|kind| kind != "ExternalName")
}

fn is_named(object: &Value, names: &[&str]) -> bool {
    field(object, "name").is_some_and(|name| names.contains(&name))
}

fn is_in(object: &Value, namespace: &str) -> bool {
    field(object, "namespace") == Some(namespace)
}

fn is_kubernetes(object: &Value) -> bool {
    is_in(object, "default") && is_named(object, &["kubernetes"])
}

/// An object that is annotated as not maintained by the API server belongs to the user.
pub fn is_rbac_default(object: &Value) -> bool {
    label(object, "kubernetes.io/bootstrapping") == Some("rbac-defaults")
        && annotation(object, "rbac.authorization.kubernetes.io/autoupdate") != Some("false")
}

fn is_priority_default(object: &Value) -> bool {
    annotation(object, "apf.kubernetes.io/autoupdate-spec") == Some("true")
}

#[cfg(test)]
mod tests;
