//! The input of a run.

use std::collections::BTreeMap;

use crate::api::v1::BackupSpec;
use crate::select::resource_policies::ResourcePolicies;

/// The backup to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// Namespace of the Backup object.
    pub namespace: String,
    /// Name of the Backup object.
    pub name: String,
    /// Uid of the Backup object.
    pub uid: String,
    /// Labels of the Backup object.
    pub labels: BTreeMap<String, String>,
    /// The spec as it was prepared: defaulted, validated, automatic excludes written into it (spec backup 4).
    pub spec: BackupSpec,
    /// The policies in the ConfigMap of `spec.resourcePolicy`; empty if the spec names none.
    pub policies: ResourcePolicies,
    /// Whether objects are saved in every version they are served in (feature `EnableAPIGroupVersions`), not only in the
    /// preferred one.
    pub every_version: bool,
    /// How many item blocks are saved at a time (`--item-block-worker-count`); at least one.
    pub workers: usize,
}

/// The features in a spec that this release does not support yet, each with its field (decision 22). For validation.
pub fn unsupported(spec: &BackupSpec) -> Vec<String> {
    let data = "the data of volumes is not backed up yet";
    let asked = [
        (
            spec.default_volumes_to_fs_backup == Some(true) || spec.default_volumes_to_restic == Some(true),
            format!("{data}: `spec.defaultVolumesToFsBackup` must not be true"),
        ),
        (
            spec.snapshot_move_data == Some(true),
            format!("{data}: `spec.snapshotMoveData` must not be true"),
        ),
    ];
    asked
        .into_iter()
        .filter_map(|(asked, message)| asked.then_some(message))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_features_are_named_by_their_field() {
        let spec = |text: &str| serde_json::from_str::<BackupSpec>(text).unwrap();
        let table = [
            (
                r#"{"hooks": {}, "snapshotMoveData": false, "defaultVolumesToFsBackup": false}"#,
                vec![],
            ),
            (r#"{"hooks": {"resources": [{"name": "h"}]}}"#, vec![]),
            (
                r#"{"resourcePolicy": {"kind": "ConfigMap", "name": "p"}, "snapshotMoveData": true}"#,
                vec!["spec.snapshotMoveData"],
            ),
            (
                r#"{"defaultVolumesToRestic": true}"#,
                vec!["spec.defaultVolumesToFsBackup"],
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
