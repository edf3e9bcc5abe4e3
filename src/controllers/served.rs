//! How the API server serves our kinds: which have a status subresource, and whose schema keeps conditions. Both differ
//! between releases of the definitions (decisions 1 and 2), so both are read and not assumed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::GROUP;
use crate::api::v1::DownloadRequestStatus;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::status::Conditions;
use crate::cluster::{ApiError, Cluster, objects};

/// The kinds without which the server cannot work (spec server-cli 2.4).
pub const REQUIRED: [(&str, &str); 13] = [
    ("v1", "Backup"),
    ("v1", "Restore"),
    ("v1", "Schedule"),
    ("v1", "DownloadRequest"),
    ("v1", "DeleteBackupRequest"),
    ("v1", "PodVolumeBackup"),
    ("v1", "PodVolumeRestore"),
    ("v1", "BackupRepository"),
    ("v1", "BackupStorageLocation"),
    ("v1", "VolumeSnapshotLocation"),
    ("v1", "ServerStatusRequest"),
    ("v2alpha1", "DataUpload"),
    ("v2alpha1", "DataDownload"),
];

/// How each of our kinds is served.
#[derive(Clone, Debug, Default)]
pub struct Served {
    kinds: BTreeMap<String, (Resource, Conditions)>,
    fails_downloads: bool,
}

/// A kind of ours is not served.
#[derive(Debug, thiserror::Error)]
#[error(
    "custom resource {} not found: apply the custom resource definitions in manifests/crds of this release with `kubectl apply -f manifests/crds`, or run `velero install --crds-only`",
    missing.join(", ")
)]
pub struct Missing {
    /// `velero.io/v1 Backup` and so on.
    pub missing: Vec<String>,
}

impl Served {
    /// Finds every required kind.
    ///
    /// # Errors
    /// Names those that are not served.
    pub fn find(discovery: &Discovery, kept: &dyn Fn(&Resource) -> Conditions) -> Result<Self, Missing> {
        let mut kinds = BTreeMap::new();
        let mut missing = Vec::new();
        for (version, kind) in REQUIRED {
            let api_version = format!("{GROUP}/{version}");
            match discovery.by_kind(&api_version, kind) {
                Some(resource) => {
                    kinds.insert(kind.to_owned(), (resource.clone(), kept(resource)));
                }
                None => missing.push(format!("{api_version} {kind}")),
            }
        }
        if missing.is_empty() {
            Ok(Self {
                kinds,
                fails_downloads: false,
            })
        } else {
            Err(Missing { missing })
        }
    }

    /// How a kind is served.
    pub fn of(&self, kind: &str) -> Option<(&Resource, Conditions)> {
        self.kinds
            .get(kind)
            .map(|(resource, conditions)| (resource, *conditions))
    }

    /// With what [`fails_downloads`] has read.
    #[must_use]
    pub fn failing_downloads(mut self, fails_downloads: bool) -> Self {
        self.fails_downloads = fails_downloads;
        self
    }

    /// Whether a DownloadRequest can have the phase Failed.
    pub fn fails_downloads(&self) -> bool {
        self.fails_downloads
    }

    /// The kinds whose definitions would prune the conditions we would write.
    pub fn without_conditions(&self) -> Vec<&str> {
        self.kinds
            .iter()
            .filter(|(kind, (_, conditions))| has_conditions(kind) && *conditions == Conditions::Pruned)
            .map(|(kind, _)| kind.as_str())
            .collect()
    }
}

fn has_conditions(kind: &str) -> bool {
    matches!(
        kind,
        "Backup" | "Restore" | "Schedule" | "BackupStorageLocation" | "DeleteBackupRequest"
    )
}

