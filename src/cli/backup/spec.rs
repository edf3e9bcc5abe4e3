//! The flags of a backup's spec (spec server-cli 8.3).

use std::collections::BTreeMap;

use crate::api::v1::{BackupSpec, BackupStorageLocation, BackupUploaderConfig, VolumeSnapshotLocation};
use crate::api::{GoDuration, TypedLocalObjectReference};
use crate::cli::context::Context;
use crate::cli::flag::{OptionalBool, OrSelector, Selector, StringArray, collected};
use crate::cli::objects::Objects;
use crate::select::backup::TypeLists;
use crate::select::validation;

/// The flags of a backup's spec.
#[derive(Clone, Debug, clap::Args)]
pub struct SpecArgs {
    /// How long before the backup can be garbage collected; the server's default if 0.
    #[arg(long, default_value = "0s")]
    ttl: GoDuration,
    /// Namespaces to include in the backup (use '*' for all namespaces).
    #[arg(long, default_value = "*", action = clap::ArgAction::Append)]
    include_namespaces: Vec<StringArray>,
    /// Namespaces to exclude from the backup.
    #[arg(long, action = clap::ArgAction::Append)]
    exclude_namespaces: Vec<StringArray>,
    /// Resources to include in the backup, formatted as resource.group (use '*' for all resources).
    #[arg(long, action = clap::ArgAction::Append)]
    include_resources: Vec<StringArray>,
    /// Resources to exclude from the backup, formatted as resource.group.
    #[arg(long, action = clap::ArgAction::Append)]
    exclude_resources: Vec<StringArray>,
    /// Cluster-scoped resources to include in the backup, formatted as resource.group (use '*' for all resources).
    #[arg(long, action = clap::ArgAction::Append)]
    include_cluster_scoped_resources: Vec<StringArray>,
    /// Cluster-scoped resources to exclude from the backup, formatted as resource.group (use '*' for all resources).
    #[arg(long, action = clap::ArgAction::Append)]
    exclude_cluster_scoped_resources: Vec<StringArray>,
    /// Namespaced resources to include in the backup, formatted as resource.group (use '*' for all resources).
    #[arg(long, action = clap::ArgAction::Append)]
    include_namespace_scoped_resources: Vec<StringArray>,
    /// Namespaced resources to exclude from the backup, formatted as resource.group (use '*' for all resources).
    #[arg(long, action = clap::ArgAction::Append)]
    exclude_namespace_scoped_resources: Vec<StringArray>,
    /// Include cluster-scoped resources in the backup. Cannot work with the filters by scope.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    include_cluster_resources: Option<OptionalBool>,
    /// Location in which to store the backup.
    #[arg(long)]
    storage_location: Option<String>,
    /// List of locations (at most one per provider) where volume snapshots should be stored.
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    volume_snapshot_locations: Vec<String>,
    /// Only back up resources matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    /// Backup resources matching at least one of the label selector from the list. Label selectors should be separated by ' or '.
    #[arg(long, action = clap::ArgAction::Append)]
    or_selector: Vec<OrSelector>,
    /// Mapping Kinds to an ordered list of specific resources of that Kind. Example:
    /// 'pods=ns1/pod1,ns1/pod2;persistentvolumeclaims=ns1/pvc4,ns1/pvc8'.
    #[arg(long, action = clap::ArgAction::Append)]
    ordered_resources: Vec<String>,
    /// Take snapshots of PersistentVolumes as part of the backup. If unset, they are taken where that is possible.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    snapshot_volumes: Option<OptionalBool>,
    /// Specify whether snapshot data should be moved.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    snapshot_move_data: Option<OptionalBool>,
    /// Specify the data mover to be used by the backup. If unset or 'velero', the built-in data mover will be used.
    #[arg(long)]
    data_mover: Option<String>,
    /// Use pod volume file system backup by default for volumes.
    #[arg(long, alias = "default-volumes-to-restic", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL")]
    default_volumes_to_fs_backup: Option<OptionalBool>,
    /// How long to wait for CSI snapshot creation before timeout; the server's default if 0.
    #[arg(long, default_value = "0s")]
    csi_snapshot_timeout: GoDuration,
    /// How long to wait for async plugin operations before timeout; the server's default if 0.
    #[arg(long, default_value = "0s")]
    item_operation_timeout: GoDuration,
    /// Reference to the resource policies configmap that backup should use.
    #[arg(long)]
    resource_policies_configmap: Option<String>,
    /// Number of files uploads simultaneously when running a backup.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    parallel_files_upload: i64,
}

