//! The volumes of a backup.

use super::pod_volumes::{BACKUP_PHASES, PodVolume, pod_volumes, uploader};
use super::{Fetched, Page};
use crate::api::artifact::{CsiSnapshotInfo, DataMovementInfo, NativeSnapshotInfo, VolumeInfo};

/// The snapshots of a backup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshots {
    /// Those taken by a volume snapshotter.
    pub native: Vec<VolumeInfo>,
    /// Those taken by a CSI driver.
    pub csi: Vec<VolumeInfo>,
    /// Whether they are from the files of releases before 1.13, which are not complete.
    pub from_older_files: bool,
}

pub(super) fn volumes(
    page: &mut Page<'_>,
    snapshots: &Fetched<Snapshots>,
    pods: Result<&[PodVolume<'_>], &str>,
    details: bool,
) {
    page.line("Backup Volumes:");
    let snapshots = match snapshots {
        Fetched::Got(snapshots) => snapshots,
        Fetched::Missing => return page.line("\t<error getting backup volume info: file not found>"),
        Fetched::NotFetched(why) => return page.line(format_args!("\t<error getting backup volume info: {why}>")),
        Fetched::Unreadable(why) => return page.line(format_args!("\t<error reading backup volume info: {why}>")),
    };
    native(page, &snapshots.native, details);
    page.blank();
    csi(page, snapshots, details);
    page.blank();
    let pods = match pods {
        Ok(pods) => pods,
        Err(why) => {
            return page.line(format_args!(
                "\tPod Volume Backups: <error getting PodVolumeBackups: {why}>"
            ));
        }
    };
    if pods.is_empty() {
        page.line("\tPod Volume Backups: <none included>");
    } else {
        let hint = if details {
            ""
        } else {
            " (specify --details for more information)"
        };
        page.line(format_args!("\tPod Volume Backups - {}{hint}:", uploader(pods)));
        pod_volumes(page, "\t", pods, BACKUP_PHASES, details);
    }
}

fn native(page: &mut Page<'_>, volumes: &[VolumeInfo], details: bool) {
    if volumes.is_empty() {
        return page.line("\tVelero-Native Snapshots: <none included>");
    }
    page.line("\tVelero-Native Snapshots:");
    for volume in volumes {
        if !details {
            page.line(format_args!(
                "\t\t{}: specify --details for more information",
                volume.pv_name
            ));
            continue;
        }
        let NativeSnapshotInfo {
            snapshot_handle,
            volume_type,
            volume_az,
            iops,
            ..
        } = &volume.native_snapshot_info.clone().unwrap_or_default();
        page.line(format_args!("\t\t{}:", volume.pv_name));
        page.line(format_args!("\t\t\tSnapshot ID:\t{snapshot_handle}"));
        page.line(format_args!("\t\t\tType:\t{volume_type}"));
        page.line(format_args!("\t\t\tAvailability Zone:\t{volume_az}"));
        page.line(format_args!("\t\t\tIOPS:\t{iops}"));
        page.line(format_args!("\t\t\tResult:\t{}", result(volume)));
    }
}

fn csi(page: &mut Page<'_>, snapshots: &Snapshots, details: bool) {
    if snapshots.csi.is_empty() {
        let or = if snapshots.from_older_files {
            " or not detectable"
        } else {
            ""
        };
        return page.line(format_args!("\tCSI Snapshots: <none included{or}>"));
    }
    page.line("\tCSI Snapshots:");
    for volume in &snapshots.csi {
        page.line(format_args!("\t\t{}/{}:", volume.pvc_namespace, volume.pvc_name));
        if volume.preserve_local_snapshot {
            local_snapshot(page, volume, details);
        }
        if volume.snapshot_data_moved {
            data_movement(page, volume, details);
        }
    }
}

fn local_snapshot(page: &mut Page<'_>, volume: &VolumeInfo, details: bool) {
    if !details {
        return page.line("\t\t\tSnapshot: included, specify --details for more information");
    }
    let CsiSnapshotInfo {
        operation_id,
        vsc_name,
        snapshot_handle,
        size,
        driver,
        ..
    } = &volume.csi_snapshot_info.clone().unwrap_or_default();
    page.line("\t\t\tSnapshot:");
    if !volume.snapshot_data_moved && !operation_id.is_empty() {
        page.line(format_args!("\t\t\t\tOperation ID: {operation_id}"));
    }
    page.line(format_args!("\t\t\t\tSnapshot Content Name: {vsc_name}"));
    page.line(format_args!("\t\t\t\tStorage Snapshot ID: {snapshot_handle}"));
    page.line(format_args!("\t\t\t\tSnapshot Size (bytes): {size}"));
    page.line(format_args!("\t\t\t\tCSI Driver: {driver}"));
    page.line(format_args!("\t\t\t\tResult: {}", result(volume)));
}

fn data_movement(page: &mut Page<'_>, volume: &VolumeInfo, details: bool) {
    if !details {
        return page.line("\t\t\tData Movement: included, specify --details for more information");
    }
    let info = volume.snapshot_data_movement_info.clone().unwrap_or_default();
    page.line("\t\t\tData Movement:");
    page.line(format_args!("\t\t\t\tOperation ID: {}", info.operation_id));
    page.line(format_args!("\t\t\t\tData Mover: {}", mover(&info)));
    page.line(format_args!("\t\t\t\tUploader Type: {}", info.uploader_type));
    page.line(format_args!("\t\t\t\tMoved data Size (bytes): {}", info.size));
    if info.incremental_size > 0 {
        page.line(format_args!(
            "\t\t\t\tIncremental data Size (bytes): {}",
            info.incremental_size
        ));
    }
    page.line(format_args!("\t\t\t\tResult: {}", result(volume)));
}

/// The data mover; unset means the built-in one.
pub(super) fn mover(info: &DataMovementInfo) -> &str {
    if info.data_mover.is_empty() {
        "velero"
    } else {
        &info.data_mover
    }
}

/// The result of a volume, empty while it is unknown.
pub(super) fn result(volume: &VolumeInfo) -> String {
    volume.result.as_ref().map(ToString::to_string).unwrap_or_default()
}
