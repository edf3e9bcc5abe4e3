//! A restore.

use super::operations::{Counts, operations};
use super::pod_volumes::{PodVolume, RESTORE_PHASES, pod_volumes, uploader};
use super::resource_list::resource_list;
use super::volumes::mover;
use super::{
    Details, Fetched, Listed, Page, View, auto_included_excluded, auto_true_false, duration, list, results, time_or_na,
};
use crate::api::artifact::{RestoreItemOperation, RestoreMethod, RestoreVolumeInfo, Results};
use crate::api::v1::{PodVolumeRestore, Restore, RestorePhase, RestoreSpec, RestoreStatus};
use crate::cli::output::rate::RunProgress;
use crate::cli::output::selector::{self, NONE};

/// A restore and everything else that is shown of it.
#[derive(Clone, Debug)]
pub struct RestoreFacts {
    /// The restore.
    pub restore: Restore,
    /// Its pod volume restores.
    pub pod_volume_restores: Listed<PodVolumeRestore>,
    /// Its warnings and errors; not fetched while the counts are zero.
    pub results: Option<Fetched<Results>>,
    /// Its volumes; releases before 1.14 wrote no such file.
    pub volumes: Fetched<Vec<RestoreVolumeInfo>>,
    /// The files that only details show.
    pub details: Option<Details<RestoreItemOperation>>,
}

/// The page of a restore.
pub fn text(facts: &RestoreFacts, view: &View) -> String {
    let RestoreFacts {
        restore,
        pod_volume_restores,
        results,
        volumes,
        details,
    } = facts;
    let (spec, status) = (&restore.spec, &restore.status);
    let mut page = Page::new(view);
    page.metadata(&restore.metadata);
    page.blank();
    phase(&mut page, restore);
    page.trace(&restore.metadata);
    page.blank();
    page.line(format_args!(
        "Started:\t{}",
        time_or_na(view, status.start_timestamp.as_ref())
    ));
    page.line(format_args!(
        "Completed:\t{}",
        time_or_na(view, status.completion_timestamp.as_ref())
    ));
    page.validation_errors(&status.validation_errors);
    if let Some(fetched) = results
        && results::results(&mut page, fetched, status.warnings, status.errors)
    {
        results::failure(&mut page, "getting", "file not found");
    }
    page.blank();
    filters(&mut page, spec);
    pod_volumes_of(&mut page, pod_volume_restores, details.is_some());
    match volumes {
        Fetched::Got(volumes) => csi_snapshots(&mut page, volumes, details.is_some()),
        Fetched::Missing => {}
        Fetched::NotFetched(why) => page.line(format_args!("\t<error getting restore volume info: {why}>")),
        Fetched::Unreadable(why) => page.line(format_args!("\t<error reading restore volume info: {why}>")),
    }
    page.blank();
    settings(&mut page, spec);
    page.blank();
    operations(
        &mut page,
        &counts(status),
        details.as_ref().and_then(|details| details.operations.as_ref()),
    );
    if let Some(hooks) = &status.hook_status {
        page.blank();
        page.line(format_args!("HooksAttempted: \t{}", hooks.hooks_attempted));
        page.line(format_args!("HooksFailed: \t{}", hooks.hooks_failed));
    }
    if let Some(details) = details {
        page.blank();
        resource_list(&mut page, "restore", &details.resource_list);
    }
    page.finish()
}

fn pod_volumes_of(page: &mut Page<'_>, restores: &Listed<PodVolumeRestore>, details: bool) {
    let restores = match restores {
        Ok(restores) if restores.is_empty() => return,
        Ok(restores) => restores,
        Err(why) => {
            page.blank();
            return page.line(format_args!(
                "Pod Volume Restores:\t<error getting PodVolumeRestores: {why}>"
            ));
        }
    };
    let volumes: Vec<PodVolume<'_>> = restores.iter().map(PodVolume::from).collect();
    let hint = if details {
        ""
    } else {
        " (specify --details for more information)"
    };
    page.blank();
    page.line(format_args!("{} Restores{hint}:", uploader(&volumes)));
    pod_volumes(page, "", &volumes, RESTORE_PHASES, details);
}

fn phase(page: &mut Page<'_>, restore: &Restore) {
    let phase = restore.status.phase();
    let name = restore.metadata.name.as_deref().unwrap_or_default();
    let word = if restore.metadata.deletion_timestamp.is_some() {
        format!("{phase} (Deleting)")
    } else {
        phase.to_string()
    };
    let shown = match phase {
        RestorePhase::FailedValidation | RestorePhase::PartiallyFailed | RestorePhase::Failed => page.view.red(&word),
        RestorePhase::Completed => page.view.green(&word),
        _ => word,
    };
    let note = match phase {
        RestorePhase::Failed | RestorePhase::PartiallyFailed => {
            format!(" (run 'velero restore logs {name}' for more information)")
        }
        _ => String::new(),
    };
    page.line(format_args!("Phase:\t{shown}{note}"));
    if let Some(progress) = &restore.status.progress {
        let (total, done) = if *phase == RestorePhase::InProgress {
            ("Estimated total items to be restored", "Items restored so far")
        } else {
            ("Total items to be restored", "Items restored")
        };
        page.line(format_args!("{total}:\t{}", progress.total_items));
        page.line(format_args!("{done}:\t{}", progress.items_restored));
    }
    // Upstream shows none of these.
    page.rate(restore);
    if let Some(why) = restore.blocked_by() {
        page.line(format_args!("Blocked:\t{why}"));
    }
    if !restore.status.failure_reason.is_empty() {
        page.line(format_args!("Failure reason:\t{}", restore.status.failure_reason));
    }
}