/// Flags that are invalid or contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Both kinds of selector.
    #[error("either a 'selector' or an 'or-selector' can be specified, but not both")]
    Selectors,
    /// Lists that contradict themselves or each other.
    #[error("{}", .0.join("; "))]
    Lists(Vec<String>),
    /// `--ordered-resources` is not a list of `kind=names`.
    #[error("invalid OrderedResources '{0}': expected kind=namespace/name,namespace/name;kind=…")]
    OrderedResources(String),
    /// `--ordered-resources` gives a kind two orders.
    #[error("invalid OrderedResources: {0}")]
    OrderedTwice(String),
    /// `--parallel-files-upload` is below zero.
    #[error("parallel-files-upload cannot be negative")]
    ParallelFiles,
}

impl SpecArgs {
    /// Refuses locations that do not exist. Checked last.
    pub async fn check_locations(&self, context: &Context) -> anyhow::Result<()> {
        let location = self.storage_location.as_deref().filter(|name| !name.is_empty());
        if location.is_none() && self.volume_snapshot_locations.is_empty() {
            return Ok(());
        }
        let client = context.client().await?;
        if let Some(name) = location {
            Objects::<BackupStorageLocation>::new(&client, &context.namespace)
                .get(name)
                .await?;
        }
        for name in &self.volume_snapshot_locations {
            Objects::<VolumeSnapshotLocation>::new(&client, &context.namespace)
                .get(name)
                .await?;
        }
        Ok(())
    }

    /// Refuses both kinds of selector together. Checked first.
    pub fn check_selectors(&self) -> Result<(), SpecError> {
        if !self.selector.is_empty() && !self.or_selector.is_empty() {
            Err(SpecError::Selectors)
        } else {
            Ok(())
        }
    }

    /// The spec, validated as far as possible without the server.
    pub fn spec(&self) -> Result<BackupSpec, SpecError> {
        if self.parallel_files_upload < 0 {
            return Err(SpecError::ParallelFiles);
        }
        let spec = BackupSpec {
            included_namespaces: StringArray::all(&self.include_namespaces),
            excluded_namespaces: StringArray::all(&self.exclude_namespaces),
            included_resources: StringArray::all(&self.include_resources),
            excluded_resources: StringArray::all(&self.exclude_resources),
            included_cluster_scoped_resources: StringArray::all(&self.include_cluster_scoped_resources),
            excluded_cluster_scoped_resources: StringArray::all(&self.exclude_cluster_scoped_resources),
            included_namespace_scoped_resources: StringArray::all(&self.include_namespace_scoped_resources),
            excluded_namespace_scoped_resources: StringArray::all(&self.exclude_namespace_scoped_resources),
            include_cluster_resources: OptionalBool::of(self.include_cluster_resources),
            label_selector: Selector::all(&self.selector).map(|Selector(selector)| selector),
            or_label_selectors: OrSelector::all(&self.or_selector),
            snapshot_volumes: OptionalBool::of(self.snapshot_volumes),
            snapshot_move_data: OptionalBool::of(self.snapshot_move_data),
            default_volumes_to_fs_backup: OptionalBool::of(self.default_volumes_to_fs_backup),
            ttl: self.ttl.clone(),
            csi_snapshot_timeout: self.csi_snapshot_timeout.clone(),
            item_operation_timeout: self.item_operation_timeout.clone(),
            storage_location: self.storage_location.clone().unwrap_or_default(),
            volume_snapshot_locations: self.volume_snapshot_locations.clone(),
            data_mover: self.data_mover.clone().unwrap_or_default(),
            ordered_resources: ordered_resources(&self.ordered_resources)?,
            resource_policy: self
                .resource_policies_configmap
                .as_ref()
                .filter(|name| !name.is_empty())
                .map(|name| TypedLocalObjectReference {
                    api_group: None,
                    kind: "configmap".to_owned(),
                    name: name.clone(),
                }),
            uploader_config: (self.parallel_files_upload > 0).then(|| BackupUploaderConfig {
                parallel_files_upload: self.parallel_files_upload,
                ..BackupUploaderConfig::default()
            }),
            ..BackupSpec::default()
        };
        check_lists(&spec)?;
        Ok(spec)
    }
}

