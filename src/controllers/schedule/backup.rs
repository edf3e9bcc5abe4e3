//! The Backup that a schedule makes, the same for a tick and for `velero backup create --from-schedule` (spec backup 18).

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::v1::{Backup, Schedule};
use crate::api::{OwnerReference, TypedLocalObjectReference, annotations, labels, names};

/// The uid of the Schedule that made a Backup: its label has only the name, which a later Schedule may have again.
pub const SCHEDULE_UID: &str = "velero.io/schedule-uid";

/// The due time that a Backup was made for.
pub const SCHEDULE_TICK: &str = "velero.io/schedule-tick";

/// The most that a Schedule's backups begin after their due time, a duration.
pub const SCHEDULE_JITTER: &str = "velero.io/schedule-jitter";

/// Whether an annotation of a Schedule speaks of the Schedule, or of one object of any kind: no Backup gets it.
fn is_not_copied(key: &str) -> bool {
    const CANCEL: &str = "velero.io/cancel";
    // Retention rules.
    key.starts_with("velero.io/keep-")
        || matches!(
            key,
            SCHEDULE_JITTER
                | SCHEDULE_UID
                | SCHEDULE_TICK
                | CANCEL
                | annotations::TRACEPARENT
                | annotations::LAST_APPLIED
        )
}

/// The Backup of this name that a schedule makes of its template.
pub fn from_template(schedule: &Schedule, namespace: &str, name: &str) -> Backup {
    let (meta, template) = (&schedule.metadata, &schedule.spec.template);
    let schedule_name = meta.name.clone().unwrap_or_default();
    let uid = meta.uid.clone().unwrap_or_default();
    let mut backup = Backup::new(namespace, name);
    backup.spec = template.clone();
    // Upstream rewrites whatever the template refers to.
    backup.spec.resource_policy = template
        .resource_policy
        .as_ref()
        .map(|policy| TypedLocalObjectReference {
            api_group: None,
            kind: "configmap".to_owned(),
            name: policy.name.clone(),
        });
    let mut all = if template.metadata.labels.is_empty() {
        meta.labels.clone().unwrap_or_default()
    } else {
        template.metadata.labels.clone()
    };
    all.insert(labels::SCHEDULE_NAME.to_owned(), names::label_value(&schedule_name));
    backup.metadata.labels = Some(all);
    let mut noted = template_annotations(schedule).unwrap_or_else(|| meta.annotations.clone().unwrap_or_default());
    noted.retain(|key, _| !is_not_copied(key));
    noted.insert(SCHEDULE_UID.to_owned(), uid.clone());
    backup.metadata.annotations = Some(noted);
    if schedule.spec.use_owner_references_in_backup == Some(true) {
        backup.metadata.owner_references = Some(vec![OwnerReference {
            api_version: "velero.io/v1".to_owned(),
            kind: "Schedule".to_owned(),
            name: schedule_name,
            uid,
            controller: Some(true),
            block_owner_deletion: None,
        }]);
    }
    backup
}

/// The Backup of a due time. `number`: which of the names that the due time may have, 0 unless another Backup has that.
pub(super) fn of_tick(schedule: &Schedule, namespace: &str, due: Timestamp, number: i64) -> Backup {
    let schedule_name = schedule.metadata.name.as_deref().unwrap_or_default();
    let named_after = Timestamp::from_second(due.as_second() + number).unwrap_or(due);
    let name = names::timestamped(schedule_name, TimeZone::UTC.to_datetime(named_after));
    let mut backup = from_template(schedule, namespace, &name);
    let noted = backup.metadata.annotations.get_or_insert_default();
    noted.insert(SCHEDULE_TICK.to_owned(), due.to_string());
    backup
}

/// Upstream's next release has `spec.template.metadata.annotations`; where the schema keeps that, it replaces the Schedule's own.
fn template_annotations(schedule: &Schedule) -> Option<BTreeMap<String, String>> {
    let given = schedule.spec.template.metadata.other.get("annotations")?;
    serde_json::from_value(given.clone()).ok()
}

/// What a Backup says of the schedule it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    /// The uid of the Schedule; upstream's Backups have none.
    pub(super) uid: Option<&'a str>,
    /// The due time it was made for.
    pub(super) tick: Option<Timestamp>,
}

