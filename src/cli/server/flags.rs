//! The flags of `velero server` (spec server-cli 2.1): all of upstream's, with their old names, so that a Deployment for either release
//! starts. A flag of a feature that this release does not have is accepted with a warning in the log.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::api::GoDuration;
use crate::cluster::rate::RateLimit;
use crate::controllers::artifact::base::BaseUrl;
use crate::restore::object::managed_fields::ManagedFields;
use crate::restore::priorities::Priorities;
use crate::telemetry::logrus::{Format, Level};

/// The names of controllers, in upstream's order (spec server-cli 3.1).
pub const CONTROLLERS: [&str; 15] = [
    "backup-queue",
    "backup",
    "backup-operations",
    "backup-deletion",
    "backup-finalizer",
    "backup-sync",
    "download-request",
    "gc",
    "backup-repo",
    "restore",
    "restore-operations",
    "schedule",
    "server-status-request",
    "restore-finalizer",
    "backup-storage-location",
];

/// The controllers that `--restore-only` disables. The queue stays enabled: it sets the condition of each waiting backup.
const OFF_WHEN_RESTORE_ONLY: [&str; 6] = [
    "backup",
    "backup-operations",
    "backup-deletion",
    "backup-finalizer",
    "gc",
    "schedule",
];

/// `velero server`.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// The level at which to log. Valid values are trace, debug, info, warning, error, fatal, panic
    #[arg(long, default_value = "info")]
    pub log_level: Level,
    /// The format for log output. Valid values are text, json
    #[arg(long, default_value = "text")]
    pub log_format: Format,
    /// The address to expose prometheus metrics, /healthz and /readyz
    #[arg(long, default_value = ":8085", value_parser = listen_address)]
    pub metrics_address: SocketAddr,
    /// The address to serve the files of backups and restores to clients
    #[arg(long, default_value = ":8443", value_parser = listen_address)]
    pub artifact_address: SocketAddr,
    /// Base of the download URLs for clients that do not use the API server's proxy, if the object store cannot sign URLs. The
    /// server's certificate is for this host. Defaults to the Service `velero` in the server's namespace
    #[arg(long, value_name = "https://HOST[:PORT]")]
    pub artifact_url: Option<BaseUrl>,
    /// How often to ensure all Velero backups in object storage exist as Backup API objects in the cluster. This is the default
    /// sync period if none is explicitly specified for a backup storage location
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub backup_sync_period: Duration,
    /// How long to wait by default before backups can be garbage collected
    #[arg(long, default_value = "720h", value_parser = ttl)]
    pub default_backup_ttl: Duration,
    /// How often to verify if the storage is valid. Set this to 0s to verify it only once
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub store_validation_frequency: Duration,
    /// Name of the default backup storage location
    #[arg(long, default_value = "default")]
    pub default_backup_storage_location: String,
    /// Desired order of resource restores, the priority list contains two parts which are split by "-" element. The resources
    /// before "-" element are restored first as high priorities, the resources after "-" element are restored last as low
    /// priorities, and any resource not in the list will be restored alphabetically between the high and low priorities
    #[arg(long, default_value = "")]
    pub restore_resource_priorities: Priorities,
    /// Objects whose managed fields are restored: those created by server-side apply (applied), or all objects (all), which
    /// doubles the number of writes
    #[arg(long, default_value = "applied")]
    pub restore_managed_fields: ManagedFields,
    /// Maximum bytes that a restore uses in the scratch directory. Defaults to four fifths of its free space
    #[arg(long)]
    pub restore_spool_limit: Option<u64>,
    /// List of controllers to disable on startup, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub disable_controllers: Vec<String>,
    /// Run in a mode where only restores are allowed; backups, schedules, and garbage-collection are all disabled
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub restore_only: bool,
    /// How long to wait on persistent volumes and namespaces to terminate during a restore before timing out
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub terminating_resource_timeout: Duration,
    /// How long to wait for resource processes which are not covered by other specific timeout parameters
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub resource_timeout: Duration,
    /// How long to wait on asynchronous BackupItemActions and RestoreItemActions to complete before timing out
    #[arg(long, default_value = "4h", value_parser = duration)]
    pub default_item_operation_timeout: Duration,
    /// How long to wait between checks on the progress of asynchronous operations of items. 0 is the default of 10s
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub item_operation_sync_frequency: Duration,
    /// How often garbage collection checks for expired backups, at the latest: each one is due at its expiration. 0 is the
    /// default of 60m
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub garbage_collection_frequency: Duration,
    /// Skip the first scheduled backup immediately upon schedule creation
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub schedule_skip_immediately: bool,
    /// Backup all volumes with pod volume file system backup by default
    #[arg(long, alias = "default-volumes-to-restic", num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub default_volumes_to_fs_backup: bool,
    /// Move data by default for all snapshots supporting data movement
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub default_snapshot_move_data: bool,
    /// Label key for grouping PVCs into VolumeGroupSnapshot
    #[arg(long, default_value = "velero.io/volume-group")]
    pub volume_group_snapshot_label_key: String,
    /// Number of backups to process concurrently
    #[arg(long, default_value = "1")]
    pub concurrent_backups: usize,
    /// Number of worker threads to process ItemBlocks
    #[arg(long, default_value = "1")]
    pub item_block_worker_count: usize,
    /// Maximum number of requests per second by the server to the Kubernetes API once the burst limit has been reached. Defaults
    /// to no limit
    #[arg(long)]
    pub client_qps: Option<f32>,
    /// Maximum number of requests by the server to the Kubernetes API in a short period of time, with --client-qps
    #[arg(long, default_value = "100")]
    pub client_burst: i64,
    /// Directory for the temporary files of backups and restores
    #[arg(long, env = "VELERO_SCRATCH_DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch_dir: PathBuf,
    /// Identity of this process in the leader election. Defaults to the UID of the pod and the name of the container
    #[arg(long, env = "VELERO_IDENTITY")]
    pub identity: Option<String>,

    /// Upstream's flags for features that this release does not have.
    #[command(flatten)]
    pub unused: Unused,
}

