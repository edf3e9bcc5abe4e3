//! The options of an installation: the validated flags, independent of a cluster.

use std::collections::BTreeMap;

use crate::api::{GoDuration, Quantity};
use crate::controllers::artifact::base::BaseUrl;

/// Port of metrics and health.
pub const METRICS_PORT: i32 = 8085;
/// Port of the artifact endpoint (decision 24).
pub const ARTIFACTS_PORT: i32 = 8443;
/// The default mount path of the volume of a filesystem location, replaced by `fspath`.
pub const DEFAULT_FSPATH: &str = "/var/lib/velero";

/// The options of an installation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstallOptions {
    /// The namespace to install into.
    pub namespace: String,
    /// The image of the server.
    pub image: String,
    /// Features to enable, sorted.
    pub features: Vec<String>,
    /// Annotations of the server's pod, besides those for Prometheus.
    pub pod_annotations: BTreeMap<String, String>,
    /// Labels of the server's pod, besides its own.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of the service account.
    pub service_account_annotations: BTreeMap<String, String>,
    /// An existing service account to run as. Then neither an account nor a binding is created.
    pub service_account_name: Option<String>,
    /// Requests and limits of the server.
    pub resources: Resources,
    /// The credentials, for the Secret `cloud-credentials`.
    pub credentials: Option<Vec<u8>>,
    /// The default backup storage location.
    pub location: Option<LocationOptions>,
    /// The default volume snapshot location.
    pub snapshot_location: Option<SnapshotLocationOptions>,
    /// The volume of a filesystem location.
    pub volume: Option<Volume>,
    /// The node agent, which moves volume data.
    pub node_agent: Option<NodeAgentOptions>,
    /// Flags of the server.
    pub server: ServerFlags,
    /// Priority class of the server's pod.
    pub priority_class: Option<String>,
    /// Whether the server polls new CSI snapshots more often at first.
    pub csi_early_frequent_polling: bool,
    /// How clients outside the cluster reach the artifact endpoint.
    pub artifacts: ArtifactOptions,
}

/// The artifact endpoint for clients that do not use the API server (decision 44).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactOptions {
    /// `--artifact-url` of the server.
    pub url: Option<BaseUrl>,
    /// The node port of the endpoint.
    pub node_port: Option<u16>,
    /// The class of the Ingress for the host of the URL.
    pub ingress_class: Option<String>,
}

/// A backup storage location to create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocationOptions {
    /// The provider.
    pub provider: String,
    /// The bucket.
    pub bucket: String,
    /// The prefix of keys.
    pub prefix: String,
    /// The provider's settings.
    pub config: BTreeMap<String, String>,
    /// The CA bundle.
    pub ca_cert: Option<Vec<u8>>,
}

/// A volume snapshot location to create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotLocationOptions {
    /// The provider.
    pub provider: String,
    /// The provider's settings.
    pub config: BTreeMap<String, String>,
}

/// The volume of a filesystem location (decision 23).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Volume {
    /// A claim in the same namespace.
    Claim(String),
    /// A directory of one node, for demonstrations.
    HostPath {
        /// The directory.
        directory: String,
        /// The node.
        node: String,
    },
}

/// Requests and limits of a container; unset ones are omitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// CPU request.
    pub cpu_request: Option<Quantity>,
    /// Memory request.
    pub memory_request: Option<Quantity>,
    /// CPU limit.
    pub cpu_limit: Option<Quantity>,
    /// Memory limit.
    pub memory_limit: Option<Quantity>,
}

/// Flags that are passed to the server, if they differ from its defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFlags {
    /// `--default-volumes-to-fs-backup`
    pub default_volumes_to_fs_backup: bool,
    /// `--default-snapshot-move-data`
    pub default_snapshot_move_data: bool,
    /// `--disable-informer-cache`
    pub disable_informer_cache: bool,
    /// `--schedule-skip-immediately`
    pub schedule_skip_immediately: bool,
    /// `--uploader-type`
    pub uploader_type: String,
    /// `--restore-only`
    pub restore_only: bool,
    /// `--default-repo-maintain-frequency`
    pub default_repo_maintain_frequency: GoDuration,
    /// `--garbage-collection-frequency`
    pub garbage_collection_frequency: GoDuration,
    /// `--fs-backup-timeout`
    pub fs_backup_timeout: GoDuration,
    /// `--keep-latest-maintenance-jobs`
    pub keep_latest_maintenance_jobs: i64,
    /// `--maintenance-job-cpu-limit`, `-cpu-request`, `-mem-limit`, `-mem-request`
    pub maintenance_job: [String; 4],
    /// `--backup-repository-configmap`
    pub backup_repository_configmap: String,
    /// `--repo-maintenance-job-configmap`
    pub repo_maintenance_job_configmap: String,
    /// `--item-block-worker-count`
    pub item_block_worker_count: i64,
    /// `--concurrent-backups`
    pub concurrent_backups: i64,
}

