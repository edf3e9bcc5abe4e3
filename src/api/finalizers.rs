//! Finalizers (spec api 10). Without a release given, one is as old as 1.6.3.

/// On Restore: its files are still in the store. Since 1.12.
pub const RESTORE_EXTERNAL_RESOURCES: &str = "restores.velero.io/external-resources-finalizer";
/// On DataUpload and DataDownload: data is being moved. Since 1.12.
pub const DATA_MOVEMENT: &str = "velero.io/data-upload-download-finalizer";
/// On PodVolumeBackup and PodVolumeRestore: data is being moved. Since 1.17.
pub const POD_VOLUME: &str = "velero.io/pod-volume-finalizer";
/// On VolumeSnapshotContents of releases 1.13 and later: removed where found, no longer added.
pub const VOLUME_SNAPSHOT_CONTENT_PROTECTION: &str = "velero.io/volume-snapshot-content-protect-finalizer";
/// Kubernetes' own on the VolumeSnapshots of a group; removed with the snapshot from its group. Since 1.17.
pub const IN_GROUP_PROTECTION: &str = "snapshot.storage.kubernetes.io/volumesnapshot-in-group-protection";
/// Kubernetes' own on VolumeSnapshots that a volume is made from; removed like the former. Since 1.17.
pub const AS_SOURCE_PROTECTION: &str = "snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection";
