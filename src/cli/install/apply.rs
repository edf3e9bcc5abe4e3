//! Creating the objects of an installation (spec server-cli 10.3).

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::try_join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::cli::objects::RequestError;
use crate::cli::terminal;

use super::trust::Trust;

/// The field manager of `--apply`.
const FIELD_MANAGER: &str = "velero-cli";
/// How long to wait until the CRDs are established.
const CRDS_TIMEOUT: Duration = Duration::from_mins(1);

/// Creates the CRDs, waits until they are established, and creates the other objects. Existing objects are not changed, or with
/// `apply` updated.
pub(super) async fn install(
    client: &Client,
    objects: Vec<Value>,
    trust: Option<&Trust>,
    apply: bool,
) -> anyhow::Result<()> {
    let (crds, others): (Vec<Value>, Vec<Value>) = objects
        .into_iter()
        .partition(|object| object["kind"] == "CustomResourceDefinition");
    for crd in &crds {
        put(client, crd, apply).await?;
    }
    terminal::println("Waiting for resources to be ready in cluster...")?;
    established(client, &crds).await?;
    for mut object in others {
        if let Some(trust) = trust {
            trust.add_to(client, &mut object).await?;
        }
        put(client, &object, apply).await?;
    }
    Ok(())
}

async fn established(client: &Client, crds: &[Value]) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let names = crds.iter().filter_map(|crd| crd["metadata"]["name"].as_str());
    let all = try_join_all(names.map(|name| await_condition(api.clone(), name, conditions::is_crd_established())));
    match tokio::time::timeout(CRDS_TIMEOUT, all).await {
        Ok(established) => established.map(drop).context("error polling for CRDs"),
        Err(_) => bail!("timeout reached, CRDs not ready"),
    }
}

async fn put(client: &Client, object: &Value, apply: bool) -> anyhow::Result<()> {
    let dynamic: DynamicObject = serde_json::from_value(object.clone())?;
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let name = dynamic.name_any();
    let report = |step: &str| terminal::println(&format!("{kind}/{name}: {step}"));
    report("attempting to create resource client")?;
    let resource = resource(object)?;
    let api: Api<DynamicObject> = match &dynamic.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    if apply {
        report("attempting to apply resource")?;
        let params = PatchParams::apply(FIELD_MANAGER).force();
        // The permission to write an object does not include the permission to read it.
        let existing = api.get_opt(&name).await.ok().flatten();
        let existing = existing.and_then(|existing| serde_json::to_value(existing).ok());
        let wanted = existing.map_or_else(|| object.clone(), |existing| with_pod_security_of(&existing, object));
        let applied = api
            .patch(&name, &params, &Patch::Apply(&wanted))
            .await
            .map_err(|error| RequestError::of(error, &kind));
        applied.with_context(|| format!("Error applying resource {kind}/{name}"))?;
        return Ok(report("applied")?);
    }
    report("attempting to create resource")?;
    match api
        .create(&PostParams::default(), &dynamic)
        .await
        .map_err(|error| RequestError::of(error, &kind))
    {
        Ok(_) => report("created")?,
        Err(error) if error.is_already_exists() => {
            report("already exists, proceeding")?;
            let existing = api
                .get(&name)
                .await
                .ok()
                .and_then(|existing| serde_json::to_value(existing).ok());
            if existing.is_some_and(|existing| !contains(&existing, &with_pod_security_of(&existing, object))) {
                report("differs from the object to install; use --apply to update it")?;
            }
        }
        Err(error) => return Err(error).with_context(|| format!("Error creating resource {kind}/{name}")),
    }
    Ok(())
}

