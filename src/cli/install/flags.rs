//! The flags of `velero install` (spec server-cli 10.1).

use std::path::PathBuf;

use crate::api::{GoDuration, Quantity};
use crate::cli::flag::{Map, StringArray, go_bool};
use crate::cli::output::OutputArgs;
use crate::controllers::artifact::base::BaseUrl;

/// Install Velero
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Install {
    #[command(flatten)]
    pub(super) location: LocationFlags,
    #[command(flatten)]
    pub(super) credentials: CredentialFlags,
    /// Image to use for the Velero pod.
    #[arg(long)]
    pub(super) image: Option<String>,
    /// Plugin container images to install into the Velero Deployment. Ignored: this release does not support plugins yet.
    #[arg(long, action = clap::ArgAction::Append)]
    pub(super) plugins: Vec<StringArray>,
    #[command(flatten)]
    pub(super) mode: ModeFlags,
    #[command(flatten)]
    pub(super) pod: PodFlags,
    #[command(flatten)]
    pub(super) server: ServerArguments,
    #[command(flatten)]
    pub(super) artifacts: ArtifactFlags,
    #[command(flatten)]
    pub(super) node_agent: NodeAgentFlags,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

const EXAMPLES: &str = "Examples:
  # Store backups on a volume of the cluster.
  velero install --image IMAGE --filesystem-claim velero-backups

  # Store backups in S3.
  velero install --image IMAGE --provider aws --bucket backups --secret-file ./aws-iam-creds --backup-location-config region=us-east-2

  # Store backups on a volume, and expose downloads to all of Velero's clients outside the cluster.
  velero install --image IMAGE --filesystem-claim velero-backups --artifact-url https://NODE:30443 --artifact-node-port 30443

  # Print the objects without installing them.
  velero install --image IMAGE --filesystem-claim velero-backups --dry-run -o yaml";

/// The credentials of the object store.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CredentialFlags {
    /// File containing credentials for backup and volume provider. If not specified, --no-secret must be used for confirmation,
    /// except with velero.io/fs.
    #[arg(long)]
    pub(super) secret_file: Option<PathBuf>,
    /// Flag indicating if a secret should be created. Must be used as confirmation if --secret-file is not provided and the
    /// provider is not velero.io/fs.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) no_secret: bool,
}

/// What is done with the objects.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ModeFlags {
    /// Only generate CustomResourceDefinition resources. Useful for updating CRDs for an existing Velero install.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) crds_only: bool,
    /// Generate resources, but don't send them to the cluster. Use with -o.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) dry_run: bool,
    /// Wait for Velero deployment to be ready.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) wait: bool,
    /// Flag indicating if resources should be applied instead of created. This can be used for updating existing resources.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) apply: bool,
}

/// Where backups are stored.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LocationFlags {
    /// Provider name for backup and volume storage; velero.io/fs by default.
    #[arg(long)]
    pub(super) provider: Option<String>,
    /// Name of the object storage bucket where backups should be stored; velero by default for velero.io/fs.
    #[arg(long)]
    pub(super) bucket: Option<String>,
    /// Prefix under which all Velero data should be stored within the bucket.
    #[arg(long)]
    pub(super) prefix: Option<String>,
    /// Do not create a default backup storage location.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) no_default_backup_location: bool,
    /// Configuration to use for the backup storage location. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    pub(super) backup_location_config: Vec<Map>,
    /// File containing a certificate bundle to use when verifying TLS connections to the object store.
    #[arg(long)]
    pub(super) cacert: Option<PathBuf>,
    /// Whether or not to create snapshot location automatically. Set to false if you do not plan to create volume snapshots via a
    /// storage provider. Defaults to true, except with velero.io/fs.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool, value_name = "BOOL",
          hide_possible_values = true)]
    pub(super) use_volume_snapshots: Option<bool>,
    /// Configuration to use for the volume snapshot location. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    pub(super) snapshot_location_config: Vec<Map>,
    /// With velero.io/fs: the PersistentVolumeClaim in Velero's namespace to store backups on.
    #[arg(long, value_name = "NAME")]
    pub(super) filesystem_claim: Option<String>,
    /// With velero.io/fs, for demonstrations: the directory of a node to store backups in. Needs --node.
    #[arg(long, value_name = "DIR")]
    pub(super) filesystem_host_path: Option<String>,
    /// The node of --filesystem-host-path.
    #[arg(long)]
    pub(super) node: Option<String>,
}

/// The server's pod.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PodFlags {
    /// Annotations to add to the Velero and node agent pods. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    pub(super) pod_annotations: Vec<Map>,
    /// Labels to add to the Velero and node agent pods. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    pub(super) pod_labels: Vec<Map>,
    /// Annotations to add to the Velero ServiceAccount. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    pub(super) sa_annotations: Vec<Map>,
    /// ServiceAccount to be set to the Velero and node agent pods. It must exist before the installation, with its bindings.
    #[arg(long)]
    pub(super) service_account_name: Option<String>,
    /// CPU request for Velero pod. A value of "0" is treated as unbounded.
    #[arg(long, default_value = "500m")]
    pub(super) velero_pod_cpu_request: Quantity,
    /// Memory request for Velero pod. A value of "0" is treated as unbounded.
    #[arg(long, default_value = "128Mi")]
    pub(super) velero_pod_mem_request: Quantity,
    /// CPU limit for Velero pod. A value of "0" is treated as unbounded.
    #[arg(long, default_value = "1000m")]
    pub(super) velero_pod_cpu_limit: Quantity,
    /// Memory limit for Velero pod. A value of "0" is treated as unbounded.
    #[arg(long, default_value = "512Mi")]
    pub(super) velero_pod_mem_limit: Quantity,
    /// Priority class name for the Velero server deployment.
    #[arg(long)]
    pub(super) server_priority_class_name: Option<String>,
    /// Configure Velero server to use early frequent polling by default for all CSI snapshots.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) csi_snapshot_early_frequent_polling: bool,
}

