//! From the spec a user wrote to the spec a backup runs by: defaults filled in, everything checked, all of it written back
//! (spec backup 4, spec api 7.1). Pure.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::v1::{Backup, BackupPhase, BackupSpec, BackupStorageLocation};
use crate::api::{GoDuration, annotations, labels, names, time};
use crate::backup::unsupported;
use crate::hook;
use crate::runtime::clock::later;
use crate::select::backup::{
    AUTOMATIC_CLUSTER_SCOPED_EXCLUDES, AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES, TypeLists, with_automatic_excludes,
};
use crate::select::labels::is_label_value;
use crate::select::resource_policies::ResourcePolicies;
use crate::select::validation;
use crate::store::layout;

use super::policies::PoliciesError;
use crate::controllers::context::Settings;

/// The archive's format and its old number.
pub const FORMAT_VERSION: &str = "1.1.0";

/// The default of `spec.csiSnapshotTimeout`; no flag changes it.
const CSI_SNAPSHOT_TIMEOUT_SECS: i64 = 600;

/// What a preparation looks at besides the backup.
pub struct Facts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The flags.
    pub settings: &'a Settings,
    /// Every location of the namespace.
    pub locations: &'a [Arc<BackupStorageLocation>],
    /// Names of the namespaces labelled `velero.io/exclude-from-backup=true`, or why they cannot be read.
    pub excluded_by_label: Result<&'a [String], &'a str>,
    /// The resource policies that the spec names, or why they cannot be used.
    pub policies: Result<&'a ResourcePolicies, &'a PoliciesError>,
}

pub(super) fn default_location(settings: &Settings, locations: &[Arc<BackupStorageLocation>]) -> String {
    locations
        .iter()
        .find(|l| l.spec.default)
        .and_then(|l| l.metadata.name.clone())
        .unwrap_or_else(|| settings.default_location.clone())
}

