//! A schedule.

use super::{Page, View, spec};
use crate::api::condition::{self, ConditionStatus};
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
    // What upstream has no line for.
    for (condition, title, shows) in [("Scheduled", "Postponed", "Postponed"), ("TicksMissed", "Missed", "")] {
        let found = condition::find(&status.conditions, condition);
        let found = found.filter(|found| found.status == ConditionStatus::True);
        if let Some(found) = found.filter(|found| shows.is_empty() || found.reason == shows) {
            page.line(format_args!("{title}:\t{}", found.message));
        }
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_postponed_and_what_was_missed_is_said() {
        let page = |conditions: serde_json::Value| {
            let mut schedule = Schedule::new("velero", "daily");
            schedule.status = serde_json::from_value(json!({ "conditions": conditions })).unwrap();
            text(&schedule, &crate::cli::output::describe::tests::view())
        };
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "text"});
        for (conditions, expected) in [
            (json!([condition("Scheduled", "True", "Waiting")]), ""),
            (
                json!([condition("Scheduled", "True", "Postponed")]),
                "Postponed:    text\n",
            ),
            (json!([condition("TicksMissed", "False", "NoneMissed")]), ""),
            (
                json!([condition("TicksMissed", "True", "ServerAway")]),
                "Missed:       text\n",
            ),
        ] {
            let shown = page(conditions);
            let (_, shown) = shown.split_once("Last Backup:  <never>\n").unwrap();
            assert_eq!(shown, expected);
        }
    }
}