/// Accepted so that a Deployment for upstream's server starts. The log names those that are set.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Accepted without effect in this release")]
pub struct Unused {
    #[arg(long, hide = true)]
    plugin_dir: Option<String>,
    #[arg(long, hide = true, alias = "restic-timeout")]
    fs_backup_timeout: Option<String>,
    #[arg(long, hide = true)]
    default_volume_snapshot_locations: Option<String>,
    #[arg(long, hide = true)]
    client_page_size: Option<String>,
    #[arg(long, hide = true)]
    profiler_address: Option<String>,
    #[arg(long, hide = true, alias = "default-restic-prune-frequency")]
    default_repo_maintain_frequency: Option<String>,
    #[arg(long, hide = true)]
    uploader_type: Option<String>,
    #[arg(long, hide = true)]
    max_concurrent_k8s_connections: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    disable_informer_cache: Option<String>,
    #[arg(long, hide = true)]
    backup_repository_configmap: Option<String>,
    #[arg(long, hide = true)]
    repo_maintenance_job_configmap: Option<String>,
    #[arg(long, hide = true)]
    keep_latest_maintenance_jobs: Option<String>,
    #[arg(long, hide = true)]
    maintenance_job_cpu_request: Option<String>,
    #[arg(long, hide = true)]
    maintenance_job_mem_request: Option<String>,
    #[arg(long, hide = true)]
    maintenance_job_cpu_limit: Option<String>,
    #[arg(long, hide = true)]
    maintenance_job_mem_limit: Option<String>,
}

impl Unused {
    /// The flags that are set, with their values.
    pub fn given(&self) -> Vec<(&'static str, &str)> {
        [
            ("plugin-dir", &self.plugin_dir),
            ("fs-backup-timeout", &self.fs_backup_timeout),
            (
                "default-volume-snapshot-locations",
                &self.default_volume_snapshot_locations,
            ),
            ("client-page-size", &self.client_page_size),
            ("profiler-address", &self.profiler_address),
            ("default-repo-maintain-frequency", &self.default_repo_maintain_frequency),
            ("uploader-type", &self.uploader_type),
            ("max-concurrent-k8s-connections", &self.max_concurrent_k8s_connections),
            ("disable-informer-cache", &self.disable_informer_cache),
            ("backup-repository-configmap", &self.backup_repository_configmap),
            ("repo-maintenance-job-configmap", &self.repo_maintenance_job_configmap),
            ("keep-latest-maintenance-jobs", &self.keep_latest_maintenance_jobs),
            ("maintenance-job-cpu-request", &self.maintenance_job_cpu_request),
            ("maintenance-job-mem-request", &self.maintenance_job_mem_request),
            ("maintenance-job-cpu-limit", &self.maintenance_job_cpu_limit),
            ("maintenance-job-mem-limit", &self.maintenance_job_mem_limit),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
        // Every installation sets it, and it changes nothing (decision 26).
        .filter(|given| *given != ("uploader-type", "kopia"))
        .collect()
    }
}

impl ServerArgs {
    /// The rate limit of `--client-qps` and `--client-burst` (decision 9).
    ///
    /// # Errors
    /// One of them is invalid.
    pub fn limit(&self) -> anyhow::Result<Option<RateLimit>> {
        if self.client_qps.is_some_and(|qps| qps.is_nan() || qps < 0.0) {
            anyhow::bail!("client-qps must be positive");
        }
        if self.client_burst <= 0 {
            anyhow::bail!("client-burst must be positive");
        }
        let burst = u32::try_from(self.client_burst).unwrap_or(u32::MAX);
        Ok(self.client_qps.and_then(|qps| RateLimit::new(qps, burst)))
    }

