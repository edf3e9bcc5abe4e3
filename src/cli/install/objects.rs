//! Every object of an installation, in the order in which they are created (spec server-cli 10.3).

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::options::{ARTIFACTS_PORT, InstallOptions, METRICS_PORT};
use super::parts::{COMPONENT, CREDENTIALS, labels, metadata};
use super::{daemonset, deployment, exposure};
use crate::api::v1::{
    BackupStorageLocation, BackupStorageLocationSpec, ObjectStorage, VolumeSnapshotLocation, VolumeSnapshotLocationSpec,
};

/// Velero's CRDs, by name.
///
/// # Errors
/// A CRD has no JSON form.
pub fn crds() -> Result<Vec<Value>, serde_json::Error> {
    let mut crds: Vec<_> = crate::api::crds();
    // As upstream: those of v1, then those of v2alpha1, each by name.
    crds.sort_by_key(|crd| {
        (
            crd.spec.versions.first().map(|version| version.name.clone()),
            crd.metadata.name.clone(),
        )
    });
    crds.into_iter()
        .map(|mut crd| {
            crd.metadata
                .labels
                .get_or_insert_default()
                .insert(COMPONENT.0.to_owned(), COMPONENT.1.to_owned());
            serde_json::to_value(crd)
        })
        .collect()
}

/// All objects except the CRDs.
///
/// # Errors
/// An object has no JSON form.
pub fn resources(options: &InstallOptions) -> Result<Vec<Value>, serde_json::Error> {
    let mut objects = vec![serde_json::to_value(namespace(&options.namespace))?];
    if options.service_account_name.is_none() {
        objects.push(serde_json::to_value(cluster_role_binding(&options.namespace))?);
        objects.push(serde_json::to_value(service_account(options))?);
    }
    if let Some(credentials) = &options.credentials {
        objects.push(serde_json::to_value(credentials_secret(
            &options.namespace,
            credentials,
        ))?);
    }
    if let Some(location) = storage_location(options) {
        objects.push(without_status(serde_json::to_value(location)?));
    }
    if let Some(location) = snapshot_location(options) {
        objects.push(without_status(serde_json::to_value(location)?));
    }
    objects.push(serde_json::to_value(service(&options.namespace))?);
    objects.extend(exposure::objects(options)?);
    objects.push(serde_json::to_value(deployment::deployment(options))?);
    if let Some(agent) = &options.node_agent {
        objects.push(serde_json::to_value(daemonset::daemonset(options, agent))?);
    }
    Ok(objects)
}

/// All objects.
///
/// # Errors
/// An object has no JSON form.
pub fn objects(options: &InstallOptions) -> Result<Vec<Value>, serde_json::Error> {
    Ok([crds()?, resources(options)?].concat())
}

/// The name of the binding. It is cluster-scoped, so it contains the namespace.
pub fn binding_name(namespace: &str) -> String {
    if namespace == "velero" {
        namespace.to_owned()
    } else {
        format!("velero-{namespace}")
    }
}

fn namespace(name: &str) -> Namespace {
    let mut metadata = metadata(None, name);
    for mode in ["enforce", "audit", "warn"] {
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), "privileged".to_owned());
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}-version"),
            "latest".to_owned(),
        );
    }
    Namespace {
        metadata,
        ..Namespace::default()
    }
}

fn cluster_role_binding(namespace: &str) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: metadata(None, &binding_name(namespace)),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: "cluster-admin".to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: "velero".to_owned(),
            namespace: Some(namespace.to_owned()),
            ..Subject::default()
        }]),
    }
}

fn service_account(options: &InstallOptions) -> ServiceAccount {
    let mut metadata = metadata(Some(&options.namespace), "velero");
    metadata.annotations = Some(options.service_account_annotations.clone()).filter(|map| !map.is_empty());
    ServiceAccount {
        metadata,
        ..ServiceAccount::default()
    }
}

fn credentials_secret(namespace: &str, credentials: &[u8]) -> Secret {
    Secret {
        metadata: metadata(Some(namespace), CREDENTIALS),
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([("cloud".to_owned(), ByteString(credentials.to_vec()))])),
        ..Secret::default()
    }
}

fn storage_location(options: &InstallOptions) -> Option<BackupStorageLocation> {
    let wanted = options.location.as_ref()?;
    let mut location = BackupStorageLocation::new(&options.namespace, "default");
    location.metadata.labels = Some(labels());
    location.spec = BackupStorageLocationSpec {
        provider: wanted.provider.clone(),
        config: wanted.config.clone(),
        object_storage: Some(ObjectStorage {
            bucket: wanted.bucket.clone(),
            prefix: wanted.prefix.clone(),
            ca_cert: wanted.ca_cert.clone().map(ByteString),
            ..ObjectStorage::default()
        }),
        default: true,
        ..BackupStorageLocationSpec::default()
    };
    Some(location)
}

fn snapshot_location(options: &InstallOptions) -> Option<VolumeSnapshotLocation> {
    let wanted = options.snapshot_location.as_ref()?;
    let mut location = VolumeSnapshotLocation::new(&options.namespace, "default");
    location.metadata.labels = Some(labels());
    location.spec = VolumeSnapshotLocationSpec {
        provider: wanted.provider.clone(),
        config: wanted.config.clone(),
        ..VolumeSnapshotLocationSpec::default()
    };
    Some(location)
}

/// The Service of the artifact endpoint (decision 24) and of the metrics.
fn service(namespace: &str) -> Service {
    let port = |name: &str, port: i32| ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(name.to_owned())),
        ..ServicePort::default()
    };
    Service {
        metadata: metadata(Some(namespace), "velero"),
        spec: Some(ServiceSpec {
            selector: Some(BTreeMap::from([("deploy".to_owned(), "velero".to_owned())])),
            ports: Some(vec![port("artifacts", ARTIFACTS_PORT), port("metrics", METRICS_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn without_status(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object
}
