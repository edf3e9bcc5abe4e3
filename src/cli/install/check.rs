//! From flags to what is to be installed: what does not go together is refused (spec server-cli 10.2).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node};
use kube::Api;
use serde_json::Value;

use super::UPLOADER;
use super::flags::{ArtifactFlags, Install, LocationFlags};
use super::options::{
    ArtifactOptions, DEFAULT_FSPATH, InstallOptions, LocationOptions, NodeAgentOptions, Resources, ServerFlags,
    SnapshotLocationOptions, Volume,
};
use super::refused::{POD_SECURITY, Refused};
use crate::api::{GoDuration, Quantity};
use crate::cli::context::Context;
use crate::cli::flag::{StringArray, certificates, merged};
use crate::cli::objects::RequestError;
use crate::store::{self, StoreConfig};

/// Our own provider that stores in a file system.
const FILESYSTEM: &str = "velero.io/fs";
/// The level that admits all.
const PRIVILEGED: &str = "privileged";
/// Its bucket unless another one is named.
const FILESYSTEM_BUCKET: &str = "velero";

fn refused<T>(text: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Flags(text.into()))
}

impl Install {
    /// What is to be installed into `namespace`, with these features on.
    pub(super) fn checked(&self, namespace: &str, features: &BTreeSet<String>) -> Result<InstallOptions, Refused> {
        let uploader = &self.server.uploader_type;
        if uploader != UPLOADER {
            return refused(format!(
                "invalid uploader type '{uploader}', valid upload types are: '{UPLOADER}'"
            ));
        }
        let storage = Storage::of(&self.location)?;
        if self.server.default_volumes_to_fs_backup && !self.node_agent.use_node_agent {
            return refused("--use-node-agent is required when using --default-volumes-to-fs-backup");
        }
        if self.node_agent.use_node_agent || self.node_agent.use_node_agent_windows {
            return Err(Refused::NoNodeAgent);
        }
        let secret_file = self.secret_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        match secret_file {
            None if !self.no_secret && !storage.needs_no_secret => {
                return refused("One of --secret-file or --no-secret is required");
            }
            Some(_) if self.no_secret => return refused("Cannot use both --secret-file and --no-secret"),
            _ => {}
        }
        self.check_durations()?;
        let image = self
            .image
            .clone()
            .filter(|image| !image.is_empty())
            .ok_or(Refused::Image)?;
        let mut location = storage.location;
        if let Some(location) = &mut location {
            location.ca_cert = self
                .location
                .cacert
                .as_deref()
                .map(certificates)
                .transpose()
                .map_err(Refused::Flags)?;
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
            artifacts: self.artifacts.checked()?,
        })
    }

    /// What the user should know although it is no error.
    pub(super) fn warnings(&self) -> Vec<String> {
        let plugins = StringArray::all(&self.plugins);
        let plugins: Vec<String> = plugins.into_iter().filter(|image| !image.is_empty()).collect();
        if plugins.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "WARNING: this release has no plugins yet, these images are left out: {}",
            plugins.join(", ")
        )]
    }

    /// Looks whether the ConfigMaps that flags name are there and hold JSON.
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

    /// Looks whether the node of `--node` is there: its pod would wait for it for ever.
    pub(super) async fn check_node(&self, context: &Context) -> anyhow::Result<()> {
        let Some(name) = self.location.node.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        let nodes: Api<Node> = Api::all(context.client().await?);
        match nodes.get_metadata_opt(name).await {
            Ok(None) => Err(Refused::NoSuchNode(name.to_owned()).into()),
            // Whoever may install need not be allowed to look at nodes.
            Ok(Some(_)) | Err(kube::Error::Api(_)) => Ok(()),
            Err(error) => Err(RequestError::of(error, "nodes").into()),
        }
    }

    /// Looks whether the namespace, if it is there already, admits a pod that uses a directory of a node.
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
            // The right to install into a namespace does not include the right to read it.
            Err(kube::Error::Api(_)) => Ok(()),
            Err(error) => Err(RequestError::of(error, "namespaces").into()),
        }
    }

    fn check_durations(&self) -> Result<(), Refused> {
        let server = &self.server;
        let durations = [
            (
                "default-repo-maintain-frequency",
                &server.default_repo_maintain_frequency,
            ),
            ("garbage-collection-frequency", &server.garbage_collection_frequency),
            ("pod-volume-operation-timeout", &server.pod_volume_operation_timeout),
        ];
        let negative = |duration: &GoDuration| duration.value().is_ok_and(|value| value.is_negative());
        match durations.iter().find(|(_, duration)| negative(duration)) {
            Some((flag, _)) => refused(format!("--{flag} must be non-negative")),
            None => Ok(()),
        }
    }

    fn server_resources(&self) -> Result<Resources, Refused> {
        let pod = &self.pod;
        resources(
            [pod.velero_pod_cpu_request, pod.velero_pod_cpu_limit],
            [pod.velero_pod_mem_request, pod.velero_pod_mem_limit],
        )
    }

    /// The node agent as the flags describe it, for when there is one.
    #[expect(dead_code, reason = "used as soon as there is a node agent")]
    pub(super) fn node_agent_options(&self) -> Result<NodeAgentOptions, Refused> {
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
    fn checked(&self) -> Result<ArtifactOptions, Refused> {
        let ingress_class = self.ingress_class.clone().filter(|class| !class.is_empty());
        let url = self.url.as_ref();
        if self.node_port.is_some() && url.is_none() {
            return refused(
                "--artifact-node-port needs --artifact-url https://HOST:PORT: the name or address of a node, by which clients come",
            );
        }
        let named = url.is_some_and(|url| !url.has_path() && url.host().parse::<IpAddr>().is_err());
        if ingress_class.is_some() && !named {
            return refused("--artifact-ingress-class needs --artifact-url https://NAME: the Ingress is for this name");
        }
        Ok(ArtifactOptions {
            url: self.url.clone(),
            node_port: self.node_port,
            ingress_class,
        })
    }
}

