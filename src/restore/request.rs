//! The input of a restore.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::object::managed_fields::ManagedFields;
use super::object::volume::KeptVolumes;
use super::priorities::Priorities;
use crate::api::v1::RestoreSpec;
use crate::archive::spool::Spool;
use crate::select::labels::{Selector, SelectorError};

/// A validated restore.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the Restore.
    pub name: String,
    /// Its namespace: the server's.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its spec, completed by validation (`backupName` set, non-restorable types excluded).
    pub spec: RestoreSpec,
    /// When the Restore was created: an object with its label that is not older was made by this restore.
    pub started: Timestamp,
    /// The backup's archive.
    pub archive: Arc<Spool>,
    /// How the backup saved the data of volumes.
    pub kept_volumes: KeptVolumes,
    /// The server's settings.
    pub options: RestoreOptions,
}

/// The facts about a restore that its actions get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreContext {
    /// Name of the Restore.
    pub name: String,
    /// Its namespace: the server's.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Name of the backup it restores.
    pub backup: String,
    /// Source namespace to target namespace, where they differ.
    pub namespace_mapping: BTreeMap<String, String>,
    /// Whether services keep their node ports.
    pub preserve_node_ports: bool,
}

impl RestoreContext {
    /// Whether any namespace is restored into another one.
    pub fn maps(&self) -> bool {
        self.namespace_mapping.iter().any(|(source, target)| source != target)
    }

    /// The namespace that a namespace of the backup is restored into.
    pub fn target<'a>(&'a self, source: &'a str) -> &'a str {
        self.namespace_mapping.get(source).map_or(source, String::as_str)
    }
}

/// The server's settings for restores, from its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOptions {
    /// `--restore-resource-priorities`
    pub priorities: Priorities,
    /// `--resource-timeout`: how long after the last wave waiting items are retried.
    pub resource_timeout: Duration,
    /// `--terminating-resource-timeout`: the same for items that wait for a deletion.
    pub terminating_timeout: Duration,
    /// `--restore-managed-fields`
    pub managed_fields: ManagedFields,
    /// The most concurrent requests.
    pub max_requests: u32,
}

impl Default for RestoreOptions {
    /// The flags' defaults (spec restore 24).
    fn default() -> Self {
        Self {
            priorities: Priorities::default(),
            resource_timeout: Duration::from_mins(10),
            terminating_timeout: Duration::from_mins(10),
            managed_fields: ManagedFields::default(),
            max_requests: 64,
        }
    }
}

/// The features in a spec that this release does not support yet, each with its field (decision 22). For validation; a run is
/// refused as well.
pub fn unsupported(spec: &RestoreSpec) -> Vec<String> {
    let mut fields = Vec::new();
    if !spec.hooks.resources.is_empty() {
        fields.push("hooks in a restore (`spec.hooks.resources`) are not supported yet".to_owned());
    }
    if spec.resource_modifier.is_some() {
        fields.push("resource modifiers (`spec.resourceModifier`) are not supported yet".to_owned());
    }
    fields
}

impl Request {
    /// The facts for actions.
    pub fn context(&self) -> RestoreContext {
        RestoreContext {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            uid: self.uid.clone(),
            backup: self.spec.backup_name.clone(),
            namespace_mapping: self.spec.namespace_mapping.clone().into_iter().collect(),
            preserve_node_ports: self.spec.preserve_node_ports == Some(true),
        }
    }

    /// The selectors of the spec, of which one must match; empty = everything.
    pub(super) fn selectors(&self) -> Result<Vec<Selector>, SelectorError> {
        self.spec
            .label_selector
            .iter()
            .chain(&self.spec.or_label_selectors)
            .map(Selector::from_api)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_features_are_named_by_their_field() {
        let spec = |text: &str| serde_json::from_str::<RestoreSpec>(text).unwrap();
        let table = [
            (r#"{"backupName": "b", "hooks": {}, "uploaderConfig": {}}"#, vec![]),
            (
                r#"{"hooks": {"resources": [{"name": "h"}]}}"#,
                vec!["spec.hooks.resources"],
            ),
            (
                r#"{"resourceModifier": {"kind": "ConfigMap", "name": "m"}}"#,
                vec!["spec.resourceModifier"],
            ),
        ];
        for (text, fields) in table {
            let found = unsupported(&spec(text));
            assert_eq!(found.len(), fields.len(), "{found:?}");
            assert!(
                found.iter().zip(&fields).all(|(found, field)| found.contains(field)),
                "{found:?}"
            );
        }
    }
}
