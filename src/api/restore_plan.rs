//! The plan of a dry run (decisions 20 and 37): the output of `velero restore create --dry-run -o json`, and the lines in
//! which the server sends it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::v1::Restore;

/// What a restore would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePlan {
    /// The restore, with its spec as the server completes it.
    pub restore: Restore,
    /// Counts of the planned actions.
    pub summary: Summary,
    /// Why the restore would be refused; then nothing else is planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// Warnings about the restore as a whole.
    pub warnings: Vec<String>,
    /// Every object, wave by wave; objects of one wave are restored in parallel.
    pub items: Vec<PlannedItem>,
}

/// The plan of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedItem {
    /// Its API version in the backup.
    pub api_version: String,
    /// Its kind; the name of its type (`configmaps`) where the backup's object cannot be read.
    pub kind: String,
    /// The namespace it would be restored into; absent for cluster scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its namespace in the backup, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_namespace: Option<String>,
    /// The number of its wave, from 1. An object that another one needs has the wave of that one.
    pub wave: u64,
    /// The planned action.
    pub action: PlannedAction,
    /// The reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How the object in the cluster differs from the one that would be restored: what a patch changes, and what a skip leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Differences beyond those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_changes: u64,
    /// Warnings of the restore about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Errors of the restore about it, beside the reason of a denial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// The planned action for an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlannedAction {
    /// It would be created.
    #[default]
    Create,
    /// It exists and differs, and would be changed.
    Patch,
    /// It exists and is equal.
    Unchanged,
    /// It would not be restored, for the reason given.
    Skip,
    /// It would fail, for the reason given.
    Deny,
    /// It could not be restored now: the restore would wait for the condition in the reason, and fail after a time limit.
    Wait,
    /// Unknown without a write.
    Unknown,
}

impl fmt::Display for PlannedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Unchanged => "unchanged",
            Self::Skip => "skip",
            Self::Deny => "deny",
            Self::Wait => "wait",
            Self::Unknown => "unknown",
        })
    }
}

/// One field that differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Path of the field: `spec.template.spec.containers[0].image`.
    pub path: String,
    /// The value in the cluster; absent if there is none, or if it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value in the backup; absent if there is none, or if it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// The values are not shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "(none)".to_owned(), Value::to_string);
        if self.hidden {
            write!(f, "{}: (hidden)", self.path)
        } else {
            write!(f, "{}: {} -> {}", self.path, shown(&self.from), shown(&self.to))
        }
    }
}

/// Counts of the planned actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Created.
    pub create: u64,
    /// Changed.
    pub patch: u64,
    /// Unchanged.
    pub unchanged: u64,
    /// Not restored.
    pub skip: u64,
    /// Failed.
    pub deny: u64,
    /// Waiting.
    pub wait: u64,
    /// Unknown.
    pub unknown: u64,
    /// Warnings about objects and about the restore.
    pub warnings: u64,
    /// Errors beside the denials.
    pub errors: u64,
}

impl Summary {
    /// Counts an object.
    pub fn add(&mut self, item: &PlannedItem) {
        *match item.action {
            PlannedAction::Create => &mut self.create,
            PlannedAction::Patch => &mut self.patch,
            PlannedAction::Unchanged => &mut self.unchanged,
            PlannedAction::Skip => &mut self.skip,
            PlannedAction::Deny => &mut self.deny,
            PlannedAction::Wait => &mut self.wait,
            PlannedAction::Unknown => &mut self.unknown,
        } += 1;
        self.warnings += item.warnings.len() as u64;
        self.errors += item.errors.len() as u64;
    }
}

/// One line of the server's answer. One without [`PlanLine::End`] or [`PlanLine::Failed`] at its end was cut short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlanLine {
    /// The first line: the validated restore.
    Restore(Box<Restore>),
    /// Sent regularly while the plan is being made, so that no proxy closes the connection as idle.
    Alive {},
    /// The plan of one object.
    Item(Box<PlannedItem>),
    /// The last line: everything was planned.
    End {
        /// The count.
        summary: Summary,
        /// Warnings about the restore as a whole.
        warnings: Vec<String>,
    },
    /// The last line: the plan is incomplete.
    Failed {
        /// The reason.
        reason: String,
    },
}

/// The server's answer for a restore that fails validation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invalid {
    /// As in `status.validationErrors`.
    pub validation_errors: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_it_is() {
        let item = PlannedItem {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "a".to_owned(),
            wave: 3,
            action: PlannedAction::Unchanged,
            ..PlannedItem::default()
        };
        let table = [
            (PlanLine::Alive {}, json!({"alive": {}})),
            (
                PlanLine::Item(Box::new(item)),
                json!({"item": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "a", "wave": 3, "action": "unchanged"}}),
            ),
            (
                PlanLine::Failed { reason: "x".to_owned() },
                json!({"failed": {"reason": "x"}}),
            ),
        ];
        for (line, text) in table {
            assert_eq!(serde_json::to_value(&line).unwrap(), text);
            assert_eq!(serde_json::from_value::<PlanLine>(text).unwrap(), line);
        }
    }

    #[test]
    fn a_change_reads_as_from_and_to() {
        let change = |from: Value, to: Value| Change {
            path: "spec.x".to_owned(),
            from: (!from.is_null()).then_some(from),
            to: (!to.is_null()).then_some(to),
            hidden: false,
        };
        assert_eq!(change(json!(3), json!(2)).to_string(), "spec.x: 3 -> 2");
        assert_eq!(change(Value::Null, json!("a")).to_string(), "spec.x: (none) -> \"a\"");
        let hidden = Change {
            hidden: true,
            ..change(Value::Null, Value::Null)
        };
        assert_eq!(hidden.to_string(), "spec.x: (hidden)");
    }
}
