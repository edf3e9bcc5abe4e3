//! `velero restore create`.

use anyhow::bail;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::v1::{Backup, Restore, RestoreSpec, RestoreStatusSpec, RestoreUploaderConfig};
use crate::api::{GoDuration, TypedLocalObjectReference, labels, names};
use crate::cli::backup::{name_timestamp, non_empty};
use crate::cli::context::Context;
use crate::cli::flag::{ColonMap, Map, OptionalBool, OrSelector, RepeatedKey, Selector, StringArray, go_bool, merged};
use crate::cli::objects::Objects;
use crate::cli::output::{self, Format, OutputArgs};
use crate::cli::{terminal, wait};
use crate::runtime::clock::{Clock, System};

use super::dry_run;

/// Create a restore
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Create {
    /// The name of the restore; defaults to the name of the backup or schedule and the time.
    name: Option<String>,
    /// Backup to restore from.
    #[arg(long)]
    from_backup: Option<String>,
    /// Schedule to restore from, with its most recent completed backup.
    #[arg(long)]
    from_schedule: Option<String>,
    /// If using --from-schedule, whether to consider PartiallyFailed backups when looking for the most recent one.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    allow_partially_failed: Option<OptionalBool>,
    /// Namespaces to include in the restore (use '*' for all namespaces).
    #[arg(long, default_value = "*", action = clap::ArgAction::Append)]
    include_namespaces: Vec<StringArray>,
    /// Namespaces to exclude from the restore.
    #[arg(long, action = clap::ArgAction::Append)]
    exclude_namespaces: Vec<StringArray>,
    /// Resources to include in the restore, formatted as resource.group (use '*' for all resources).
    #[arg(long, action = clap::ArgAction::Append)]
    include_resources: Vec<StringArray>,
    /// Resources to exclude from the restore, formatted as resource.group.
    #[arg(long, action = clap::ArgAction::Append)]
    exclude_resources: Vec<StringArray>,
    /// Namespace mappings from name in the backup to desired restored name in the form src1:dst1,src2:dst2.
    #[arg(long, action = clap::ArgAction::Append)]
    namespace_mappings: Vec<ColonMap>,
    /// Labels to apply to the restore. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    labels: Vec<Map>,
    /// Annotations to apply to the restore. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    annotations: Vec<Map>,
    /// Only restore resources matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    /// Restore resources matching at least one of the label selector from the list. Label selectors should be separated by ' or '.
    #[arg(long, action = clap::ArgAction::Append)]
    or_selector: Vec<OrSelector>,
    /// Whether to restore volumes from snapshots.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    restore_volumes: Option<OptionalBool>,
    /// Whether to preserve nodeports of Services when restoring.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    preserve_nodeports: Option<OptionalBool>,
    /// Include cluster-scoped resources in the restore.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    include_cluster_resources: Option<OptionalBool>,
    /// Restore Policy to be used during the restore workflow, can be - none or update.
    #[arg(long)]
    existing_resource_policy: Option<String>,
    /// Resources to include in the restore status, formatted as resource.group.
    #[arg(long, action = clap::ArgAction::Append)]
    status_include_resources: Vec<StringArray>,
    /// Resources to exclude from the restore status, formatted as resource.group.
    #[arg(long, action = clap::ArgAction::Append)]
    status_exclude_resources: Vec<StringArray>,
    /// How long to wait for async plugin operations before timeout; the server's default if 0.
    #[arg(long, default_value = "0s")]
    item_operation_timeout: GoDuration,
    /// Reference to the resource modifier configmap that restore will use.
    #[arg(long)]
    resource_modifier_configmap: Option<String>,
    /// Whether to write sparse files during restoring volumes.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    write_sparse_files: Option<OptionalBool>,
    /// The number of restore operations to run in parallel. If 0, the number of CPUs of the node.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    parallel_files_download: i64,
    /// Wait for the operation to complete.
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    wait: bool,
    /// With --wait: exit with 1 unless the restore has the phase Completed.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    fail_on_error: bool,
    /// Print what the restore would do to each object and create nothing. The server plans the restore with dry runs of the API
    /// server. With -o json or yaml, print the whole plan. Exits with 1 if any object would be denied.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    dry_run: bool,
    /// With --dry-run: list every object, including created and unchanged ones.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    details: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "Examples:
  # Create a restore named \"restore-1\" from backup \"backup-1\".
  velero restore create restore-1 --from-backup backup-1

  # Create a restore with a default name (\"backup-1-<timestamp>\") from backup \"backup-1\".
  velero restore create --from-backup backup-1

  # Create a restore from the latest successful backup triggered by schedule \"schedule-1\".
  velero restore create --from-schedule schedule-1

  # Create a restore from the latest successful OR partially-failed backup triggered by schedule \"schedule-1\".
  velero restore create --from-schedule schedule-1 --allow-partially-failed

  # Create a restore into another namespace.
  velero restore create --from-backup backup-1 --namespace-mappings shop:shop-copy

  # Print what that restore would do, without doing it.
  velero restore create --from-backup backup-1 --namespace-mappings shop:shop-copy --dry-run";

/// The source of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source<'a> {
    Backup(&'a str),
    Schedule(&'a str),
}

impl Create {
    /// Creates the restore, or with `-o` or `--dry-run` prints it or its plan.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let source = self.source()?;
        let format = self.output.format()?;
        self.check()?;
        let client = context.client().await?;
        let backups = Objects::<Backup>::new(&client, &context.namespace);
        let latest = match source {
            Source::Backup(name) => {
                backups.get(name).await?;
                None
            }
            Source::Schedule(name) => {
                let candidates = backups
                    .labelled(labels::SCHEDULE_NAME, &names::label_value(name))
                    .await?;
                if candidates.is_empty() {
                    bail!("No backups found for the schedule {name}");
                }
                if OptionalBool::of(self.allow_partially_failed) == Some(true) {
                    most_recent(&candidates)
                } else {
                    None
                }
            }
        };
        let source = latest.as_deref().map_or(source, Source::Backup);
        let mut restore = self.restore(source, &context.namespace, System.now())?;
        if self.dry_run {
            let format = format.unwrap_or(Format::Table);
            let named_by_time = self.name.is_none();
            return dry_run::run(
                &client,
                &context.namespace,
                restore,
                named_by_time,
                format,
                self.details,
            )
            .await;
        }
        if let Some(format) = format {
            return Ok(terminal::print(&output::object(
                &restore,
                format,
                &self.output,
                &context.view(),
            )?)?);
        }
        let restores = Objects::<Restore>::new(&client, &context.namespace);
        let created = match self.name {
            Some(_) => restores.begin(&restore).await?,
            None => restores.begin_named_by_time(&mut restore).await?,
        };
        let name = created.metadata.name.unwrap_or_default();
        terminal::println(&format!("Restore request {name:?} submitted successfully."))?;
        if self.wait {
            let artifacts = wait::artifacts(&client, context);
            return wait::wait(&restores, &artifacts, &name, self.fail_on_error).await;
        }
        Ok(terminal::println(&format!(
            "Run `velero restore describe {name}` or `velero restore logs {name}` for more details."
        ))?)
    }

    fn source(&self) -> anyhow::Result<Source<'_>> {
        let given = |flag: &'_ Option<String>| flag.as_deref().as_ref().is_some_and(|name| !name.is_empty());
        match (given(&self.from_backup), given(&self.from_schedule)) {
            (true, false) => Ok(Source::Backup(self.from_backup.as_deref().unwrap_or_default())),
            (false, true) => Ok(Source::Schedule(self.from_schedule.as_deref().unwrap_or_default())),
            _ => bail!("either a backup or schedule must be specified, but not both"),
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        if !self.selector.is_empty() && !self.or_selector.is_empty() {
            bail!("either a 'selector' or an 'or-selector' can be specified, but not both");
        }
        if !matches!(
            self.existing_resource_policy.as_deref(),
            None | Some("" | "none" | "update")
        ) {
            bail!("existing-resource-policy has invalid value, it accepts only none, update as value");
        }
        if self.dry_run && self.wait {
            bail!("either --dry-run or --wait can be specified, but not both");
        }
        if self.details && !self.dry_run {
            bail!("--details can be specified with --dry-run only");
        }
        if self.parallel_files_download < 0 {
            bail!("parallel-files-download cannot be negative");
        }
        Ok(())
    }

    fn restore(&self, source: Source<'_>, namespace: &str, now: Timestamp) -> Result<Restore, RepeatedKey> {
        let (backup, schedule) = match source {
            Source::Backup(name) => (name, ""),
            Source::Schedule(name) => ("", name),
        };
        let named_after = match self.source() {
            Ok(Source::Backup(name) | Source::Schedule(name)) => name,
            Err(_) => backup,
        };
        let default_name = || format!("{named_after}-{}", name_timestamp(now, TimeZone::system()));
        let mut restore = Restore::new(namespace, self.name.clone().unwrap_or_else(default_name));
        restore.metadata.labels = non_empty(merged("--labels", &self.labels)?);
        restore.metadata.annotations = non_empty(merged("--annotations", &self.annotations)?);
        let status_resources = StringArray::all(&self.status_include_resources);
        restore.spec = RestoreSpec {
            backup_name: backup.to_owned(),
            schedule_name: schedule.to_owned(),
            included_namespaces: StringArray::all(&self.include_namespaces),
            excluded_namespaces: StringArray::all(&self.exclude_namespaces),
            included_resources: StringArray::all(&self.include_resources),
            excluded_resources: StringArray::all(&self.exclude_resources),
            namespace_mapping: merged("--namespace-mappings", &self.namespace_mappings)?,
            label_selector: Selector::all(&self.selector).map(|Selector(selector)| selector),
            or_label_selectors: OrSelector::all(&self.or_selector),
            restore_pvs: OptionalBool::of(self.restore_volumes),
            preserve_node_ports: OptionalBool::of(self.preserve_nodeports),
            include_cluster_resources: OptionalBool::of(self.include_cluster_resources),
            existing_resource_policy: self.existing_resource_policy.clone().unwrap_or_default(),
            item_operation_timeout: self.item_operation_timeout.clone(),
            restore_status: (!status_resources.is_empty()).then(|| RestoreStatusSpec {
                included_resources: status_resources,
                excluded_resources: StringArray::all(&self.status_exclude_resources),
                ..RestoreStatusSpec::default()
            }),
            resource_modifier: self
                .resource_modifier_configmap
                .as_ref()
                .filter(|name| !name.is_empty())
                .map(|name| {
                    // Upstream sets the core group here, but not in the resource policy of a backup.
                    TypedLocalObjectReference {
                        api_group: Some(String::new()),
                        kind: "configmap".to_owned(),
                        name: name.clone(),
                    }
                }),
            uploader_config: Some(RestoreUploaderConfig {
                write_sparse_files: OptionalBool::of(self.write_sparse_files),
                parallel_files_download: self.parallel_files_download,
                ..RestoreUploaderConfig::default()
            }),
            ..RestoreSpec::default()
        };
        Ok(restore)
    }
}

/// The most recently started backup that can be restored.
fn most_recent(backups: &[Backup]) -> Option<String> {
    let restorable = backups.iter().filter(|backup| backup.status.phase().is_restorable());
    let latest = restorable.max_by_key(|backup| backup.status.start_timestamp.as_ref().map(|time| time.0))?;
    latest.metadata.name.clone()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn create(line: &str) -> Create {
        Line::try_parse_from(std::iter::once("create").chain(line.split_whitespace()))
            .unwrap()
            .create
    }

    #[test]
    fn exactly_one_source_is_required() {
        assert_eq!(create("--from-backup b").source().unwrap(), Source::Backup("b"));
        assert_eq!(create("--from-schedule s").source().unwrap(), Source::Schedule("s"));
        for line in ["", "--from-backup=", "--from-backup b --from-schedule s"] {
            assert!(create(line).source().is_err(), "{line}");
        }
    }

    #[test]
    fn a_restore_is_named_after_the_source_of_the_flag() {
        let create = create("--from-schedule daily --allow-partially-failed");
        let restore = create
            .restore(Source::Backup("daily-20261123010000"), "velero", Timestamp::UNIX_EPOCH)
            .unwrap();
        assert!(restore.metadata.name.unwrap().starts_with("daily-19"));
        assert_eq!(restore.spec.backup_name, "daily-20261123010000");
        assert_eq!(restore.spec.schedule_name, "");
    }

    #[test]
    fn the_uploader_config_is_always_set_and_the_status_with_resources() {
        let restore = create("r --from-backup b --status-exclude-resources a")
            .restore(Source::Backup("b"), "v", Timestamp::UNIX_EPOCH)
            .unwrap();
        assert_eq!(restore.spec.uploader_config, Some(RestoreUploaderConfig::default()));
        assert_eq!(restore.spec.restore_status, None);
    }

    #[test]
    fn repeated_flags_are_merged() {
        let restore = |line: &str| {
            create(&format!("r --from-backup b {line}")).restore(Source::Backup("b"), "v", Timestamp::UNIX_EPOCH)
        };
        let spec = restore("--include-namespaces a --include-namespaces b -l app=web -l app=nginx --namespace-mappings a:x --namespace-mappings b:x")
            .unwrap()
            .spec;
        assert_eq!(spec.included_namespaces, ["a", "b"]);
        assert_eq!(spec.namespace_mapping.len(), 2);
        let selector = spec.label_selector.unwrap();
        assert_eq!((selector.match_labels.len(), selector.match_expressions.len()), (1, 1));
        for twice in [
            "--namespace-mappings a:x --namespace-mappings a:y",
            "--labels k=1 --labels k=2",
        ] {
            assert!(restore(twice).is_err(), "{twice}");
        }
    }

    #[test]
    fn only_known_policies_are_accepted() {
        for (value, is_valid) in [("none", true), ("update", true), ("", true), ("recreate", false)] {
            assert_eq!(
                create(&format!("--existing-resource-policy={value}")).check().is_ok(),
                is_valid,
                "{value}"
            );
        }
        assert!(create("--parallel-files-download=-1").check().is_err());
        assert!(create("--dry-run --details -o json").check().is_ok());
        assert!(create("--dry-run --wait").check().is_err());
        assert!(create("--details").check().is_err());
    }

    #[test]
    fn the_most_recent_restorable_backup_is_selected() {
        let backup = |name: &str, phase: &str, start: &str| {
            let mut backup = Backup::new("velero", name);
            backup.status.phase = Some(phase.into());
            backup.status.start_timestamp = Some(crate::api::time(start.parse().unwrap()));
            backup
        };
        let backups = [
            backup("old", "Completed", "2026-11-21T01:00:00Z"),
            backup("partial", "PartiallyFailed", "2026-11-22T01:00:00Z"),
            backup("failed", "Failed", "2026-11-23T01:00:00Z"),
        ];
        assert_eq!(most_recent(&backups).as_deref(), Some("partial"));
        assert_eq!(most_recent(&backups[2..]), None);
    }
}