impl<'a> Origin<'a> {
    pub(super) fn of(backup: &'a Backup) -> Self {
        let noted = |key: &str| backup.metadata.annotations.as_ref()?.get(key).map(String::as_str);
        Self {
            uid: noted(SCHEDULE_UID),
            tick: noted(SCHEDULE_TICK).and_then(|tick| tick.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schedule(extra: &serde_json::Value) -> Schedule {
        let mut object = json!({
            "apiVersion": "velero.io/v1", "kind": "Schedule",
            "metadata": {
                "name": "daily", "namespace": "velero", "uid": "u-1", "labels": {"team": "web"},
                "annotations": {
                    "note": "kept", "velero.io/schedule-jitter": "1h", "velero.io/keep-daily": "7", "velero.io/cancel": "true",
                    "velero.io/traceparent": "00-a", "kubectl.kubernetes.io/last-applied-configuration": "{}",
                    "velero.io/schedule-tick": "x", "velero.io/pod-volume-timeout": "2h",
                },
            },
            "spec": {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"], "ofTomorrow": {"a": 1}}},
        });
        json_patch::merge(&mut object, extra);
        serde_json::from_value(object).unwrap()
    }

    fn made(extra: &serde_json::Value) -> serde_json::Value {
        serde_json::to_value(from_template(&schedule(extra), "velero", "b")).unwrap()
    }

    #[test]
    fn a_backup_has_the_template_with_fields_of_newer_releases() {
        let backup = made(&json!({}));
        assert_eq!(backup["spec"]["includedNamespaces"], json!(["shop"]));
        assert_eq!(backup["spec"]["ofTomorrow"], json!({"a": 1}));
        let labels = json!({"team": "web", "velero.io/schedule-name": "daily"});
        assert_eq!(backup["metadata"]["labels"], labels);
        assert_eq!(backup["metadata"].get("ownerReferences"), None);
    }

    #[test]
    fn annotations_that_speak_of_the_schedule_are_not_copied() {
        let expected = json!({"note": "kept", "velero.io/pod-volume-timeout": "2h", "velero.io/schedule-uid": "u-1"});
        assert_eq!(made(&json!({}))["metadata"]["annotations"], expected);
    }

    #[test]
    fn metadata_of_the_template_replaces_that_of_the_schedule() {
        let metadata =
            json!({"labels": {"of": "template"}, "annotations": {"of": "template", "velero.io/cancel": "true"}});
        let backup = made(&json!({"spec": {"template": {"metadata": metadata}}}));
        let labels = json!({"of": "template", "velero.io/schedule-name": "daily"});
        assert_eq!(backup["metadata"]["labels"], labels);
        let annotations = json!({"of": "template", "velero.io/schedule-uid": "u-1"});
        assert_eq!(backup["metadata"]["annotations"], annotations);
        let nothing = made(&json!({"spec": {"template": {"metadata": {"annotations": {}}}}}));
        assert_eq!(
            nothing["metadata"]["annotations"],
            json!({"velero.io/schedule-uid": "u-1"})
        );
    }

    #[test]
    fn owner_references_and_the_resource_policy_are_as_upstream_writes_them() {
        let spec = json!({
            "useOwnerReferencesInBackup": true,
            "template": {"resourcePolicy": {"apiGroup": "x", "kind": "Anything", "name": "rules"}},
        });
        let backup = made(&json!({ "spec": spec }));
        let owner = json!([{"apiVersion": "velero.io/v1", "kind": "Schedule", "name": "daily", "uid": "u-1", "controller": true}]);
        assert_eq!(backup["metadata"]["ownerReferences"], owner);
        assert_eq!(backup["spec"]["resourcePolicy"]["kind"], "configmap");
        assert_eq!(backup["spec"]["resourcePolicy"]["name"], "rules");
        assert_eq!(backup["spec"]["resourcePolicy"]["apiGroup"], json!(null));
    }

    #[test]
    fn the_name_has_the_due_time_in_utc() {
        let due = "2026-10-25T00:30:00Z".parse().unwrap();
        let backup = of_tick(&schedule(&json!({})), "velero", due, 0);
        assert_eq!(backup.metadata.name.as_deref(), Some("daily-20261025003000"));
        let origin = Origin::of(&backup);
        assert_eq!(
            origin,
            Origin {
                uid: Some("u-1"),
                tick: Some(due)
            }
        );
        let other = of_tick(&schedule(&json!({})), "velero", due, 2);
        assert_eq!(other.metadata.name.as_deref(), Some("daily-20261025003002"));
    }

    #[test]
    fn a_long_name_is_shortened_in_the_label_only() {
        let name = "s".repeat(70);
        let backup = made(&json!({"metadata": {"name": name}}));
        assert_eq!(
            backup["metadata"]["labels"]["velero.io/schedule-name"],
            names::label_value(&name)
        );
    }
}
