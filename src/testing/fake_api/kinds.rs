//! The kinds a fake API server serves, and its discovery documents.

use serde_json::{Value, json};

/// One kind of one group version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeKind {
    /// API group, empty for core.
    pub group: String,
    /// Version in the group.
    pub version: String,
    /// Plural resource name.
    pub plural: String,
    /// Kind.
    pub kind: String,
    /// Short names.
    pub short_names: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs offered.
    pub verbs: Vec<String>,
    /// Whether there is a status subresource.
    pub has_status: bool,
}

const ALL_VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

impl FakeKind {
    /// A kind with all verbs and a status subresource; `api_version` as in an object.
    pub fn new(api_version: &str, plural: &str, kind: &str, namespaced: bool) -> Self {
        let (group, version) = split_api_version(api_version);
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            short_names: Vec::new(),
            namespaced,
            verbs: ALL_VERBS.map(str::to_owned).to_vec(),
            has_status: true,
        }
    }

    /// The same with other verbs.
    #[must_use]
    pub fn verbs(mut self, verbs: &[&str]) -> Self {
        self.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self
    }

    /// The same with a short name more.
    #[must_use]
    pub fn short(mut self, name: &str) -> Self {
        self.short_names.push(name.to_owned());
        self
    }

    /// The same without a status subresource.
    #[must_use]
    pub fn without_status(mut self) -> Self {
        self.has_status = false;
        self
    }

    /// `group/version`, or the version for core.
    pub fn api_version(&self) -> String {
        group_version(&self.group, &self.version)
    }

    /// The kinds of a CustomResourceDefinition, one a served version, storage version first as the server prefers it.
    pub(super) fn of_crd(crd: &Value) -> Vec<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &crd["spec"];
        let versions = spec["versions"].as_array().cloned().unwrap_or_default();
        versions
            .iter()
            .filter(|version| version["served"] != json!(false))
            .map(|version| Self {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                plural: text(&spec["names"]["plural"]),
                kind: text(&spec["names"]["kind"]),
                short_names: spec["names"]["shortNames"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect(),
                namespaced: spec["scope"] == json!("Namespaced"),
                verbs: ALL_VERBS.map(str::to_owned).to_vec(),
                has_status: version["subresources"]["status"].is_object(),
            })
            .collect()
    }
}

/// `apps/v1` -> (`apps`, `v1`); `v1` -> (``, `v1`).
pub(super) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

