//! A schedule.

use super::{Page, View, spec};
use crate::api::v1::{Schedule, SchedulePhase};

/// The page of a schedule.
pub fn text(schedule: &Schedule, view: &View) -> String {
    let (wanted, status) = (&schedule.spec, &schedule.status);
    let mut page = Page::new(view);
    page.metadata(&schedule.metadata);
    page.blank();
    let phase = match status.phase() {
        SchedulePhase::Enabled => view.green("Enabled"),
        SchedulePhase::FailedValidation => view.red("FailedValidation"),
        other => other.to_string(),
    };
    page.line(format_args!("Phase:\t{phase}"));
    spec::resource_policy(&mut page, wanted.template.resource_policy.as_ref());
    spec::uploader_config(&mut page, &wanted.template);
    page.validation_errors(&status.validation_errors);
    page.blank();
    page.line(format_args!("Paused:\t{}", wanted.paused));
    page.blank();
    page.line(format_args!("Schedule:\t{}", wanted.schedule));
    page.blank();
    page.line("Backup Template:");
    page.prefix = "\t";
    spec::backup_spec(&mut page, &wanted.template);
    page.prefix = "";
    page.blank();
    let last = status
        .last_backup
        .as_ref()
        .map_or_else(|| "<never>".to_owned(), |time| view.time(time));
    page.line(format_args!("Last Backup:\t{last}"));
    page.finish()
}