/// The node agent's DaemonSet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeAgentOptions {
    /// Its requests and limits.
    pub resources: Resources,
    /// Whether its container is privileged.
    pub privileged: bool,
    /// Whether it mounts the kubelet's directories.
    pub host_path: bool,
    /// The kubelet's directory.
    pub kubelet_root: String,
    /// `--node-agent-configmap`
    pub configmap: String,
    /// Priority class of its pods.
    pub priority_class: Option<String>,
}

impl Resources {
    /// The default requests and limits of the server.
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

impl InstallOptions {
    /// The service account that everything runs as.
    pub fn service_account(&self) -> &str {
        self.service_account_name.as_deref().unwrap_or("velero")
    }

    /// The features as the value of a flag.
    pub fn features_flag(&self) -> String {
        format!("--features={}", self.features.join(","))
    }

    /// The base of the download URLs.
    pub fn artifact_url(&self) -> BaseUrl {
        let given = self.artifacts.url.clone();
        given.unwrap_or_else(|| BaseUrl::of_service(&self.namespace))
    }

    /// The mount path of the volume.
    pub fn mount_path(&self) -> &str {
        let configured = self
            .location
            .as_ref()
            .and_then(|location| location.config.get("fspath"));
        configured.map_or(DEFAULT_FSPATH, String::as_str)
    }
}

impl ServerFlags {
    /// The arguments after `server` and `--features`, in upstream's order.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut switch = |on: bool, flag: &str| {
            if on {
                arguments.push(format!("--{flag}=true"));
            }
        };
        switch(self.default_volumes_to_fs_backup, "default-volumes-to-fs-backup");
        switch(self.default_snapshot_move_data, "default-snapshot-move-data");
        switch(self.disable_informer_cache, "disable-informer-cache");
        switch(self.schedule_skip_immediately, "schedule-skip-immediately");
        let mut text = |value: &str, flag: &str| {
            if !value.is_empty() {
                arguments.push(format!("--{flag}={value}"));
            }
        };
        text(&self.uploader_type, "uploader-type");
        if self.restore_only {
            arguments.push("--restore-only".to_owned());
        }
        let mut text = |value: &str, flag: &str| {
            if !value.is_empty() {
                arguments.push(format!("--{flag}={value}"));
            }
        };
        let duration = |value: &GoDuration| value.positive().map(|_| value.to_string()).unwrap_or_default();
        let count = |value: i64| if value > 0 { value.to_string() } else { String::new() };
        text(
            &duration(&self.default_repo_maintain_frequency),
            "default-repo-maintain-frequency",
        );
        text(
            &duration(&self.garbage_collection_frequency),
            "garbage-collection-frequency",
        );
        text(&duration(&self.fs_backup_timeout), "fs-backup-timeout");
        text(
            &count(self.keep_latest_maintenance_jobs),
            "keep-latest-maintenance-jobs",
        );
        let [cpu_limit, cpu_request, mem_limit, mem_request] = &self.maintenance_job;
        text(cpu_limit, "maintenance-job-cpu-limit");
        text(cpu_request, "maintenance-job-cpu-request");
        text(mem_limit, "maintenance-job-mem-limit");
        text(mem_request, "maintenance-job-mem-request");
        text(&self.backup_repository_configmap, "backup-repository-configmap");
        text(&self.repo_maintenance_job_configmap, "repo-maintenance-job-configmap");
        text(&count(self.item_block_worker_count), "item-block-worker-count");
        text(&count(self.concurrent_backups), "concurrent-backups");
        arguments
    }
}