fn check_lists(spec: &BackupSpec) -> Result<(), SpecError> {
    let mut errors = validation::backup_namespaces(&spec.included_namespaces, &spec.excluded_namespaces);
    if errors.is_empty() {
        let lists = TypeLists::from(spec);
        if lists.is_old_style() && lists.has_new_style() {
            errors = validation::backup_resources(lists);
            errors.truncate(1);
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SpecError::Lists(errors))
    }
}

/// `kind=names;kind=names`; blanks around both are ignored.
fn ordered_resources(given: &[String]) -> Result<BTreeMap<String, String>, SpecError> {
    let entries: Vec<(String, String)> = given
        .iter()
        .filter(|text| !text.is_empty())
        .flat_map(|text| text.split(';'))
        .map(|entry| match entry.split('=').collect::<Vec<_>>()[..] {
            [kind, names] => Ok((kind.trim().to_owned(), names.trim().to_owned())),
            _ => Err(SpecError::OrderedResources(entry.to_owned())),
        })
        .collect::<Result<_, _>>()?;
    collected(entries).map_err(SpecError::OrderedTwice)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        spec: SpecArgs,
    }

    fn spec(line: &str) -> Result<BackupSpec, SpecError> {
        let words = std::iter::once("backup").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().spec.spec()
    }

    #[test]
    fn without_flags_the_server_sets_the_defaults() {
        let want = BackupSpec {
            included_namespaces: vec!["*".into()],
            ..BackupSpec::default()
        };
        assert_eq!(spec("").unwrap(), want);
    }

    #[test]
    fn boolean_flags_without_a_value_are_true() {
        let spec = spec("--snapshot-volumes --snapshot-move-data=false --default-volumes-to-restic").unwrap();
        assert_eq!(spec.snapshot_volumes, Some(true));
        assert_eq!(spec.snapshot_move_data, Some(false));
        assert_eq!(spec.default_volumes_to_fs_backup, Some(true));
    }

    #[test]
    fn every_flag_sets_its_field() {
        use clap::CommandFactory;
        use serde_json::json;

        let hour = json!("1h0m0s");
        let rows = [
            ("ttl", "1h", "/ttl", hour.clone()),
            ("include-namespaces", "a,b", "/includedNamespaces", json!(["a", "b"])),
            ("exclude-namespaces", "a", "/excludedNamespaces", json!(["a"])),
            ("include-resources", "pods", "/includedResources", json!(["pods"])),
            ("exclude-resources", "pods", "/excludedResources", json!(["pods"])),
            (
                "include-cluster-scoped-resources",
                "nodes",
                "/includedClusterScopedResources",
                json!(["nodes"]),
            ),
            (
                "exclude-cluster-scoped-resources",
                "nodes",
                "/excludedClusterScopedResources",
                json!(["nodes"]),
            ),
            (
                "include-namespace-scoped-resources",
                "pods",
                "/includedNamespaceScopedResources",
                json!(["pods"]),
            ),
            (
                "exclude-namespace-scoped-resources",
                "pods",
                "/excludedNamespaceScopedResources",
                json!(["pods"]),
            ),
            (
                "include-cluster-resources",
                "false",
                "/includeClusterResources",
                json!(false),
            ),
            ("storage-location", "far", "/storageLocation", json!("far")),
            (
                "volume-snapshot-locations",
                "a",
                "/volumeSnapshotLocations",
                json!(["a"]),
            ),
            ("selector", "a=b", "/labelSelector/matchLabels", json!({"a": "b"})),
            (
                "or-selector",
                "a=b",
                "/orLabelSelectors/0/matchLabels",
                json!({"a": "b"}),
            ),
            (
                "ordered-resources",
                "pods=a/b",
                "/orderedResources",
                json!({"pods": "a/b"}),
            ),
            ("snapshot-volumes", "false", "/snapshotVolumes", json!(false)),
            ("snapshot-move-data", "false", "/snapshotMoveData", json!(false)),
            ("data-mover", "mine", "/datamover", json!("mine")),
            (
                "default-volumes-to-fs-backup",
                "false",
                "/defaultVolumesToFsBackup",
                json!(false),
            ),
            ("csi-snapshot-timeout", "1h", "/csiSnapshotTimeout", hour.clone()),
            ("item-operation-timeout", "1h", "/itemOperationTimeout", hour),
            (
                "resource-policies-configmap",
                "policies",
                "/resourcePolicy",
                json!({"apiGroup": null, "kind": "configmap", "name": "policies"}),
            ),
            (
                "parallel-files-upload",
                "3",
                "/uploaderConfig/parallelFilesUpload",
                json!(3),
            ),
        ];
        for (flag, value, field, expected) in &rows {
            let spec = serde_json::to_value(spec(&format!("--{flag}={value}")).unwrap()).unwrap();
            assert_eq!(spec.pointer(field), Some(expected), "--{flag}");
        }
        let command = Line::command();
        let flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        let covered: Vec<_> = rows.iter().map(|(flag, ..)| *flag).collect();
        assert_eq!(flags, covered, "a flag without a row");
    }

    #[test]
    fn locations_are_merged() {
        let spec = spec("--volume-snapshot-locations a,b --volume-snapshot-locations c").unwrap();
        assert_eq!(spec.volume_snapshot_locations, ["a", "b", "c"]);
    }

    #[test]
    fn old_and_new_filters_are_mutually_exclusive() {
        let error = spec("--include-resources pods --include-cluster-scoped-resources nodes")
            .unwrap_err()
            .to_string();
        assert!(error.contains("They cannot be used together"), "{error}");
    }

    #[test]
    fn contradicting_namespace_lists_are_refused() {
        assert!(spec("--include-namespaces a,* ").is_err());
        assert!(spec("--include-namespaces a,b* --exclude-namespaces c").is_ok());
    }

    #[test]
    fn a_negative_number_of_parallel_uploads_is_refused() {
        assert!(spec("--parallel-files-upload -1").is_err());
        assert!(spec("--parallel-files-upload 0").unwrap().uploader_config.is_none());
    }

    #[test]
    fn ordered_resources_are_parsed_by_kind() {
        let spec = spec("--ordered-resources pods=a/b,a/c;pvcs=d").unwrap();
        assert_eq!(spec.ordered_resources["pods"], "a/b,a/c");
        assert_eq!(spec.ordered_resources["pvcs"], "d");
        assert!(ordered_resources(&["pods".to_owned()]).is_err());
    }

    #[test]
    fn a_kind_with_two_orders_is_refused() {
        let spec = |line: &str| spec(line).map(|spec| spec.ordered_resources);
        assert!(spec("--ordered-resources pods=a/b;pods=a/c").is_err());
        assert!(spec("--ordered-resources pods=a/b --ordered-resources pods=a/c").is_err());
        let both = spec("--ordered-resources pods=a/b --ordered-resources pvcs=d;pods=a/b").unwrap();
        assert_eq!(both.into_keys().collect::<Vec<_>>(), ["pods", "pvcs"]);
    }

    #[test]
    fn lists_and_selectors_of_a_repeated_flag_are_all_kept() {
        let spec = spec("--include-namespaces a,b --include-namespaces c -l app=web -l app=nginx").unwrap();
        assert_eq!(spec.included_namespaces, ["a", "b", "c"]);
        let selector = spec.label_selector.unwrap();
        assert_eq!(selector.match_labels["app"], "web");
        assert_eq!(selector.match_expressions[0].values, ["nginx"]);
    }
}