/// The backup with its spec completed and its phase set: InProgress, or FailedValidation with every reason in
/// `status.validationErrors`. To be asked once a backup, when it leaves the queue: what is prepared is never prepared again.
pub fn prepare(seen: &Backup, facts: &Facts<'_>) -> Backup {
    let mut backup = seen.clone();
    let settings = facts.settings;
    let spec = &mut backup.spec;
    let status = &mut backup.status;
    let mut errors = Vec::from_iter(name_error(seen));
    errors.extend(durations(seen));

    status.version = 1;
    FORMAT_VERSION.clone_into(&mut status.format_version);
    default_duration(&mut spec.ttl, settings.default_ttl);
    if spec.volume_group_snapshot_label_key.is_empty() {
        spec.volume_group_snapshot_label_key
            .clone_from(&settings.volume_group_label);
    }
    if spec.csi_snapshot_timeout.is_zero() {
        spec.csi_snapshot_timeout = GoDuration::from_secs(CSI_SNAPSHOT_TIMEOUT_SECS);
    }
    default_duration(&mut spec.item_operation_timeout, settings.item_operation_timeout);
    let ttl = spec.ttl.positive().unwrap_or(settings.default_ttl);
    status.expiration = Some(time(later(facts.now, ttl)));

    if spec.default_volumes_to_restic == Some(true) {
        spec.default_volumes_to_fs_backup = Some(true);
    }
    spec.default_volumes_to_fs_backup
        .get_or_insert(settings.default_volumes_to_fs_backup);
    spec.snapshot_move_data
        .get_or_insert(settings.default_snapshot_move_data);

    let named = !spec.storage_location.is_empty();
    if !named {
        spec.storage_location = default_location(settings, facts.locations);
    }
    let label = names::label_value(&spec.storage_location);
    // A location of another name cannot be there. The API server would refuse the label, and with it the refusal.
    if is_label_value(&label) {
        let labels = backup.metadata.labels.get_or_insert_default();
        labels.insert(labels::STORAGE_LOCATION.to_owned(), label);
    }
    errors.extend(location_errors(&spec.storage_location, named, facts.locations));

    let noted = backup.metadata.annotations.get_or_insert_default();
    let (version, major, minor) = &settings.kubernetes;
    for (key, value) in [
        (annotations::SOURCE_CLUSTER_K8S_GIT_VERSION, version),
        (annotations::SOURCE_CLUSTER_K8S_MAJOR_VERSION, major),
        (annotations::SOURCE_CLUSTER_K8S_MINOR_VERSION, minor),
    ] {
        noted.insert(key.to_owned(), value.clone());
    }
    let resource_timeout = i64::try_from(settings.resource_timeout.as_secs()).unwrap_or(i64::MAX);
    noted.insert(
        annotations::RESOURCE_TIMEOUT.to_owned(),
        GoDuration::from_secs(resource_timeout).text().into_owned(),
    );

    match facts.excluded_by_label {
        // The label wins over a name in the includes, which upstream refuses (spec backup 22 C5). The name stays there:
        // an emptied list would mean everything, and the log warns of it.
        Ok(excluded) => {
            for namespace in excluded {
                if !spec.excluded_namespaces.contains(namespace) {
                    spec.excluded_namespaces.push(namespace.clone());
                }
            }
        }
        Err(reason) => errors.push(format!("error getting namespace list: {reason}")),
    }

    let lists = TypeLists::from(&seen.spec);
    let list_errors = validation::backup_resources(lists);
    if list_errors.is_empty() {
        exclude_snapshots(spec, lists.is_old_style());
    }
    errors.extend(list_errors);
    errors.extend(validation::backup_namespaces(
        &seen.spec.included_namespaces,
        &seen.spec.excluded_namespaces,
    ));
    if spec.included_namespaces.is_empty() {
        spec.included_namespaces = vec!["*".to_owned()];
    }

    if spec.label_selector.is_some() && !spec.or_label_selectors.is_empty() {
        errors.push(
            "encountered labelSelector as well as orLabelSelectors in backup spec, only one can be specified"
                .to_owned(),
        );
    }
    errors.extend(validation::label_selectors(
        spec.label_selector.as_ref(),
        &spec.or_label_selectors,
    ));
    errors.extend(unsupported(&seen.spec));

    match facts.policies {
        Ok(policies) if policies.has_lists() => errors.extend(validation::policy_with_old_filters(lists)),
        Ok(_) => {}
        Err(error) => errors.push(error.to_string()),
    }
    errors.extend(hook::check(&seen.spec.hooks));

    if errors.is_empty() {
        status.phase = Some(BackupPhase::InProgress);
        status.start_timestamp = Some(time(facts.now));
        status.queue_position = 0;
    } else {
        status.phase = Some(BackupPhase::FailedValidation);
        status.validation_errors = errors;
        status.queue_position = 0;
    }
    backup
}

fn default_duration(field: &mut GoDuration, default: std::time::Duration) {
    if field.is_zero() {
        *field = GoDuration::from_secs(i64::try_from(default.as_secs()).unwrap_or(i64::MAX));
    }
}

/// A name that the files in object storage, which begin with it, cannot have.
fn name_error(backup: &Backup) -> Option<String> {
    let length = backup.metadata.name.as_deref().unwrap_or_default().len();
    (length > layout::LONGEST_NAME).then(|| {
        format!(
            "the backup's name has {length} characters, but its files in object storage can begin with {} at most; use a shorter name",
            layout::LONGEST_NAME
        )
    })
}

/// Durations that cannot be read (upstream cannot even decode such an object), and negative ones: with such a ttl a backup
/// would have expired before it was made.
fn durations(backup: &Backup) -> Vec<String> {
    [
        ("ttl", &backup.spec.ttl),
        ("csiSnapshotTimeout", &backup.spec.csi_snapshot_timeout),
        ("itemOperationTimeout", &backup.spec.item_operation_timeout),
    ]
    .into_iter()
    .filter_map(|(field, duration)| match duration.value() {
        Err(error) => Some(format!("invalid spec.{field}: {error}")),
        Ok(value) if value.is_negative() => Some(format!("invalid spec.{field}: {duration} is negative")),
        Ok(_) => None,
    })
    .collect()
}