/// Reads which definitions keep `status.conditions`, by plural name.
///
/// # Errors
/// The API server refused; being forbidden to read definitions counts as "pruned", because that is the safe answer.
pub async fn kept_conditions(
    cluster: &Cluster,
    discovery: &Discovery,
) -> Result<BTreeMap<String, Conditions>, ApiError> {
    let mut kept = BTreeMap::new();
    let Some(definitions) = discovery.by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition") else {
        return Ok(kept);
    };
    for (version, kind) in REQUIRED {
        let Some(resource) = discovery.by_kind(&format!("{GROUP}/{version}"), kind) else {
            continue;
        };
        let name = format!("{}.{GROUP}", resource.plural);
        let definition = match objects::get(cluster, definitions, None, &name).await {
            Ok(definition) => definition,
            Err(error) if error.is_forbidden() => None,
            Err(error) => return Err(error),
        };
        let keeps = definition.is_some_and(|definition| keeps_conditions(&definition, version));
        kept.insert(
            resource.plural.clone(),
            if keeps { Conditions::Kept } else { Conditions::Pruned },
        );
    }
    Ok(kept)
}

/// Reads whether the definition of DownloadRequests has the phase Failed and its message, as releases after 1.18.1 have.
///
/// # Errors
/// The API server refused; being forbidden to read definitions counts as "no", because that is the safe answer.
pub async fn fails_downloads(cluster: &Cluster, discovery: &Discovery) -> Result<bool, ApiError> {
    let Some(definitions) = discovery.by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition") else {
        return Ok(false);
    };
    let name = format!("downloadrequests.{GROUP}");
    match objects::get(cluster, definitions, None, &name).await {
        Ok(definition) => Ok(definition.is_some_and(|definition| has_failed(&definition))),
        Err(error) if error.is_forbidden() => Ok(false),
        Err(error) => Err(error),
    }
}

fn has_failed(definition: &Value) -> bool {
    let versions = definition["spec"]["versions"].as_array();
    versions.into_iter().flatten().any(|served| {
        let status = &served["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
        let phases = status["phase"]["enum"].as_array();
        served["name"] == "v1"
            && status.get("message").is_some()
            && phases.is_some_and(|phases| phases.iter().any(|phase| phase == DownloadRequestStatus::FAILED))
    })
}

fn keeps_conditions(definition: &Value, version: &str) -> bool {
    definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|served| {
            let status = &served["schema"]["openAPIV3Schema"]["properties"]["status"];
            served["name"] == version
                && (status["properties"].get("conditions").is_some()
                    || status["x-kubernetes-preserve-unknown-fields"] == true)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_kept_where_the_served_schema_has_them() {
        let with = |status: Value| json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": {"status": status}}}}]}});
        for (status, keeps) in [
            (json!({"properties": {"phase": {}}}), false),
            (json!({"properties": {"conditions": {}}}), true),
            (json!({"x-kubernetes-preserve-unknown-fields": true}), true),
        ] {
            assert_eq!(keeps_conditions(&with(status.clone()), "v1"), keeps, "{status}");
            assert!(!keeps_conditions(&with(status), "v2"));
        }
    }

    #[test]
    fn a_download_can_fail_where_the_served_schema_has_the_phase_and_its_message() {
        for (version, status, expected) in [
            ("v1", json!({"phase": {"enum": ["New", "Processed"]}}), false),
            ("v1", json!({"phase": {"enum": ["New", "Processed", "Failed"]}}), false),
            (
                "v1",
                json!({"phase": {"enum": ["New", "Processed"]}, "message": {}}),
                false,
            ),
            ("v1", json!({"phase": {}, "message": {}}), false),
            (
                "v1",
                json!({"phase": {"enum": ["New", "Processed", "Failed"]}, "message": {}}),
                true,
            ),
            (
                "v2",
                json!({"phase": {"enum": ["New", "Processed", "Failed"]}, "message": {}}),
                false,
            ),
        ] {
            let schema = json!({"openAPIV3Schema": {"properties": {"status": {"properties": status}}}});
            let definition = json!({"spec": {"versions": [{"name": version, "schema": schema}]}});
            assert_eq!(has_failed(&definition), expected, "{definition}");
        }
    }

    #[test]
    fn a_missing_kind_is_named_with_what_to_do() {
        let error = Served::find(&Discovery::from_resources([]), &|_| Conditions::Kept).unwrap_err();
        assert_eq!(error.missing.len(), REQUIRED.len());
        assert!(error.to_string().contains("velero.io/v1 Backup"));
        assert!(error.to_string().contains("kubectl apply"));
    }
}