fn resource(object: &Value) -> anyhow::Result<ApiResource> {
    let (kind, version) = (
        object["kind"].as_str().unwrap_or_default(),
        object["apiVersion"].as_str().unwrap_or_default(),
    );
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let plural = match kind {
        "CustomResourceDefinition" => "customresourcedefinitions",
        "Namespace" => "namespaces",
        "ClusterRoleBinding" => "clusterrolebindings",
        "ServiceAccount" => "serviceaccounts",
        "Secret" => "secrets",
        "Service" => "services",
        "Ingress" => "ingresses",
        "Deployment" => "deployments",
        "DaemonSet" => "daemonsets",
        "BackupStorageLocation" => "backupstoragelocations",
        "VolumeSnapshotLocation" => "volumesnapshotlocations",
        other => bail!("an installation has no objects of kind {other:?}"),
    };
    Ok(ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(group, version, kind),
        plural,
    ))
}

/// The object to install, with the pod security labels of an existing namespace: an installation must not make a namespace less
/// strict.
fn with_pod_security_of(existing: &Value, wanted: &Value) -> Value {
    const POD_SECURITY: &str = "pod-security.kubernetes.io/";
    let mut wanted = wanted.clone();
    if wanted["kind"] == "Namespace"
        && let Some(labels) = wanted["metadata"]["labels"].as_object_mut()
    {
        let kept = &existing["metadata"]["labels"];
        labels.retain(|key, value| !key.starts_with(POD_SECURITY) || kept[key].is_null() || kept[key] == *value);
    }
    wanted
}

/// Whether an existing object has all wanted fields. Fields that the API server added are ignored.
fn contains(existing: &Value, wanted: &Value) -> bool {
    match (existing, wanted) {
        (_, Value::Null) => true,
        (Value::Object(existing), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| contains(existing.get(key).unwrap_or(&Value::Null), wanted)),
        (Value::Array(existing), Value::Array(wanted)) => {
            existing.len() == wanted.len()
                && existing
                    .iter()
                    .zip(wanted)
                    .all(|(existing, wanted)| contains(existing, wanted))
        }
        // An empty object may be missing.
        (Value::Null, Value::Object(wanted)) => wanted.is_empty(),
        (existing, wanted) => existing == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::install::options::ArtifactOptions;
    use crate::cli::install::{InstallOptions, objects};

    #[test]
    fn fields_added_by_the_api_server_are_not_a_difference() {
        let wanted =
            json!({"metadata": {"name": "a", "creationTimestamp": null}, "spec": {"ports": [{"port": 1}], "x": {}}});
        let mut existing =
            json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"ports": [{"port": 1, "protocol": "TCP"}]}});
        assert!(contains(&existing, &wanted));
        existing["spec"]["ports"][0]["port"] = json!(2);
        assert!(!contains(&existing, &wanted));
    }

    #[test]
    fn the_pod_security_of_an_existing_namespace_is_kept() {
        let (enforce, audit, warn) = (
            "pod-security.kubernetes.io/enforce",
            "pod-security.kubernetes.io/audit",
            "pod-security.kubernetes.io/warn",
        );
        let wanted = json!({"kind": "Namespace", "metadata": {"labels": {
            "component": "velero", enforce: "privileged", audit: "privileged", warn: "privileged"}}});
        let existing =
            json!({"metadata": {"labels": {"component": "other", enforce: "restricted", audit: "privileged"}}});
        let kept = json!({"component": "velero", audit: "privileged", warn: "privileged"});
        assert_eq!(with_pod_security_of(&existing, &wanted)["metadata"]["labels"], kept);
        let other = json!({"kind": "Secret", "metadata": {"labels": {enforce: "privileged"}}});
        assert_eq!(with_pod_security_of(&existing, &other), other);
        assert_eq!(with_pod_security_of(&json!({}), &wanted), wanted);
    }

    #[test]
    fn every_object_of_an_installation_has_a_resource() {
        let options = InstallOptions {
            artifacts: ArtifactOptions {
                url: Some("https://a".parse().unwrap()),
                node_port: Some(30443),
                ingress_class: Some("c".to_owned()),
            },
            ..InstallOptions::default()
        };
        for object in objects(&options).unwrap() {
            resource(&object).unwrap();
        }
    }
}
