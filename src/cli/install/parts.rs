//! Parts that several objects of an installation share.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, NodeAffinity, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, ObjectFieldSelector, ResourceRequirements, SecretVolumeSource, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::options::{InstallOptions, Resources};

/// The Secret with the credentials of `--secret-file`.
pub const CREDENTIALS: &str = "cloud-credentials";
/// The label of Velero's objects.
pub const COMPONENT: (&str, &str) = ("component", "velero");

/// The labels of every object.
pub(super) fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([(COMPONENT.0.to_owned(), COMPONENT.1.to_owned())])
}

pub(super) fn metadata(namespace: Option<&str>, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: namespace.map(str::to_owned),
        name: Some(name.to_owned()),
        labels: Some(labels()),
        ..ObjectMeta::default()
    }
}

/// Affinity to nodes that do not run Windows, where the image does not run, and to the node with this name.
pub(super) fn affinity(node: Option<&str>) -> Affinity {
    let named = node.map(|node| NodeSelectorRequirement {
        // The node's label `kubernetes.io/hostname` may have another value.
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    });
    let requirement = NodeSelectorRequirement {
        key: "kubernetes.io/os".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(vec!["windows".to_owned()]),
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![NodeSelectorTerm {
                    match_expressions: Some(vec![requirement]),
                    match_fields: named.map(|named| vec![named]),
                }],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

pub(super) fn requirements(resources: Resources) -> Option<ResourceRequirements> {
    let map = |cpu: Option<crate::api::Quantity>, memory: Option<crate::api::Quantity>| {
        let pairs = [("cpu", cpu), ("memory", memory)];
        let set: BTreeMap<String, Quantity> = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Quantity(value?.to_string()))))
            .collect();
        Some(set).filter(|set| !set.is_empty())
    };
    let requests = map(resources.cpu_request, resources.memory_request);
    let limits = map(resources.cpu_limit, resources.memory_limit);
    let any = requests.is_some() || limits.is_some();
    any.then(|| ResourceRequirements {
        requests,
        limits,
        ..ResourceRequirements::default()
    })
}

pub(super) fn credential_variables(options: &InstallOptions) -> Vec<EnvVar> {
    const VARIABLES: [&str; 4] = [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AZURE_CREDENTIALS_FILE",
        "ALIBABA_CLOUD_CREDENTIALS_FILE",
    ];
    let of = |name: &&str| variable(name, "/credentials/cloud");
    options
        .credentials
        .as_ref()
        .map(|_| VARIABLES.iter().map(of).collect())
        .unwrap_or_default()
}

pub(super) fn credentials_volume(options: &InstallOptions) -> Option<Volume> {
    options.credentials.as_ref().map(|_| Volume {
        name: CREDENTIALS.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(CREDENTIALS.to_owned()),
            default_mode: Some(0o444),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    })
}

pub(super) fn credentials_mount(options: &InstallOptions) -> Option<VolumeMount> {
    options.credentials.as_ref().map(|_| mount(CREDENTIALS, "/credentials"))
}

pub(super) fn empty_dir(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

pub(super) fn port(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        ..ContainerPort::default()
    }
}

pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    }
}

pub(super) fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}
