//! The plan of a restore that is not carried out (decisions 20 and 37): what `velero restore create --dry-run -o json`
//! prints, and the lines in which the server sends it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::v1::Restore;

/// What a restore would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePlan {
    /// The restore, its spec as the server would complete it.
    pub restore: Restore,
    /// How many objects would come to what.
    pub summary: Summary,
    /// Why the restore would be refused as a whole; then nothing else is planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// What is to be said about the restore as a whole.
    pub warnings: Vec<String>,
    /// Every object, wave by wave; those of a wave go at once.
    pub items: Vec<PlannedItem>,
}

/// What would become of one object.
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
    /// Its namespace in the backup, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_namespace: Option<String>,
    /// In which step it would be restored, from 1. What another object needs goes with that one.
    pub wave: u64,
    /// What would become of it.
    pub action: PlannedAction,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How the object in the cluster differs from the one that would be restored: what a patch changes, and what a skip leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Differences beyond those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_changes: u64,
    /// What the restore would warn of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the restore would call an error beside the reason of a denial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// What would become of an object.
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
    /// It could not be restored now: the restore would wait for what the reason names, and fail if that does not come.
    Wait,
    /// Nobody can tell without writing.
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
    /// Where: `spec.template.spec.containers[0].image`.
    pub path: String,
    /// What the cluster has; absent if nothing, or if it is not to be shown (Secrets).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What the backup has; absent if nothing, or if it is not to be shown (Secrets).
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

/// How many objects would come to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Created.
    pub create: u64,
    /// Changed.
    pub patch: u64,
    /// There and equal.
    pub unchanged: u64,
    /// Not restored.
    pub skip: u64,
    /// Failed.
    pub deny: u64,
    /// Waited for.
    pub wait: u64,
    /// Not to be told.
    pub unknown: u64,
    /// Warnings, of objects and of the whole.
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
    /// The first: the restore as it was validated.
    Restore(Box<Restore>),
    /// Work goes on; sent now and then, so that nobody takes the connection for dead.
    Alive {},
    /// What would become of one object.
    Item(Box<PlannedItem>),
    /// The last: everything was planned.
    End {
        /// The count.
        summary: Summary,
        /// What is to be said about the whole.
        warnings: Vec<String>,
    },
    /// The last: the plan could not be made to the end.
    Failed {
        /// Why.
        reason: String,
    },
}

/// The server's refusal of a restore that its validation does not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invalid {
    /// As they would stand in `status.validationErrors`.
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
