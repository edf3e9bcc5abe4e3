//! A backup's spec, which is also a schedule's template.

use super::{Page, auto_included_excluded, auto_true_false, duration, list};
use crate::api::v1::BackupSpec;
use crate::api::{BackupHook, BackupResourceHooks, TypedLocalObjectReference};
use crate::cli::output::selector::{self, NONE};
use crate::select::backup::TypeLists;

pub(super) fn resource_policy(page: &mut Page<'_>, policy: Option<&TypedLocalObjectReference>) {
    let Some(policy) = policy else { return };
    page.blank();
    page.line("Resource policies:");
    page.line(format_args!("\tType:\t{}", policy.kind));
    page.line(format_args!("\tName:\t{}", policy.name));
}

pub(super) fn uploader_config(page: &mut Page<'_>, spec: &BackupSpec) {
    let files = spec
        .uploader_config
        .as_ref()
        .map_or(0, |config| config.parallel_files_upload);
    if files > 0 {
        page.blank();
        page.line("Uploader config:");
        page.line(format_args!("\tParallel files upload:\t{files}"));
    }
}

pub(super) fn backup_spec(page: &mut Page<'_>, spec: &BackupSpec) {
    page.line("Namespaces:");
    page.line(format_args!("\tIncluded:\t{}", list(&spec.included_namespaces, "*")));
    page.line(format_args!("\tExcluded:\t{}", list(&spec.excluded_namespaces, NONE)));
    page.blank();
    resources(page, spec);
    page.blank();
    page.line(format_args!(
        "Label selector:\t{}",
        selector::text(spec.label_selector.as_ref())
    ));
    page.blank();
    page.line(format_args!(
        "Or label selector:\t{}",
        selector::any_of(&spec.or_label_selectors)
    ));
    page.blank();
    page.line(format_args!("Storage Location:\t{}", spec.storage_location));
    page.blank();
    page.line(format_args!(
        "Velero-Native Snapshot PVs:\t{}",
        auto_true_false(spec.snapshot_volumes)
    ));
    if let Some(all) = spec.default_volumes_to_fs_backup {
        page.line(format_args!("File System Backup (Default):\t{all}"));
    }
    page.line(format_args!(
        "Snapshot Move Data:\t{}",
        auto_true_false(spec.snapshot_move_data)
    ));
    page.line(format_args!(
        "Data Mover:\t{}",
        if spec.data_mover.is_empty() {
            "velero"
        } else {
            &spec.data_mover
        }
    ));
    page.blank();
    page.line(format_args!("TTL:\t{}", duration(&spec.ttl)));
    page.blank();
    page.line(format_args!(
        "CSISnapshotTimeout:\t{}",
        duration(&spec.csi_snapshot_timeout)
    ));
    page.line(format_args!(
        "ItemOperationTimeout:\t{}",
        duration(&spec.item_operation_timeout)
    ));
    page.blank();
    hooks(page, &spec.hooks.resources);
    if !spec.ordered_resources.is_empty() {
        page.blank();
        page.line("OrderedResources:");
        for (kind, names) in &spec.ordered_resources {
            page.line(format_args!("\t{kind}: {names}"));
        }
    }
}

fn resources(page: &mut Page<'_>, spec: &BackupSpec) {
    page.line("Resources:");
    // A spec without filters is shown as one that filters by scope.
    if TypeLists::from(spec).is_old_style() {
        page.line(format_args!("\tIncluded:\t{}", list(&spec.included_resources, "*")));
        page.line(format_args!("\tExcluded:\t{}", list(&spec.excluded_resources, NONE)));
        page.line(format_args!(
            "\tCluster-scoped:\t{}",
            auto_included_excluded(spec.include_cluster_resources)
        ));
    } else {
        let lists = [
            ("Included cluster-scoped", &spec.included_cluster_scoped_resources, NONE),
            ("Excluded cluster-scoped", &spec.excluded_cluster_scoped_resources, NONE),
            (
                "Included namespace-scoped",
                &spec.included_namespace_scoped_resources,
                "*",
            ),
            (
                "Excluded namespace-scoped",
                &spec.excluded_namespace_scoped_resources,
                NONE,
            ),
        ];
        for (heading, resources, none) in lists {
            page.line(format_args!("\t{heading}:\t{}", list(resources, none)));
        }
    }
}

fn hooks(page: &mut Page<'_>, hooks: &[BackupResourceHooks]) {
    if hooks.is_empty() {
        page.line(format_args!("Hooks:\t{NONE}"));
        return;
    }
    page.line("Hooks:");
    page.line("\tResources:");
    for hook in hooks {
        page.line(format_args!("\t\t{}:", hook.name));
        page.line("\t\t\tNamespaces:");
        page.line(format_args!(
            "\t\t\t\tIncluded:\t{}",
            list(&hook.included_namespaces, "*")
        ));
        page.line(format_args!(
            "\t\t\t\tExcluded:\t{}",
            list(&hook.excluded_namespaces, NONE)
        ));
        page.blank();
        page.line("\t\t\tResources:");
        page.line(format_args!(
            "\t\t\t\tIncluded:\t{}",
            list(&hook.included_resources, "*")
        ));
        page.line(format_args!(
            "\t\t\t\tExcluded:\t{}",
            list(&hook.excluded_resources, NONE)
        ));
        page.blank();
        page.line(format_args!(
            "\t\t\tLabel selector:\t{}",
            selector::text(hook.label_selector.as_ref())
        ));
        commands(page, "Pre", &hook.pre);
        commands(page, "Post", &hook.post);
    }
}

fn commands(page: &mut Page<'_>, when: &str, hooks: &[BackupHook]) {
    for exec in hooks.iter().filter_map(|hook| hook.exec.as_ref()) {
        page.blank();
        page.line(format_args!("\t\t\t{when} Exec Hook:"));
        page.line(format_args!("\t\t\t\tContainer:\t{}", exec.container));
        page.line(format_args!("\t\t\t\tCommand:\t{}", exec.command.join(" ")));
        page.line(format_args!(
            "\t\t\t\tOn Error:\t{}",
            exec.on_error.as_ref().map(ToString::to_string).unwrap_or_default()
        ));
        page.line(format_args!("\t\t\t\tTimeout:\t{}", duration(&exec.timeout)));
    }
}