/// Flags that are passed to the server.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServerArguments {
    /// Run the server in restore-only mode.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) restore_only: bool,
    /// Configure Velero server to use pod volume file system backup by default for all volumes on all backups. Needs
    /// --use-node-agent.
    #[arg(long, alias = "default-volumes-to-restic", num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true,
          hide_possible_values = true)]
    pub(super) default_volumes_to_fs_backup: bool,
    /// Configure Velero server to move data by default for all snapshots supporting data movement.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) default_snapshot_move_data: bool,
    /// Disable informer cache for Get calls on restore. Without effect: this server has no such cache.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) disable_informer_cache: bool,
    /// Skip the first scheduled backup immediately after creating a schedule.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub(super) schedule_skip_immediately: bool,
    /// The type of uploader to transfer the data of pod volumes, supported value: 'kopia'.
    #[arg(long, default_value = "kopia")]
    pub(super) uploader_type: String,
    /// How often 'maintain' is run for backup repositories by default; the default of the repository if 0.
    #[arg(long, alias = "default-restic-prune-frequency", default_value = "0s")]
    pub(super) default_repo_maintain_frequency: GoDuration,
    /// How often the garbage collection runs for expired backups; the server's default if 0.
    #[arg(long, default_value = "0s")]
    pub(super) garbage_collection_frequency: GoDuration,
    /// How long to wait for pod volume operations to complete before timing out; the server's default if 0.
    #[arg(long, default_value = "0s")]
    pub(super) pod_volume_operation_timeout: GoDuration,
    /// The name of ConfigMap containing backup repository configurations.
    #[arg(long, default_value = "")]
    pub(super) backup_repository_configmap: String,
    /// The name of ConfigMap containing repository maintenance Job configurations.
    #[arg(long, default_value = "")]
    pub(super) repo_maintenance_job_configmap: String,
    /// Number of worker threads to process ItemBlocks; the server's default if 0.
    #[arg(long, default_value_t = 0)]
    pub(super) item_block_worker_count: i64,
    /// Number of backups to process concurrently; the server's default if 0.
    #[arg(long, default_value_t = 0)]
    pub(super) concurrent_backups: i64,
    #[arg(long, default_value_t = 0, hide = true)]
    pub(super) keep_latest_maintenance_jobs: i64,
    #[arg(long, default_value = "", hide = true)]
    pub(super) maintenance_job_cpu_limit: String,
    #[arg(long, default_value = "", hide = true)]
    pub(super) maintenance_job_cpu_request: String,
    #[arg(long, default_value = "", hide = true)]
    pub(super) maintenance_job_mem_limit: String,
    #[arg(long, default_value = "", hide = true)]
    pub(super) maintenance_job_mem_request: String,
}

/// How clients download files if the store signs no URLs, such as velero.io/fs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ArtifactFlags {
    /// Base of the download URLs of logs and archives, if the object store cannot sign URLs. Defaults to the Service of the
    /// installation, which is reachable only inside the cluster.
    #[arg(long = "artifact-url", value_name = "https://HOST[:PORT]")]
    pub(super) url: Option<BaseUrl>,
    /// Expose these downloads on this port of every node. Needs --artifact-url with the name or address of a node.
    #[arg(long = "artifact-node-port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) node_port: Option<u16>,
    /// Create an Ingress of this class for the host of --artifact-url, with TLS passthrough to the server.
    #[arg(long = "artifact-ingress-class", value_name = "CLASS")]
    pub(super) ingress_class: Option<String>,
}

/// The flags of the node agent. They are accepted so that the error can name what is missing.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct NodeAgentFlags {
    /// Create Velero node-agent daemonset. Not part of this release yet.
    #[arg(long, alias = "use-restic", num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true,
          hide_possible_values = true)]
    pub(super) use_node_agent: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(super) use_node_agent_windows: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(super) privileged_node_agent: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(super) node_agent_disable_host_path: bool,
    #[arg(long, default_value = "/var/lib/kubelet", hide = true)]
    pub(super) kubelet_root_dir: String,
    #[arg(long, default_value = "", hide = true)]
    pub(super) node_agent_configmap: String,
    #[arg(long, hide = true)]
    pub(super) node_agent_priority_class_name: Option<String>,
    #[arg(long, alias = "restic-pod-cpu-request", default_value = "0", hide = true)]
    pub(super) node_agent_pod_cpu_request: Quantity,
    #[arg(long, alias = "restic-pod-mem-request", default_value = "0", hide = true)]
    pub(super) node_agent_pod_mem_request: Quantity,
    #[arg(long, alias = "restic-pod-cpu-limit", default_value = "0", hide = true)]
    pub(super) node_agent_pod_cpu_limit: Quantity,
    #[arg(long, alias = "restic-pod-mem-limit", default_value = "0", hide = true)]
    pub(super) node_agent_pod_mem_limit: Quantity,
}
