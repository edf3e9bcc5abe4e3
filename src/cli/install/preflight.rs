//! Checks against the cluster before anything is created.

use std::collections::BTreeMap;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node};
use kube::Api;
use serde_json::Value;

use super::error::{InstallError, POD_SECURITY};
use super::flags::Install;
use super::options::{InstallOptions, Volume};
use crate::cli::context::Context;
use crate::cli::objects::RequestError;

/// The pod security level that admits every pod.
const PRIVILEGED: &str = "privileged";

impl Install {
    /// Checks that the ConfigMaps of the flags exist and hold JSON.
    pub(super) async fn check_configmaps(&self, context: &Context) -> anyhow::Result<()> {
        let named = [
            (
                "--repo-maintenance-job-configmap",
                &self.server.repo_maintenance_job_configmap,
            ),
            (
                "--backup-repository-configmap",
                &self.server.backup_repository_configmap,
            ),
        ];
        for (flag, name) in named.into_iter().filter(|(_, name)| !name.is_empty()) {
            let api: Api<ConfigMap> = Api::namespaced(context.client().await?, &context.namespace);
            let configmap = api
                .get(name)
                .await
                .map_err(|error| RequestError::of(error, "configmaps"));
            let holds_json = configmap
                .map_err(anyhow::Error::from)
                .and_then(|configmap| holds_json(&configmap));
            holds_json.with_context(|| format!("{flag} specified ConfigMap {name} is invalid"))?;
        }
        Ok(())
    }

    /// Checks that the node of `--node` exists: without it the pod would stay Pending.
    pub(super) async fn check_node(&self, context: &Context) -> anyhow::Result<()> {
        let Some(name) = self.location.node.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        let nodes: Api<Node> = Api::all(context.client().await?);
        match nodes.get_metadata_opt(name).await {
            Ok(None) => Err(InstallError::NoSuchNode(name.to_owned()).into()),
            // The permission to install does not include the permission to read nodes.
            Ok(Some(_)) | Err(kube::Error::Api(_)) => Ok(()),
            Err(error) => Err(RequestError::of(error, "nodes").into()),
        }
    }

    /// Checks that the namespace, if it exists, admits a pod with a hostPath volume.
    pub(super) async fn check_pod_security(&self, context: &Context, options: &InstallOptions) -> anyhow::Result<()> {
        if !matches!(options.volume, Some(Volume::HostPath { .. })) {
            return Ok(());
        }
        let namespaces: Api<Namespace> = Api::all(context.client().await?);
        match namespaces.get_metadata_opt(&options.namespace).await {
            Ok(found) => {
                let labels = found.and_then(|found| found.metadata.labels).unwrap_or_default();
                Ok(host_path_is_admitted(&options.namespace, &labels)?)
            }
            // The permission to install does not include the permission to read the namespace.
            Err(kube::Error::Api(_)) => Ok(()),
            Err(error) => Err(RequestError::of(error, "namespaces").into()),
        }
    }
}

fn holds_json(configmap: &ConfigMap) -> anyhow::Result<()> {
    let data = configmap.data.clone().unwrap_or_default();
    anyhow::ensure!(!data.is_empty(), "it has no data");
    for (key, text) in data {
        let value: Value = serde_json::from_str(&text).with_context(|| format!("its key {key:?} is not JSON"))?;
        anyhow::ensure!(value.is_object(), "its key {key:?} is not a JSON object");
    }
    Ok(())
}

/// Whether a namespace with these labels admits a pod with a hostPath volume. The levels `baseline` and `restricted` do not.
fn host_path_is_admitted(namespace: &str, labels: &BTreeMap<String, String>) -> Result<(), InstallError> {
    match labels.get(POD_SECURITY) {
        Some(level) if level != PRIVILEGED => Err(InstallError::HostPathForbidden {
            namespace: namespace.to_owned(),
            level: level.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_path_needs_a_namespace_that_admits_it() {
        let admitted = |level: Option<&str>| {
            let labels = level.map(|level| (POD_SECURITY.to_owned(), level.to_owned()));
            host_path_is_admitted("v", &labels.into_iter().collect()).map_err(|refused| refused.to_string())
        };
        assert_eq!((admitted(None), admitted(Some("privileged"))), (Ok(()), Ok(())));
        for level in ["baseline", "restricted"] {
            let refused = admitted(Some(level)).unwrap_err();
            assert!(
                refused.contains(&format!("namespace \"v\" enforces the pod security level \"{level}\"")),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_configmap_must_hold_json_objects() {
        let of = |pairs: &[(&str, &str)]| ConfigMap {
            data: Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
            ..ConfigMap::default()
        };
        assert!(holds_json(&of(&[("a", "{}")])).is_ok());
        assert!(holds_json(&of(&[])).is_err());
        assert!(holds_json(&of(&[("a", "[]")])).is_err());
        assert!(holds_json(&of(&[("a", "x")])).is_err());
    }
}
