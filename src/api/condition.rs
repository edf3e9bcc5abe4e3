//! Conditions: an addition of this server to upstream's statuses (decision 1).
//!
//! Nothing may depend on one: upstream's CRDs prune them. There is no `observedGeneration`: without a status subresource each
//! status write raises the generation, so it would never be current.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Time;
use super::text_enum::text_enum;
use super::wire::{Other, nil};

text_enum! {
    /// Whether a condition holds.
    #[derive(Default)]
    pub enum ConditionStatus {
        /// It holds.
        True = "True",
        /// It does not hold.
        False = "False",
        /// It is not known.
        #[default]
        Unknown = "Unknown",
    }
}

/// One aspect of an object's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["lastTransitionTime", "message", "reason", "status", "type"]))]
pub struct Condition {
    /// The aspect; one condition a type.
    #[serde(rename = "type", default, deserialize_with = "nil")]
    pub type_: String,
    /// Whether it holds.
    #[serde(default, deserialize_with = "nil")]
    pub status: ConditionStatus,
    /// When the status last changed.
    pub last_transition_time: Option<Time>,
    /// The reason, as one word for programs.
    #[serde(default, deserialize_with = "nil")]
    pub reason: String,
    /// The reason, for users.
    #[serde(default, deserialize_with = "nil")]
    pub message: String,
    /// Fields of other writers.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Other,
}

/// The schema of a list of conditions: a map by type, so that several writers can apply their own.
pub(crate) fn list(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Vec::<Condition>::json_schema(generator);
    schema.insert("x-kubernetes-list-type".to_owned(), "map".into());
    schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
    schema
}

/// The condition of this type, if there is one.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Sets a condition: the transition time changes only with the status. The order of the conditions stays.
/// True if anything changed.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: ConditionStatus,
    reason: &str,
    message: impl Into<String>,
    now: &Time,
) -> bool {
    let mut wanted = Condition {
        type_: type_.to_owned(),
        status,
        last_transition_time: Some(now.clone()),
        reason: reason.to_owned(),
        message: message.into(),
        other: Other::new(),
    };
    let Some(found) = conditions.iter_mut().find(|condition| condition.type_ == type_) else {
        conditions.push(wanted);
        return true;
    };
    if found.status == wanted.status && found.last_transition_time.is_some() {
        wanted.last_transition_time.clone_from(&found.last_transition_time);
    }
    wanted.other.clone_from(&found.other);
    if *found == wanted {
        return false;
    }
    *found = wanted;
    true
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        assert!(set(
            &mut conditions,
            "Validated",
            ConditionStatus::True,
            "Valid",
            "",
            &at(1)
        ));
        assert!(set(
            &mut conditions,
            "Queued",
            ConditionStatus::True,
            "Waiting",
            "for a",
            &at(2)
        ));
        assert!(set(
            &mut conditions,
            "Queued",
            ConditionStatus::True,
            "Waiting",
            "for b",
            &at(3)
        ));
        assert_eq!(find(&conditions, "Queued").unwrap().last_transition_time, Some(at(2)));
        assert!(!set(
            &mut conditions,
            "Queued",
            ConditionStatus::True,
            "Waiting",
            "for b",
            &at(4)
        ));
        assert!(set(
            &mut conditions,
            "Queued",
            ConditionStatus::False,
            "Released",
            "",
            &at(5)
        ));
        assert_eq!(find(&conditions, "Queued").unwrap().last_transition_time, Some(at(5)));
        assert_eq!(
            conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            ["Validated", "Queued"]
        );
    }

    #[test]
    fn a_condition_of_another_writer_is_kept_and_completed() {
        let mut conditions: Vec<Condition> =
            serde_json::from_value(json!([{"type": "Queued", "status": null, "observedGeneration": 3}])).unwrap();
        assert_eq!(conditions[0].status, ConditionStatus::Unknown);
        set(
            &mut conditions,
            "Queued",
            ConditionStatus::Unknown,
            "Waiting",
            "",
            &at(1),
        );
        assert_eq!(
            serde_json::to_value(&conditions).unwrap(),
            json!([{
                "type": "Queued",
                "status": "Unknown",
                "lastTransitionTime": "1970-01-01T00:00:01Z",
                "reason": "Waiting",
                "message": "",
                "observedGeneration": 3,
            }])
        );
    }
}