fn location_errors(name: &str, named: bool, locations: &[Arc<BackupStorageLocation>]) -> Vec<String> {
    let Some(location) = locations.iter().find(|l| l.metadata.name.as_deref() == Some(name)) else {
        let what = if named {
            format!("the backup storage location '{name}' was not found")
        } else {
            format!(
                "an existing backup storage location was not specified at backup creation time and the server default '{name}' does not exist"
            )
        };
        return vec![format!(
            "{what}. Please address this issue (see `velero backup-location -h` for options) and create a new backup."
        )];
    };
    if location.is_read_only() {
        return vec![format!(
            "backup can't be created because backup storage location {name} is currently in read-only mode"
        )];
    }
    if !location.is_available() {
        let why = if location.status.message.is_empty() {
            "it has not been validated yet".to_owned()
        } else {
            location.status.message.clone()
        };
        return vec![format!(
            "backup can't be created because BackupStorageLocation {name} is in Unavailable status. ({why})"
        )];
    }
    Vec::new()
}

/// Appends the snapshot types to the excludes as upstream writes them (spec backup 4 row 16). They are not the user's
/// filters: `select::backup` knows that (decision 4).
fn exclude_snapshots(spec: &mut BackupSpec, old_style: bool) {
    let mut exclude = |namespaced: bool, automatic: &[&str]| {
        let (includes, excludes) = match (old_style, namespaced) {
            (true, _) => (&mut spec.included_resources, &mut spec.excluded_resources),
            (false, true) => (
                &mut spec.included_namespace_scoped_resources,
                &mut spec.excluded_namespace_scoped_resources,
            ),
            (false, false) => (
                &mut spec.included_cluster_scoped_resources,
                &mut spec.excluded_cluster_scoped_resources,
            ),
        };
        with_automatic_excludes(includes, excludes, automatic);
    };
    exclude(true, &AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES);
    exclude(false, &AUTOMATIC_CLUSTER_SCOPED_EXCLUDES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LabelSelector;
    use crate::controllers::testing::{available, settings};

    const SNAPSHOTS: &str = AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES[0];
    const SNAPSHOT_CONTENTS: &str = AUTOMATIC_CLUSTER_SCOPED_EXCLUDES[0];

    fn prepared(change: impl Fn(&mut Backup)) -> Backup {
        prepared_with(change, Ok(&[]))
    }

    fn prepared_with(change: impl Fn(&mut Backup), excluded_by_label: Result<&[String], &str>) -> Backup {
        let mut read_only = (*available("archive")).clone();
        read_only.spec.access_mode = Some(crate::api::v1::AccessMode::ReadOnly);
        let broken = BackupStorageLocation::new("velero", "broken");
        let locations = [available("default"), Arc::new(read_only), Arc::new(broken)];
        let settings = settings();
        let facts = Facts {
            now: Timestamp::UNIX_EPOCH,
            settings: &settings,
            locations: &locations,
            excluded_by_label,
            policies: Ok(&ResourcePolicies::default()),
        };
        let mut backup = Backup::new("velero", "b");
        change(&mut backup);
        prepare(&backup, &facts)
    }

    fn prepared_by(
        policies: Result<&ResourcePolicies, &PoliciesError>,
        change: impl Fn(&mut Backup),
    ) -> crate::api::v1::BackupStatus {
        let locations = [available("default")];
        let settings = settings();
        let facts = Facts {
            now: Timestamp::UNIX_EPOCH,
            settings: &settings,
            locations: &locations,
            excluded_by_label: Ok(&[]),
            policies,
        };
        let mut backup = Backup::new("velero", "b");
        change(&mut backup);
        prepare(&backup, &facts).status
    }

    #[test]
    fn policies_that_cannot_be_used_are_told_last() {
        let error = PoliciesError::Kind("Secret".to_owned());
        let status = prepared_by(Err(&error), |b| "nowhere".clone_into(&mut b.spec.storage_location));
        assert_eq!(status.validation_errors.len(), 2);
        assert_eq!(
            status.validation_errors[1],
            "invalid spec.resourcePolicy: policies are read from a ConfigMap (kind `configmap`), not from kind `Secret`"
        );
    }

    #[test]
    fn lists_of_policies_go_with_new_filters_only() {
        let lists = ResourcePolicies::parse("version: v1\nincludeExcludePolicy: {}").unwrap();
        let old = |b: &mut Backup| b.spec.included_resources = vec!["pods".to_owned()];
        let new = |b: &mut Backup| b.spec.included_namespace_scoped_resources = vec!["pods".to_owned()];
        let volumes = ResourcePolicies::parse("version: v1").unwrap();
        assert_eq!(*prepared_by(Ok(&lists), new).phase(), BackupPhase::InProgress);
        assert_eq!(*prepared_by(Ok(&volumes), old).phase(), BackupPhase::InProgress);
        let refused = prepared_by(Ok(&lists), old);
        assert_eq!(*refused.phase(), BackupPhase::FailedValidation);
        assert!(refused.validation_errors[0].ends_with("They cannot be used with include-exclude policies."));
    }

    #[test]
    fn an_empty_spec_is_completed_as_upstream_completes_it() {
        let backup = prepared(|_| ());
        assert_eq!(
            *backup.status.phase(),
            BackupPhase::InProgress,
            "{:?}",
            backup.status.validation_errors
        );
        let spec = &backup.spec;
        assert_eq!(spec.ttl.text(), "720h0m0s");
        assert_eq!(spec.csi_snapshot_timeout.text(), "10m0s");
        assert_eq!(spec.item_operation_timeout.text(), "4h0m0s");
        assert_eq!(spec.storage_location, "default");
        assert_eq!(spec.included_namespaces, ["*"]);
        assert_eq!(spec.excluded_namespace_scoped_resources, [SNAPSHOTS]);
        assert_eq!(spec.excluded_cluster_scoped_resources, [SNAPSHOT_CONTENTS]);
        assert_eq!(spec.default_volumes_to_fs_backup, Some(false));
        assert_eq!(backup.metadata.labels.unwrap()[labels::STORAGE_LOCATION], "default");
        let noted = backup.metadata.annotations.unwrap();
        assert_eq!(noted[annotations::SOURCE_CLUSTER_K8S_GIT_VERSION], "v1.35.4");
        assert_eq!(noted[annotations::RESOURCE_TIMEOUT], "10m0s");
        assert_eq!(backup.status.expiration.unwrap().0.as_second(), 720 * 3600);
        assert_eq!(backup.status.format_version, "1.1.0");
    }

    #[test]
    fn a_spec_that_breaks_every_rule_gets_every_message_in_order() {
        let backup = prepared_with(
            |b| {
                "nowhere".clone_into(&mut b.spec.storage_location);
                b.spec.ttl = GoDuration::from_text("soon");
                b.spec.included_resources = vec!["*".to_owned(), "pods".to_owned()];
                b.spec.included_namespaces = vec!["a".to_owned()];
                b.spec.excluded_namespaces = vec!["a".to_owned()];
                b.spec.label_selector = Some(LabelSelector::default());
                b.spec.or_label_selectors = vec![LabelSelector::default()];
                b.spec.hooks.resources = vec![crate::api::BackupResourceHooks {
                    pre: vec![crate::api::BackupHook::default()],
                    ..Default::default()
                }];
            },
            Err("refused"),
        );
        assert_eq!(*backup.status.phase(), BackupPhase::FailedValidation);
        assert!(backup.status.start_timestamp.is_none());
        let starts: Vec<_> = backup
            .status
            .validation_errors
            .iter()
            .map(|e| e.split(' ').take(3).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            starts,
            [
                "invalid spec.ttl: time:",
                "the backup storage",
                "error getting namespace",
                "Invalid included/excluded resource",
                "Invalid included/excluded namespace",
                "encountered labelSelector as",
                "invalid hook \"\",",
            ],
            "{:?}",
            backup.status.validation_errors
        );
    }

    #[test]
    fn what_could_only_fail_later_or_be_ignored_is_refused_at_once() {
        type Row = (&'static str, fn(&mut Backup), &'static str);
        let rows: [Row; 5] = [
            (
                "negative",
                |b| b.spec.ttl = GoDuration::from_secs(-3600),
                "invalid spec.ttl: -1h0m0s is negative",
            ),
            (
                "selector",
                |b| {
                    b.spec.or_label_selectors = vec![crate::api::LabelSelector {
                        match_labels: [("app".to_owned(), "not a value".to_owned())].into(),
                        ..Default::default()
                    }];
                },
                "invalid spec.orLabelSelectors[0]: label selector key \"app\": \"not a value\" is not a valid label value",
            ),
            (
                "pattern",
                |b| b.spec.excluded_resources = vec!["secr[ets".to_owned()],
                "`secr[ets` is not a valid pattern: a bracket is not closed",
            ),
            (
                "long name",
                |b| b.metadata.name = Some("b".repeat(253)),
                "has 253 characters, but its files in object storage can begin with 220 at most",
            ),
            (
                "not there yet",
                |b| b.spec.snapshot_move_data = Some(true),
                "`spec.snapshotMoveData` must not be true",
            ),
        ];
        for (case, change, text) in rows {
            let backup = prepared(change);
            assert_eq!(*backup.status.phase(), BackupPhase::FailedValidation, "{case}");
            let errors = &backup.status.validation_errors;
            assert!(errors.len() == 1 && errors[0].contains(text), "{case}: {errors:?}");
        }
    }

    #[test]
    fn a_location_that_cannot_be_written_says_why() {
        for (location, text) in [
            ("archive", "currently in read-only mode"),
            ("broken", "has not been validated yet"),
            ("nowhere", "'nowhere' was not found"),
        ] {
            let backup = prepared(|b| location.clone_into(&mut b.spec.storage_location));
            assert!(
                backup.status.validation_errors[0].contains(text),
                "{:?}",
                backup.status.validation_errors
            );
        }
    }

    #[test]
    fn a_location_that_no_label_can_name_is_refused_without_the_label() {
        for location in ["default?x", "a b", "-x", "default ", "\u{fc}"] {
            let backup = prepared(|b| location.clone_into(&mut b.spec.storage_location));
            assert_eq!(*backup.status.phase(), BackupPhase::FailedValidation, "{location}");
            assert!(backup.status.validation_errors[0].contains("was not found"));
            let labelled = backup.metadata.labels.unwrap_or_default();
            assert!(!labelled.contains_key(labels::STORAGE_LOCATION), "{location}");
        }
    }

    #[test]
    fn a_namespace_excluded_by_its_label_is_out_though_it_was_named() {
        let backup = prepared_with(
            |b| b.spec.included_namespaces = vec!["a".to_owned(), "b".to_owned()],
            Ok(&["b".to_owned()]),
        );
        assert_eq!(*backup.status.phase(), BackupPhase::InProgress);
        assert_eq!(backup.spec.excluded_namespaces, ["b"]);
        assert_eq!(
            backup.spec.included_namespaces,
            ["a", "b"],
            "a list must not become empty: that is everything"
        );
    }

    #[test]
    fn snapshot_types_go_to_the_excludes_of_the_style_that_was_used() {
        let old = prepared(|b| b.spec.included_resources = vec!["pods".to_owned(), SNAPSHOTS.to_owned()]);
        assert_eq!(old.spec.included_resources, ["pods"]);
        assert_eq!(old.spec.excluded_resources, [SNAPSHOTS, SNAPSHOT_CONTENTS]);
        let only = prepared(|b| b.spec.included_resources = vec![SNAPSHOTS.to_owned()]);
        assert_eq!(
            only.spec.included_resources,
            [SNAPSHOTS],
            "an emptied list would mean everything"
        );
        let all = prepared(|b| b.spec.excluded_cluster_scoped_resources = vec!["*".to_owned()]);
        assert_eq!(all.spec.excluded_cluster_scoped_resources, ["*"]);
    }
}
