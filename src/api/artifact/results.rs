//! The warnings and errors of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::wire::{nil, unset};

/// The messages of a run, by severity.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// What failed.
    pub errors: MessageSet,
    /// What needs attention.
    pub warnings: MessageSet,
}

/// Messages by subject, in order of appearance.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageSet {
    /// About Velero itself.
    #[serde(skip_serializing_if = "unset")]
    pub velero: Vec<String>,
    /// About cluster-scoped items.
    #[serde(skip_serializing_if = "unset")]
    pub cluster: Vec<String>,
    /// About items of a namespace; of the target namespace in a restore.
    #[serde(skip_serializing_if = "unset")]
    pub namespaces: BTreeMap<String, Vec<String>>,
}

impl MessageSet {
    /// Files a message: under Velero itself without a namespace, under the cluster with an empty one, else under the
    /// namespace (spec backup 16.6).
    pub fn add(&mut self, namespace: Option<&str>, message: impl Into<String>) {
        let list = match namespace {
            None => &mut self.velero,
            Some("") => &mut self.cluster,
            Some(namespace) => self.namespaces.entry(namespace.to_owned()).or_default(),
        };
        list.push(message.into());
    }

    /// Appends the messages of another set.
    pub fn merge(&mut self, other: Self) {
        self.velero.extend(other.velero);
        self.cluster.extend(other.cluster);
        for (namespace, messages) in other.namespaces {
            self.namespaces.entry(namespace).or_default().extend(messages);
        }
    }

    /// Number of messages, as in the status.
    pub fn count(&self) -> usize {
        self.velero.len() + self.cluster.len() + self.namespaces.values().map(Vec::len).sum::<usize>()
    }

    /// True if there is no message.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_filed_by_namespace_and_counted() {
        let mut set = MessageSet::default();
        set.add(None, "a");
        set.add(Some(""), "b");
        set.add(Some("shop"), "c");
        let mut other = MessageSet::default();
        other.add(Some("shop"), "d");
        set.merge(other);
        assert_eq!(set.count(), 4);
        assert_eq!(
            serde_json::to_value(&set).unwrap(),
            json!({"velero": ["a"], "cluster": ["b"], "namespaces": {"shop": ["c", "d"]}})
        );
    }

    #[test]
    fn absent_parts_and_nulls_are_empty() {
        for text in [
            "{}",
            r#"{"errors":null}"#,
            r#"{"errors":{"velero":null},"warnings":{"namespaces":null}}"#,
        ] {
            assert_eq!(
                serde_json::from_str::<Results>(text).unwrap(),
                Results::default(),
                "{text}"
            );
        }
    }
}