impl Resources {
    /// What the server may use unless flags say otherwise.
    pub(super) fn server_defaults() -> Self {
        let of = |text: &str| text.parse::<Quantity>().ok();
        Self {
            cpu_request: of("500m"),
            memory_request: of("128Mi"),
            cpu_limit: of("1"),
            memory_limit: of("512Mi"),
        }
    }
}

impl LocationOptions {
    /// Whether its clients come to the server's own endpoint, and have to trust that: it signs no URLs, and no flag says which
    /// certificates to trust.
    pub(super) fn trusts_the_server(&self) -> bool {
        is_filesystem(&self.provider) && self.ca_cert.is_none()
    }

    /// The location of an installation without flags.
    pub(super) fn filesystem() -> Self {
        Self {
            provider: FILESYSTEM.to_owned(),
            bucket: FILESYSTEM_BUCKET.to_owned(),
            config: [("fspath".to_owned(), DEFAULT_FSPATH.to_owned())].into(),
            ..Self::default()
        }
    }
}

/// Where backups and snapshots go.
struct Storage {
    location: Option<LocationOptions>,
    snapshots: Option<SnapshotLocationOptions>,
    volume: Option<Volume>,
    needs_no_secret: bool,
}

impl Storage {
    fn of(flags: &LocationFlags) -> Result<Self, Refused> {
        let text = |flag: &Option<String>| flag.clone().filter(|value| !value.is_empty());
        let (provider, bucket, prefix) = (text(&flags.provider), text(&flags.bucket), text(&flags.prefix));
        let (config, snapshot_config) = (
            merged("--backup-location-config", &flags.backup_location_config)?,
            merged("--snapshot-location-config", &flags.snapshot_location_config)?,
        );
        if let Some(bucket) = bucket.as_ref().filter(|bucket| bucket.starts_with('-')) {
            return refused(format!(
                "Bucket names cannot begin with a dash. Bucket name was: {bucket}"
            ));
        }
        let volume = volume(flags)?;
        if flags.no_default_backup_location {
            let given = [
                ("--bucket", bucket.is_some()),
                ("--prefix", prefix.is_some()),
                ("--backup-location-config", !config.is_empty()),
            ];
            if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
                return refused(format!(
                    "Cannot use both {flag} and --no-default-backup-location at the same time"
                ));
            }
            if volume.is_some() {
                return refused(
                    "Cannot use both a filesystem volume and --no-default-backup-location at the same time",
                );
            }
        }
        let provider = match provider {
            None if flags.no_default_backup_location => None,
            None => Some(FILESYSTEM.to_owned()),
            provider => provider,
        };
        let filesystem = provider.as_deref().is_some_and(is_filesystem);
        let snapshots = flags.use_volume_snapshots.unwrap_or(provider.is_some() && !filesystem);
        if snapshots && provider.is_none() {
            return refused("--provider is required when --use-volume-snapshots is set to true");
        }
        if !snapshots && !snapshot_config.is_empty() {
            return refused("--snapshot-location-config must be empty when --use-volume-snapshots=false");
        }
        if flags.no_default_backup_location && !snapshots && provider.is_some() {
            return refused(
                "--provider must be empty when using --no-default-backup-location and --use-volume-snapshots=false",
            );
        }
        let snapshots = provider
            .clone()
            .filter(|_| snapshots)
            .map(|provider| SnapshotLocationOptions {
                provider,
                config: snapshot_config,
            });
        let Some(provider) = provider.filter(|_| !flags.no_default_backup_location) else {
            return Ok(Self {
                location: None,
                snapshots,
                volume: None,
                needs_no_secret: false,
            });
        };
        let mut location = LocationOptions {
            provider,
            bucket: String::new(),
            prefix: prefix.unwrap_or_default(),
            config,
            ca_cert: None,
        };
        if filesystem {
            location.bucket = bucket.unwrap_or_else(|| FILESYSTEM_BUCKET.to_owned());
            location
                .config
                .entry("fspath".to_owned())
                .or_insert_with(|| DEFAULT_FSPATH.to_owned());
            let volume = Some(volume.ok_or(Refused::NoVolume)?);
            return Ok(Self {
                location: Some(location),
                snapshots,
                volume,
                needs_no_secret: true,
            });
        }
        if volume.is_some() {
            return Err(Refused::VolumeOfOther(location.provider));
        }
        location.bucket = bucket.ok_or_else(|| Refused::Flags("--bucket is required".to_owned()))?;
        Ok(Self {
            location: Some(location),
            snapshots,
            volume: None,
            needs_no_secret: false,
        })
    }
}

