//! From flags to what is to be installed. Refuses flags that contradict each other (spec server-cli 10.2).

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::UPLOADER;
use super::error::{InstallError, invalid};
use super::flags::{ArtifactFlags, Install};
use super::limits::resources;
use super::options::{ArtifactOptions, InstallOptions, NodeAgentOptions, Resources, ServerFlags};
use super::storage::Storage;
use crate::cli::flag::{StringArray, certificates, merged};
use crate::store::{self, StoreConfig};

impl Install {
    /// The options of an installation into `namespace` with these features.
    pub(super) fn validated(
        &self,
        namespace: &str,
        features: &BTreeSet<String>,
    ) -> Result<InstallOptions, InstallError> {
        let uploader = &self.server.uploader_type;
        if uploader != UPLOADER {
            return invalid(format!(
                "invalid uploader type '{uploader}', valid upload types are: '{UPLOADER}'"
            ));
        }
        let storage = Storage::of(&self.location)?;
        if self.server.default_volumes_to_fs_backup && !self.node_agent.use_node_agent {
            return invalid("--use-node-agent is required when using --default-volumes-to-fs-backup");
        }
        if self.node_agent.use_node_agent || self.node_agent.use_node_agent_windows {
            return Err(InstallError::NoNodeAgent);
        }
        let secret_file = self
            .credentials
            .secret_file
            .as_deref()
            .filter(|path| !path.as_os_str().is_empty());
        match secret_file {
            None if !self.credentials.no_secret && !storage.needs_no_secret => {
                return invalid("One of --secret-file or --no-secret is required");
            }
            Some(_) if self.credentials.no_secret => return invalid("Cannot use both --secret-file and --no-secret"),
            _ => {}
        }
        self.check_durations()?;
        let image = self
            .image
            .clone()
            .filter(|image| !image.is_empty())
            .ok_or(InstallError::Image)?;
        let mut location = storage.location;
        if let Some(location) = &mut location {
            location.ca_cert = self
                .location
                .cacert
                .as_deref()
                .map(certificates)
                .transpose()
                .map_err(InstallError::Flags)?;
            store::check(&StoreConfig {
                provider: location.provider.clone(),
                bucket: location.bucket.clone(),
                prefix: location.prefix.clone(),
                config: location.config.clone(),
                ..StoreConfig::default()
            })?;
        }
        let pod_labels = merged("--pod-labels", &self.pod.pod_labels)?;
        self.check_limits(&pod_labels)?;
        Ok(InstallOptions {
            namespace: namespace.to_owned(),
            image,
            features: features.iter().cloned().collect(),
            pod_annotations: merged("--pod-annotations", &self.pod.pod_annotations)?,
            pod_labels,
            service_account_annotations: merged("--sa-annotations", &self.pod.sa_annotations)?,
            service_account_name: self.pod.service_account_name.clone().filter(|name| !name.is_empty()),
            resources: self.server_resources()?,
            credentials: secret_file.map(read).transpose()?,
            location,
            snapshot_location: storage.snapshots,
            volume: storage.volume,
            node_agent: None,
            server: self.server_flags(),
            priority_class: self
                .pod
                .server_priority_class_name
                .clone()
                .filter(|name| !name.is_empty()),
            csi_early_frequent_polling: self.pod.csi_snapshot_early_frequent_polling,
            artifacts: self.artifacts.validated()?,
        })
    }

    /// Warnings for the user, which do not stop the installation.
    pub(super) fn warnings(&self) -> Vec<String> {
        let plugins = StringArray::all(&self.plugins);
        let plugins: Vec<String> = plugins.into_iter().filter(|image| !image.is_empty()).collect();
        if plugins.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "WARNING: this release does not support plugins yet, these images are ignored: {}",
            plugins.join(", ")
        )]
    }

    fn server_resources(&self) -> Result<Resources, InstallError> {
        let pod = &self.pod;
        resources(
            [pod.velero_pod_cpu_request, pod.velero_pod_cpu_limit],
            [pod.velero_pod_mem_request, pod.velero_pod_mem_limit],
        )
    }

    /// The options of the node agent.
    #[expect(dead_code, reason = "this release has no node agent yet")]
    pub(super) fn node_agent_options(&self) -> Result<NodeAgentOptions, InstallError> {
        let flags = &self.node_agent;
        Ok(NodeAgentOptions {
            resources: resources(
                [flags.node_agent_pod_cpu_request, flags.node_agent_pod_cpu_limit],
                [flags.node_agent_pod_mem_request, flags.node_agent_pod_mem_limit],
            )?,
            privileged: flags.privileged_node_agent,
            host_path: !flags.node_agent_disable_host_path,
            kubelet_root: flags.kubelet_root_dir.clone(),
            configmap: flags.node_agent_configmap.clone(),
            priority_class: flags.node_agent_priority_class_name.clone(),
        })
    }

    fn server_flags(&self) -> ServerFlags {
        let server = &self.server;
        ServerFlags {
            default_volumes_to_fs_backup: server.default_volumes_to_fs_backup,
            default_snapshot_move_data: server.default_snapshot_move_data,
            disable_informer_cache: server.disable_informer_cache,
            schedule_skip_immediately: server.schedule_skip_immediately,
            uploader_type: server.uploader_type.clone(),
            restore_only: server.restore_only,
            default_repo_maintain_frequency: server.default_repo_maintain_frequency.clone(),
            garbage_collection_frequency: server.garbage_collection_frequency.clone(),
            fs_backup_timeout: server.pod_volume_operation_timeout.clone(),
            keep_latest_maintenance_jobs: server.keep_latest_maintenance_jobs,
            maintenance_job: [
                server.maintenance_job_cpu_limit.clone(),
                server.maintenance_job_cpu_request.clone(),
                server.maintenance_job_mem_limit.clone(),
                server.maintenance_job_mem_request.clone(),
            ],
            backup_repository_configmap: server.backup_repository_configmap.clone(),
            repo_maintenance_job_configmap: server.repo_maintenance_job_configmap.clone(),
            item_block_worker_count: server.item_block_worker_count,
            concurrent_backups: server.concurrent_backups,
        }
    }
}

impl ArtifactFlags {
    fn validated(&self) -> Result<ArtifactOptions, InstallError> {
        let ingress_class = self.ingress_class.clone().filter(|class| !class.is_empty());
        let url = self.url.as_ref();
        if self.node_port.is_some() && url.is_none() {
            return invalid(
                "--artifact-node-port needs --artifact-url https://HOST:PORT with the name or address of a node that clients can reach",
            );
        }
        let named = url.is_some_and(|url| !url.has_path() && url.host().parse::<IpAddr>().is_err());
        if ingress_class.is_some() && !named {
            return invalid("--artifact-ingress-class needs --artifact-url https://NAME, the host of the Ingress");
        }
        Ok(ArtifactOptions {
            url: self.url.clone(),
            node_port: self.node_port,
            ingress_class,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InstallError> {
    fs::read(path).map_err(|error| InstallError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests;
