//! `velero backup create`.

use std::collections::BTreeMap;

use anyhow::bail;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::spec::SpecArgs;
use crate::api::v1::{Backup, Schedule};
use crate::cli::context::Context;
use crate::cli::flag::{Map, RepeatedKey, go_bool, merged};
use crate::cli::objects::Objects;
use crate::cli::output::{self, OutputArgs};
use crate::cli::{terminal, wait};
use crate::controllers::schedule::backup::from_template;
use crate::runtime::clock::{Clock, System};

/// Create a backup
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Create {
    /// The name of the backup; optional with --from-schedule.
    name: Option<String>,
    /// Create a backup from the template of an existing schedule. Cannot be used with any other filters.
    #[arg(long)]
    from_schedule: Option<String>,
    /// Wait for the operation to complete.
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    wait: bool,
    /// With --wait: exit with 1 unless the backup has the phase Completed.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    fail_on_error: bool,
    /// Labels to apply to the backup. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    labels: Vec<Map>,
    /// Annotations to apply to the backup. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    annotations: Vec<Map>,
    #[command(flatten)]
    spec: SpecArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "Examples:
  # Create a backup containing all resources.
  velero backup create backup1

  # Create a backup including only the nginx namespace.
  velero backup create nginx-backup --include-namespaces nginx

  # Create a backup excluding the velero and default namespaces.
  velero backup create backup2 --exclude-namespaces velero,default

  # Create a backup based on a schedule named daily-backup.
  velero backup create --from-schedule daily-backup

  # View the YAML for a backup that doesn't snapshot volumes, without sending it to the server.
  velero backup create backup3 --snapshot-volumes=false -o yaml

  # Wait for a backup to complete before returning from the command.
  velero backup create backup4 --wait";

impl Create {
    /// Creates the backup, or with `-o` prints it.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?;
        self.spec.check_selectors()?;
        let mut backup = match self.schedule_name()? {
            Some(schedule) => {
                let schedule = context.objects::<Schedule>().await?.get(schedule).await?;
                self.as_scheduled(&schedule, &context.namespace, System.now())?
            }
            None => self.as_flagged(context).await?,
        };
        if let Some(format) = format {
            return Ok(terminal::print(&output::object(
                &backup,
                format,
                &self.output,
                &context.view(),
            )?)?);
        }
        if self.from_schedule.is_some() {
            terminal::println("Creating backup from schedule, all other filters are ignored.")?;
        }
        let client = context.client().await?;
        let backups = Objects::<Backup>::new(&client, &context.namespace);
        let created = match self.name {
            Some(_) => backups.begin(&backup).await?,
            None => backups.begin_named_by_time(&mut backup).await?,
        };
        let name = created.metadata.name.unwrap_or_default();
        terminal::println(&format!("Backup request {name:?} submitted successfully."))?;
        if self.wait {
            let artifacts = wait::artifacts(&client, context);
            return wait::wait(&backups, &artifacts, &name, self.fail_on_error).await;
        }
        Ok(terminal::println(&format!(
            "Run `velero backup describe {name}` or `velero backup logs {name}` for more details."
        ))?)
    }

    fn schedule_name(&self) -> anyhow::Result<Option<&str>> {
        match self.from_schedule.as_deref().map(str::trim) {
            Some("") => bail!("flag must have a non-empty value: --from-schedule"),
            None if self.name.is_none() => {
                bail!("a backup name is required, unless you are creating based on a schedule")
            }
            name => Ok(name),
        }
    }

    async fn as_flagged(&self, context: &Context) -> anyhow::Result<Backup> {
        let mut backup = Backup::new(&context.namespace, self.name.clone().unwrap_or_default());
        backup.spec = self.spec.spec()?;
        backup.metadata.labels = non_empty(merged("--labels", &self.labels)?);
        backup.metadata.annotations = non_empty(merged("--annotations", &self.annotations)?);
        self.spec.check_locations(context).await?;
        Ok(backup)
    }

    /// The backup that the schedule would create, with the labels and annotations of the flags.
    fn as_scheduled(&self, schedule: &Schedule, namespace: &str, now: Timestamp) -> Result<Backup, RepeatedKey> {
        let schedule_name = schedule.metadata.name.clone().unwrap_or_default();
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| format!("{schedule_name}-{}", name_timestamp(now, TimeZone::UTC)));
        let mut backup = from_template(schedule, namespace, &name);
        let all_labels = backup.metadata.labels.get_or_insert_default();
        all_labels.extend(merged("--labels", &self.labels)?);
        let annotations = backup.metadata.annotations.get_or_insert_default();
        annotations.extend(merged("--annotations", &self.annotations)?);
        Ok(backup)
    }
}

/// A time as in names: `20061102150405`.
pub(crate) fn name_timestamp(moment: Timestamp, zone: TimeZone) -> String {
    moment.to_zoned(zone).strftime("%Y%m%d%H%M%S").to_string()
}

/// The map, or `None` if it is empty.
pub(crate) fn non_empty(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    Some(map).filter(|map| !map.is_empty())
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

    fn schedule() -> Schedule {
        let mut schedule = Schedule::new("velero", "daily");
        schedule.metadata.uid = Some("u".into());
        schedule.metadata.labels = Some([("from".into(), "schedule".into())].into());
        schedule.metadata.annotations = Some([("note".into(), "kept".into())].into());
        schedule.spec.template.included_namespaces = vec!["shop".into()];
        schedule
    }

    #[test]
    fn a_backup_of_a_schedule_has_its_template_name_and_labels() {
        let now = "2026-11-23T19:22:17Z".parse().unwrap();
        let backup = create("--from-schedule daily --labels extra=1 --ttl 1h")
            .as_scheduled(&schedule(), "velero", now)
            .unwrap();
        assert_eq!(backup.metadata.name.as_deref(), Some("daily-20261123192217"));
        assert_eq!(backup.spec, schedule().spec.template);
        let labels = backup.metadata.labels.unwrap();
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(labels, ["extra=1", "from=schedule", "velero.io/schedule-name=daily"]);
        assert_eq!(backup.metadata.annotations.unwrap()["note"], "kept");
        assert_eq!(backup.metadata.owner_references, None);
    }

    #[test]
    fn labels_of_the_template_replace_those_of_the_schedule() {
        let mut schedule = schedule();
        schedule.spec.template.metadata.labels = [("from".into(), "template".into())].into();
        schedule.spec.use_owner_references_in_backup = Some(true);
        let backup = create("named --from-schedule daily")
            .as_scheduled(&schedule, "velero", Timestamp::UNIX_EPOCH)
            .unwrap();
        assert_eq!(backup.metadata.name.as_deref(), Some("named"));
        assert_eq!(backup.metadata.labels.unwrap()["from"], "template");
        let owner = &backup.metadata.owner_references.unwrap()[0];
        assert_eq!(
            (owner.name.as_str(), owner.uid.as_str(), owner.controller),
            ("daily", "u", Some(true))
        );
    }

    #[test]
    fn a_name_is_required_without_a_schedule() {
        assert!(create("").schedule_name().is_err());
        assert!(create("x --from-schedule=").schedule_name().is_err());
        assert_eq!(create("x").schedule_name().unwrap(), None);
        assert_eq!(create("--from-schedule daily").schedule_name().unwrap(), Some("daily"));
    }
}