pub(super) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// What a current cluster serves, in its API server's order, without the kinds that are not stored.
pub(super) fn kubernetes() -> Vec<FakeKind> {
    let namespaced = |api_version: &str, plural: &str, kind: &str| FakeKind::new(api_version, plural, kind, true);
    let cluster = |api_version: &str, plural: &str, kind: &str| FakeKind::new(api_version, plural, kind, false);
    vec![
        namespaced("v1", "bindings", "Binding")
            .verbs(&["create"])
            .without_status(),
        cluster("v1", "componentstatuses", "ComponentStatus")
            .verbs(&["get", "list"])
            .short("cs")
            .without_status(),
        namespaced("v1", "configmaps", "ConfigMap").short("cm").without_status(),
        namespaced("v1", "endpoints", "Endpoints").short("ep").without_status(),
        namespaced("v1", "events", "Event").short("ev").without_status(),
        namespaced("v1", "limitranges", "LimitRange")
            .short("limits")
            .without_status(),
        cluster("v1", "namespaces", "Namespace").short("ns"),
        cluster("v1", "nodes", "Node").short("no"),
        namespaced("v1", "persistentvolumeclaims", "PersistentVolumeClaim").short("pvc"),
        cluster("v1", "persistentvolumes", "PersistentVolume").short("pv"),
        namespaced("v1", "pods", "Pod").short("po"),
        namespaced("v1", "podtemplates", "PodTemplate").without_status(),
        namespaced("v1", "replicationcontrollers", "ReplicationController").short("rc"),
        namespaced("v1", "resourcequotas", "ResourceQuota").short("quota"),
        namespaced("v1", "secrets", "Secret").without_status(),
        namespaced("v1", "serviceaccounts", "ServiceAccount")
            .short("sa")
            .without_status(),
        namespaced("v1", "services", "Service").short("svc"),
        cluster("apiregistration.k8s.io/v1", "apiservices", "APIService"),
        namespaced("apps/v1", "controllerrevisions", "ControllerRevision").without_status(),
        namespaced("apps/v1", "daemonsets", "DaemonSet").short("ds"),
        namespaced("apps/v1", "deployments", "Deployment").short("deploy"),
        namespaced("apps/v1", "replicasets", "ReplicaSet").short("rs"),
        namespaced("apps/v1", "statefulsets", "StatefulSet").short("sts"),
        namespaced("events.k8s.io/v1", "events", "Event")
            .short("ev")
            .without_status(),
        namespaced("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler").short("hpa"),
        namespaced("autoscaling/v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler").short("hpa"),
        namespaced("batch/v1", "cronjobs", "CronJob").short("cj"),
        namespaced("batch/v1", "jobs", "Job"),
        cluster(
            "certificates.k8s.io/v1",
            "certificatesigningrequests",
            "CertificateSigningRequest",
        )
        .short("csr"),
        cluster("networking.k8s.io/v1", "ingressclasses", "IngressClass").without_status(),
        namespaced("networking.k8s.io/v1", "ingresses", "Ingress").short("ing"),
        namespaced("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
            .short("netpol")
            .without_status(),
        namespaced("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget").short("pdb"),
        cluster(
            "rbac.authorization.k8s.io/v1",
            "clusterrolebindings",
            "ClusterRoleBinding",
        )
        .without_status(),
        cluster("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole").without_status(),
        namespaced("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding").without_status(),
        namespaced("rbac.authorization.k8s.io/v1", "roles", "Role").without_status(),
        cluster("storage.k8s.io/v1", "csidrivers", "CSIDriver").without_status(),
        cluster("storage.k8s.io/v1", "csinodes", "CSINode").without_status(),
        cluster("storage.k8s.io/v1", "storageclasses", "StorageClass")
            .short("sc")
            .without_status(),
        cluster("storage.k8s.io/v1", "volumeattachments", "VolumeAttachment"),
        cluster(
            "admissionregistration.k8s.io/v1",
            "mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
        )
        .without_status(),
        cluster(
            "admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
        )
        .without_status(),
        cluster(
            "apiextensions.k8s.io/v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
        )
        .short("crd"),
        cluster("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass")
            .short("pc")
            .without_status(),
        namespaced("coordination.k8s.io/v1", "leases", "Lease").without_status(),
        namespaced("discovery.k8s.io/v1", "endpointslices", "EndpointSlice").without_status(),
        cluster("node.k8s.io/v1", "runtimeclasses", "RuntimeClass").without_status(),
    ]
}

/// Groups in order of first appearance, each with its versions in order of first appearance.
fn groups(kinds: &[FakeKind]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for kind in kinds {
        let at = groups
            .iter()
            .position(|(group, _)| *group == kind.group)
            .unwrap_or_else(|| {
                groups.push((&kind.group, Vec::new()));
                groups.len() - 1
            });
        if !groups[at].1.contains(&kind.version.as_str()) {
            groups[at].1.push(&kind.version);
        }
    }
    groups
}

/// `GET /api` (`core`) or `GET /apis` as an aggregated discovery document.
pub(super) fn aggregated(kinds: &[FakeKind], core: bool) -> Value {
    let items: Vec<Value> = groups(kinds)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| {
                    let resources: Vec<Value> = served(kinds, group, version).map(aggregated_resource).collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            let metadata = if core {
                json!({"creationTimestamp": null})
            } else {
                json!({"name": group})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(kind: &FakeKind) -> Value {
    let response_kind = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": response_kind,
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.kind.to_lowercase(),
        "verbs": kind.verbs,
        "shortNames": kind.short_names,
    });
    if kind.has_status {
        resource["subresources"] =
            json!([{"subresource": "status", "responseKind": response_kind, "verbs": ["get", "patch", "update"]}]);
    }
    resource
}

/// `GET /api` without aggregation.
pub(super) fn api_versions(kinds: &[FakeKind]) -> Value {
    let versions: Vec<&str> = groups(kinds)
        .into_iter()
        .filter(|(group, _)| group.is_empty())
        .flat_map(|(_, versions)| versions)
        .collect();
    json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": []})
}

/// `GET /apis` without aggregation.
pub(super) fn api_groups(kinds: &[FakeKind]) -> Value {
    let groups: Vec<Value> = groups(kinds)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| json!({"groupVersion": group_version(group, version), "version": version}))
                .collect();
            json!({"name": group, "preferredVersion": versions[0], "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /api/v1` or `GET /apis/<group>/<version>`; none when it is not served.
pub(super) fn api_resources(kinds: &[FakeKind], group: &str, version: &str) -> Option<Value> {
    let resources: Vec<Value> = served(kinds, group, version)
        .flat_map(|kind| {
            let main = json!({
                "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": kind.verbs, "shortNames": kind.short_names,
            });
            let status = kind.has_status.then(|| {
                json!({
                    "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                    "kind": kind.kind, "verbs": ["get", "patch", "update"],
                })
            });
            std::iter::once(main).chain(status)
        })
        .collect();
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": group_version(group, version), "resources": resources,
        })
    })
}

fn served<'a>(kinds: &'a [FakeKind], group: &'a str, version: &'a str) -> impl Iterator<Item = &'a FakeKind> {
    kinds
        .iter()
        .filter(move |kind| kind.group == group && kind.version == version)
}
