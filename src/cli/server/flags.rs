//! The flags of `velero server` (spec server-cli 2.1): every one of upstream's, old names included, so that a Deployment
//! written for either release starts. A flag for a feature that is not there yet is accepted with a line in the log.

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

/// Controllers by name, in the order in which upstream lists them (spec server-cli 3.1).
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

/// What `--restore-only` turns off. The queue stays: it shows why each new backup waits.
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
    /// How much to log: trace, debug, info, warning, error, fatal or panic
    #[arg(long, default_value = "info")]
    pub log_level: Level,
    /// How to log: text or json
    #[arg(long, default_value = "text")]
    pub log_format: Format,
    /// Where to serve metrics, /healthz and /readyz
    #[arg(long, default_value = ":8085", value_parser = listen_address)]
    pub metrics_address: SocketAddr,
    /// Where to serve artifacts to clients behind the API server
    #[arg(long, default_value = ":8443", value_parser = listen_address)]
    pub artifact_address: SocketAddr,
    /// How clients reach that address without the API server: the base of the URLs that are given where the store cannot sign
    /// any. Its certificate is for this host. By default the Service `velero` in the server's namespace
    #[arg(long, value_name = "https://HOST[:PORT]")]
    pub artifact_url: Option<BaseUrl>,
    /// How often to look into the bucket for backups of other clusters
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub backup_sync_period: Duration,
    /// How long backups are kept that do not say
    #[arg(long, default_value = "720h", value_parser = lifetime)]
    pub default_backup_ttl: Duration,
    /// How often to validate storage locations; 0 validates once
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub store_validation_frequency: Duration,
    /// The location of backups that name none
    #[arg(long, default_value = "default")]
    pub default_backup_storage_location: String,
    /// The order of restores: types, then `-`, then types that come last
    #[arg(long, default_value = "")]
    pub restore_resource_priorities: Priorities,
    /// Restore managed fields of objects made by server-side apply (applied), or of all at twice the writes (all)
    #[arg(long, default_value = "applied")]
    pub restore_managed_fields: ManagedFields,
    /// Bytes a restore may take in the scratch directory; by default four fifths of what is free there
    #[arg(long)]
    pub restore_spool_limit: Option<u64>,
    /// Names of controllers not to run
    #[arg(long, value_delimiter = ',')]
    pub disable_controllers: Vec<String>,
    /// Carry out restores and no backups
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub restore_only: bool,
    /// How long to wait for the end of a namespace or volume that is being deleted
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub terminating_resource_timeout: Duration,
    /// How long to wait for what should be quick
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub resource_timeout: Duration,
    /// How long a plugin's operation may take
    #[arg(long, default_value = "4h", value_parser = duration)]
    pub default_item_operation_timeout: Duration,
    /// Back volumes up by file system unless their pod says otherwise
    #[arg(long, alias = "default-volumes-to-restic", num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub default_volumes_to_fs_backup: bool,
    /// Move snapshot data to the bucket unless the backup says otherwise
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub default_snapshot_move_data: bool,
    /// The label that groups volumes
    #[arg(long, default_value = "velero.io/volume-group")]
    pub volume_group_snapshot_label_key: String,
    /// How many backups run at a time
    #[arg(long, default_value = "1")]
    pub concurrent_backups: usize,
    /// How many item blocks of a backup are worked on at a time
    #[arg(long, default_value = "1")]
    pub item_block_worker_count: usize,
    /// Requests a second to the API server; unset means no limit of our own
    #[arg(long)]
    pub client_qps: Option<f32>,
    /// Requests at once above --client-qps
    #[arg(long, default_value = "100")]
    pub client_burst: i64,
    /// Where to spool while a backup or restore runs
    #[arg(long, env = "VELERO_SCRATCH_DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch_dir: PathBuf,
    /// Identity of this process in the leader election; by default the pod's uid and the container's name
    #[arg(long, env = "VELERO_IDENTITY")]
    pub identity: Option<String>,

    /// Upstream's flags for features that are not part of this release.
    #[command(flatten)]
    pub unused: Unused,
}

/// Accepted, so that a Deployment written for upstream's server starts; each that is set is named in the log.
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
    garbage_collection_frequency: Option<String>,
    #[arg(long, hide = true)]
    item_operation_sync_frequency: Option<String>,
    #[arg(long, hide = true)]
    uploader_type: Option<String>,
    #[arg(long, hide = true)]
    max_concurrent_k8s_connections: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    disable_informer_cache: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    schedule_skip_immediately: Option<String>,
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
    /// The flags among them that were given, with their values.
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
            ("garbage-collection-frequency", &self.garbage_collection_frequency),
            ("item-operation-sync-frequency", &self.item_operation_sync_frequency),
            ("uploader-type", &self.uploader_type),
            ("max-concurrent-k8s-connections", &self.max_concurrent_k8s_connections),
            ("disable-informer-cache", &self.disable_informer_cache),
            ("schedule-skip-immediately", &self.schedule_skip_immediately),
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
        // What every installation says, and what is meant anyway (decision 26).
        .filter(|given| *given != ("uploader-type", "kopia"))
        .collect()
    }
}

impl ServerArgs {
    /// The limit on requests that `--client-qps` and `--client-burst` ask for (decision 9).
    ///
    /// # Errors
    /// One of them makes no sense.
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

    /// Whether a controller is to run.
    ///
    /// # Errors
    /// `--disable-controllers` names what is none, one twice, or the one that must run.
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
                    "invalid value for --disable-controllers: \"{name}\"; name each at most once of: {}",
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

/// Go's listen addresses: `:8085` is every interface.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port
            .parse()
            .map_err(|_| format!("`{text}` is no address: use host:port"))?;
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    text.replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| format!("`{text}` is no address: use host:port"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let value = GoDuration::from_text(text).value().map_err(|e| e.to_string())?;
    // Negative means "the default" or "off" upstream, which zero is here.
    Ok(Duration::try_from(value).unwrap_or_default())
}

/// How long a backup is kept. None or less would have each expire as it begins.
fn lifetime(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a backup must be kept for longer than nothing".to_owned()),
        kept => Ok(kept),
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
    fn the_number_of_workers_reaches_the_controllers_and_is_at_least_one() {
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
    fn the_flags_of_both_releases_are_accepted_and_those_without_effect_are_named() {
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
    fn what_every_installation_says_is_no_warning() {
        assert_eq!(parse(&["--uploader-type=kopia"]).unused.given(), []);
    }

    #[test]
    fn a_limit_is_what_was_asked_for_and_nonsense_is_refused() {
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
    fn restore_only_turns_off_what_makes_backups_but_not_the_queue_that_tells_them() {
        let enabled = parse(&["--restore-only"]).enabled().unwrap();
        assert!(enabled("backup-queue") && !enabled("backup") && enabled("restore") && enabled("backup-sync"));
    }

    #[test]
    fn an_unknown_or_repeated_controller_and_the_mandatory_one_are_refused() {
        for names in ["nothing", "gc,gc", "backup-storage-location"] {
            let error = parse(&["--disable-controllers", names]).enabled().err().unwrap();
            assert!(error.contains("--disable-controllers"), "{error}");
        }
        assert!(!parse(&["--disable-controllers=restic-repo"]).enabled().unwrap()(
            "backup-repo"
        ));
    }

    #[test]
    fn durations_are_go_s() {
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert!(duration("3 days").is_err());
        assert!(lifetime("0s").is_err() && lifetime("-1h").is_err());
    }
}