/// The counts of asynchronous operations.
pub(super) fn counts(status: &RestoreStatus) -> Counts {
    Counts {
        attempted: status.restore_item_operations_attempted,
        completed: status.restore_item_operations_completed,
        failed: status.restore_item_operations_failed,
    }
}

/// The included namespaces as text.
pub(super) fn included_namespaces(spec: &RestoreSpec) -> String {
    const ALL: &str = "all namespaces found in the backup";
    if spec.included_namespaces == ["*"] {
        ALL.to_owned()
    } else {
        list(&spec.included_namespaces, ALL)
    }
}

/// The policy for existing objects as text.
pub(super) fn existing_resource_policy(spec: &RestoreSpec) -> &str {
    if spec.existing_resource_policy.is_empty() {
        NONE
    } else {
        &spec.existing_resource_policy
    }
}

/// The volumes that were restored from CSI snapshots.
pub(super) fn csi_volumes(volumes: &[RestoreVolumeInfo]) -> impl Iterator<Item = &RestoreVolumeInfo> {
    volumes
        .iter()
        .filter(|volume| volume.restore_method == Some(RestoreMethod::CsiSnapshot))
}

fn filters(page: &mut Page<'_>, spec: &RestoreSpec) {
    page.line(format_args!("Backup:\t{}", spec.backup_name));
    page.blank();
    page.line("Namespaces:");
    page.line(format_args!("\tIncluded:\t{}", included_namespaces(spec)));
    page.line(format_args!("\tExcluded:\t{}", list(&spec.excluded_namespaces, NONE)));
    page.blank();
    page.line("Resources:");
    page.line(format_args!("\tIncluded:\t{}", list(&spec.included_resources, "*")));
    page.line(format_args!("\tExcluded:\t{}", list(&spec.excluded_resources, NONE)));
    page.line(format_args!(
        "\tCluster-scoped:\t{}",
        auto_included_excluded(spec.include_cluster_resources)
    ));
    page.blank();
    page.map("Namespace mappings", &spec.namespace_mapping);
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
    page.line(format_args!("Restore PVs:\t{}", auto_true_false(spec.restore_pvs)));
}

fn csi_snapshots(page: &mut Page<'_>, volumes: &[RestoreVolumeInfo], details: bool) {
    page.blank();
    let snapshots = || csi_volumes(volumes);
    if snapshots().next().is_none() {
        return page.line("CSI Snapshot Restores: <none included>");
    }
    page.line("CSI Snapshot Restores:");
    for volume in snapshots().filter(|volume| !volume.snapshot_data_moved) {
        page.line(format_args!("\t{}/{}:", volume.pvc_namespace, volume.pvc_name));
        if details {
            let info = volume.csi_snapshot_info.clone().unwrap_or_default();
            page.line("\t\tSnapshot:");
            page.line(format_args!("\t\t\tSnapshot Content Name: {}", info.vsc_name));
            page.line(format_args!("\t\t\tStorage Snapshot ID: {}", info.snapshot_handle));
            page.line(format_args!("\t\t\tCSI Driver: {}", info.driver));
        } else {
            page.line("\t\tSnapshot: specify --details for more information");
        }
    }
    for volume in snapshots().filter(|volume| volume.snapshot_data_moved) {
        page.line(format_args!("\t{}/{}:", volume.pvc_namespace, volume.pvc_name));
        if details {
            let info = volume.snapshot_data_movement_info.clone().unwrap_or_default();
            page.line("\t\tData Movement:");
            page.line(format_args!("\t\t\tOperation ID: {}", info.operation_id));
            page.line(format_args!("\t\t\tData Mover: {}", mover(&info)));
            page.line(format_args!("\t\t\tUploader Type: {}", info.uploader_type));
        } else {
            page.line("\t\tData Movement: specify --details for more information");
        }
    }
}

fn settings(page: &mut Page<'_>, spec: &RestoreSpec) {
    page.line(format_args!(
        "Existing Resource Policy: \t{}",
        existing_resource_policy(spec)
    ));
    page.line(format_args!(
        "ItemOperationTimeout:\t{}",
        duration(&spec.item_operation_timeout)
    ));
    page.blank();
    page.line(format_args!(
        "Preserve Service NodePorts:\t{}",
        auto_true_false(spec.preserve_node_ports)
    ));
    if let Some(modifier) = &spec.resource_modifier {
        page.blank();
        page.line("Resource modifier:");
        page.line(format_args!("\tType:\t{}", modifier.kind));
        page.line(format_args!("\tName:\t{}", modifier.name));
    }
    if let Some(config) = &spec.uploader_config {
        page.blank();
        page.line("Uploader config:");
        if config.write_sparse_files == Some(true) {
            page.line("\tWrite Sparse Files:\ttrue");
        }
        if config.parallel_files_download > 0 {
            page.line(format_args!("\tParallel Restore:\t{}", config.parallel_files_download));
        }
    }
}

#[cfg(test)]
mod tests;