    /// A function that returns whether a controller is enabled.
    ///
    /// # Errors
    /// `--disable-controllers` has an unknown name, a name twice, or the controller that cannot be disabled.
    pub fn enabled(&self) -> Result<impl Fn(&str) -> bool + use<>, String> {
        let mut off: Vec<String> = Vec::new();
        for name in self.disable_controllers.iter().filter(|n| !n.is_empty()) {
            // The name of 1.6.3.
            let name = if name == "restic-repo" { "backup-repo" } else { name };
            let known = CONTROLLERS.contains(&name) && name != "backup-storage-location";
            if !known || off.iter().any(|o| o == name) {
                let valid: Vec<_> = CONTROLLERS
                    .iter()
                    .filter(|c| **c != "backup-storage-location")
                    .copied()
                    .collect();
                return Err(format!(
                    "invalid value for --disable-controllers: \"{name}\"; valid values, each at most once: {}",
                    valid.join(", ")
                ));
            }
            off.push(name.to_owned());
        }
        if self.restore_only {
            off.extend(OFF_WHEN_RESTORE_ONLY.map(str::to_owned));
        }
        Ok(move |name: &str| !off.iter().any(|o| o == name))
    }
}

/// A listen address as in Go: `:8085` is every interface.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port
            .parse()
            .map_err(|_| format!("`{text}` is not an address: use host:port"))?;
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    text.replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| format!("`{text}` is not an address: use host:port"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let value = GoDuration::from_text(text).value().map_err(|e| e.to_string())?;
    // Upstream uses negative values for the default or for off; here that is zero.
    Ok(Duration::try_from(value).unwrap_or_default())
}

/// The default TTL. With zero or less, each backup would expire when it starts.
fn ttl(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("the TTL must be positive".to_owned()),
        ttl => Ok(ttl),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn parse(args: &[&str]) -> ServerArgs {
        Program::try_parse_from(std::iter::once(&"velero").chain(args)).map_or_else(|e| panic!("{e}"), |p| p.server)
    }

    #[test]
    fn the_number_of_workers_is_at_least_one() {
        for (flags, workers) in [
            (&[][..], 1),
            (&["--item-block-worker-count=7"], 7),
            (&["--item-block-worker-count=0"], 1),
        ] {
            let settings = crate::cli::server::settings::settings(&parse(flags), &<_>::default(), <_>::default(), true);
            assert_eq!(settings.item_block_workers, workers, "{flags:?}");
        }
    }

    #[test]
    fn flags_of_both_releases_are_accepted() {
        let args = parse(&[
            "--restic-timeout=1h",
            "--default-volumes-to-restic",
            "--uploader-type",
            "restic",
            "--client-qps=20",
            "--metrics-address=:9999",
            "--disable-informer-cache",
        ]);
        assert!(args.default_volumes_to_fs_backup);
        assert_eq!(args.metrics_address.port(), 9999);
        assert_eq!(
            args.unused.given(),
            [
                ("fs-backup-timeout", "1h"),
                ("uploader-type", "restic"),
                ("disable-informer-cache", "true")
            ]
        );
    }

    #[test]
    fn the_uploader_type_of_every_installation_is_no_warning() {
        assert_eq!(parse(&["--uploader-type=kopia"]).unused.given(), []);
    }

    #[test]
    fn the_rate_limit_is_optional_and_must_be_positive() {
        assert!(parse(&[]).limit().unwrap().is_none());
        assert!(parse(&["--client-qps=0"]).limit().unwrap().is_none());
        assert!(
            parse(&["--client-qps=50", "--client-burst=80"])
                .limit()
                .unwrap()
                .is_some()
        );
        for (args, flag) in [
            (["--client-qps=-1", "--client-burst=1"], "client-qps"),
            (["--client-qps=NaN", "--client-burst=1"], "client-qps"),
            (["--client-qps=5", "--client-burst=0"], "client-burst"),
            (["--client-qps=5", "--client-burst=-3"], "client-burst"),
        ] {
            let error = parse(&args).limit().unwrap_err().to_string();
            assert_eq!(error, format!("{flag} must be positive"));
        }
    }

    #[test]
    fn restore_only_disables_the_backup_controllers_but_not_the_queue() {
        let enabled = parse(&["--restore-only"]).enabled().unwrap();
        assert!(enabled("backup-queue") && !enabled("backup") && enabled("restore") && enabled("backup-sync"));
    }

    #[test]
    fn unknown_repeated_and_mandatory_controllers_are_refused() {
        for names in ["nothing", "gc,gc", "backup-storage-location"] {
            let error = parse(&["--disable-controllers", names]).enabled().err().unwrap();
            assert!(error.contains("--disable-controllers"), "{error}");
        }
        assert!(!parse(&["--disable-controllers=restic-repo"]).enabled().unwrap()(
            "backup-repo"
        ));
    }

    #[test]
    fn durations_are_parsed_as_in_go() {
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert!(duration("3 days").is_err());
        assert!(ttl("0s").is_err() && ttl("-1h").is_err());
    }
}