fn is_filesystem(provider: &str) -> bool {
    matches!(
        provider.strip_prefix("velero.io/").unwrap_or(provider),
        "fs" | "filesystem"
    )
}

fn volume(flags: &LocationFlags) -> Result<Option<Volume>, Refused> {
    match (&flags.filesystem_claim, &flags.filesystem_host_path, &flags.node) {
        (Some(_), Some(_), _) => Err(Refused::TwoVolumes),
        (Some(claim), None, None) => Ok(Some(Volume::Claim(claim.clone()))),
        (None, Some(directory), Some(node)) => Ok(Some(Volume::HostPath {
            directory: directory.clone(),
            node: node.clone(),
        })),
        (None, None, None) => Ok(None),
        _ => Err(Refused::HalfHostPath),
    }
}

fn resources([cpu, cpu_limit]: [Quantity; 2], [memory, memory_limit]: [Quantity; 2]) -> Result<Resources, Refused> {
    for (what, request, limit) in [("CPU", cpu, cpu_limit), ("Memory", memory, memory_limit)] {
        if !limit.is_zero() && request.exceeds(limit) {
            return Err(Refused::Resources { what, request, limit });
        }
    }
    let set = |quantity: Quantity| Some(quantity).filter(|quantity| !quantity.is_zero());
    Ok(Resources {
        cpu_request: set(cpu),
        memory_request: set(memory),
        cpu_limit: set(cpu_limit),
        memory_limit: set(memory_limit),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Refused> {
    fs::read(path).map_err(|error| Refused::File(path.to_owned(), error))
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

/// Whether a namespace with these labels admits a pod that uses a directory of a node. Both other levels forbid it.
fn host_path_is_admitted(namespace: &str, labels: &BTreeMap<String, String>) -> Result<(), Refused> {
    match labels.get(POD_SECURITY) {
        Some(level) if level != PRIVILEGED => Err(Refused::HostPathForbidden {
            namespace: namespace.to_owned(),
            level: level.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
