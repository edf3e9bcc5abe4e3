//! `velero schedule create`.

use anyhow::bail;

use crate::api::v1::Schedule;
use crate::cli::backup::{SpecArgs, non_empty};
use crate::cli::context::Context;
use crate::cli::flag::{Map, OptionalBool, go_bool, merged};
use crate::cli::output::{self, OutputArgs};
use crate::cli::terminal;

/// Create a schedule
///
/// The --schedule flag is required, in cron notation, using UTC time:
///
/// | Character Position | Character Period | Acceptable Values |
/// | -------------------|:----------------:| -----------------:|
/// | 1                  | Minute           | 0-59,*            |
/// | 2                  | Hour             | 0-23,*            |
/// | 3                  | Day of Month     | 1-31,*            |
/// | 4                  | Month            | 1-12,*            |
/// | 5                  | Day of Week      | 0-6,*             |
///
/// The schedule can also be expressed using "@every <duration>" syntax. The duration can be specified using a combination of seconds (s),
/// minutes (m), and hours (h), for example: "@every 2h30m".
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXAMPLES)]
pub struct Create {
    /// The name of the schedule.
    name: String,
    /// A cron expression specifying a recurring schedule for this backup to run.
    #[arg(long, default_value = "", hide_default_value = true)]
    schedule: String,
    /// Specifies whether to use OwnerReferences on backups created by this Schedule. Notice: if set to true, when schedule is deleted,
    /// backups will be deleted too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    use_owner_references_in_backup: bool,
    /// Specifies whether the newly created schedule is paused or not.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    paused: bool,
    /// Skip the next scheduled backup immediately.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    skip_immediately: Option<OptionalBool>,
    /// Labels to apply to the schedule and its backups. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    labels: Vec<Map>,
    /// Annotations to apply to the schedule and its backups. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    annotations: Vec<Map>,
    #[command(flatten)]
    spec: SpecArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "Examples:
  # Create a backup every 6 hours.
  velero create schedule NAME --schedule=\"0 */6 * * *\"

  # Create a backup every 6 hours with the @every notation.
  velero create schedule NAME --schedule=\"@every 6h\"

  # Create a daily backup of the web namespace.
  velero create schedule NAME --schedule=\"@every 24h\" --include-namespaces web

  # Create a weekly backup, each living for 90 days (2160 hours).
  velero create schedule NAME --schedule=\"@every 168h\" --ttl 2160h0m0s";

impl Create {
    /// Creates the schedule, or with `-o` prints it.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.schedule.is_empty() {
            bail!("--schedule is required");
        }
        let format = self.output.format()?;
        self.spec.check_selectors()?;
        let schedule = self.object(&context.namespace)?;
        self.spec.check_locations(context).await?;
        if let Some(format) = format {
            return Ok(terminal::print(&output::object(
                &schedule,
                format,
                &self.output,
                &context.view(),
            )?)?);
        }
        let created = context.objects::<Schedule>().await?.create(&schedule).await?;
        let name = created.metadata.name.unwrap_or_default();
        Ok(terminal::println(&format!("Schedule {name:?} created successfully."))?)
    }

    fn object(&self, namespace: &str) -> anyhow::Result<Schedule> {
        let mut schedule = Schedule::new(namespace, self.name.clone());
        schedule.metadata.labels = non_empty(merged("--labels", &self.labels)?);
        schedule.metadata.annotations = non_empty(merged("--annotations", &self.annotations)?);
        let spec = &mut schedule.spec;
        spec.template = self.spec.spec()?;
        spec.schedule.clone_from(&self.schedule);
        spec.use_owner_references_in_backup = Some(self.use_owner_references_in_backup);
        spec.paused = self.paused;
        spec.skip_immediately = OptionalBool::of(self.skip_immediately);
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn object(words: &[&str]) -> serde_json::Value {
        let line = Line::try_parse_from(["create"].iter().chain(words)).unwrap();
        serde_json::to_value(line.create.object("velero").unwrap()).unwrap()
    }

    #[test]
    fn a_schedule_has_the_template_and_all_of_its_flags() {
        let schedule = object(&[
            "daily",
            "--schedule=0 1 * * *",
            "--annotations=note=x",
            "--labels=team=web",
            "--ordered-resources=pods=a/b",
            "--include-namespaces=shop",
            "--paused",
            "--skip-immediately=false",
            "--use-owner-references-in-backup",
        ]);
        let metadata =
            json!({"name": "daily", "namespace": "velero", "labels": {"team": "web"}, "annotations": {"note": "x"}});
        for (key, value) in metadata.as_object().unwrap() {
            assert_eq!(schedule["metadata"][key], *value);
        }
        let spec = &schedule["spec"];
        assert_eq!(spec["schedule"], "0 1 * * *");
        assert_eq!(spec["template"]["includedNamespaces"], json!(["shop"]));
        assert_eq!(spec["template"]["orderedResources"], json!({"pods": "a/b"}));
        let flags = ["paused", "skipImmediately", "useOwnerReferencesInBackup"].map(|key| spec[key].clone());
        assert_eq!(flags, [json!(true), json!(false), json!(true)]);
    }

    #[test]
    fn what_is_not_given_is_left_to_the_server() {
        let spec = &object(&["daily", "--schedule=@daily"])["spec"];
        assert_eq!(spec["useOwnerReferencesInBackup"], false);
        assert_eq!((spec.get("paused"), spec.get("skipImmediately")), (None, None));
    }
}
