//! Schedule (spec api 6.3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::root::custom_resource;
use crate::api::schema::Column;
use crate::api::text_enum::text_enum;
use crate::api::v1::BackupSpec;
use crate::api::wire::{Other, nil, unset};
use crate::api::{Condition, Time};

custom_resource! {
    /// Makes backups at scheduled times.
    Schedule {
        version: "v1",
        plural: "schedules",
        short_names: &[],
        columns: &[
            Column::string("Status", ".status.phase").described("Whether backups are made"),
            Column::string("Schedule", ".spec.schedule").described("When backups are made"),
            Column::date("LastBackup", ".status.lastBackup").described("When the last backup was made"),
            Column::AGE,
            Column::boolean("Paused", ".spec.paused"),
        ],
        spec: ScheduleSpec,
        status: ScheduleStatus,
    }
}

text_enum! {
    /// Whether a schedule works. Absent counts as New.
    pub enum SchedulePhase {
        /// Not seen yet.
        New = "New",
        /// Backups are made.
        Enabled = "Enabled",
        /// Refused; `validationErrors` has the reasons. Left when the spec is corrected.
        FailedValidation = "FailedValidation",
    }
}

/// What to back up, and when.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["schedule", "template"]))]
pub struct ScheduleSpec {
    /// The spec of each backup.
    pub template: BackupSpec,
    /// When: five fields of cron, @daily and the like, or @every with a duration.
    pub schedule: String,
    /// Whether deleting the schedule deletes the objects of its backups.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub use_owner_references_in_backup: Option<bool>,
    /// Whether no backups are made for the time being. Since 1.10.
    #[serde(skip_serializing_if = "unset")]
    pub paused: bool,
    /// Whether to wait for the next time instead of making up for one that has passed. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    pub skip_immediately: Option<bool>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The state of a schedule.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleStatus {
    /// Whether the schedule works.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<SchedulePhase>,
    /// When the last backup was made.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub last_backup: Option<Time>,
    /// When a backup was last skipped. Since 1.13.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub last_skipped: Option<Time>,
    /// Why the schedule was refused.
    #[serde(skip_serializing_if = "unset")]
    pub validation_errors: Vec<String>,
    /// Conditions of the object.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "crate::api::condition::list")]
    pub conditions: Vec<Condition>,
    /// Fields of newer releases.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

impl ScheduleStatus {
    /// The phase; an absent one is New.
    pub fn phase(&self) -> &SchedulePhase {
        self.phase.as_ref().unwrap_or(&SchedulePhase::New)
    }
}
