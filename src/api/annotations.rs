//! Keys of annotations (spec api 8). Without a release given, a key is as old as 1.6.3.

// On velero.io objects.

/// Version of the API server, such as v1.30.2: on Backup.
pub const SOURCE_CLUSTER_K8S_GIT_VERSION: &str = "velero.io/source-cluster-k8s-gitversion";
/// Major version of the API server: on Backup.
pub const SOURCE_CLUSTER_K8S_MAJOR_VERSION: &str = "velero.io/source-cluster-k8s-major-version";
/// Minor version of the API server: on Backup.
pub const SOURCE_CLUSTER_K8S_MINOR_VERSION: &str = "velero.io/source-cluster-k8s-minor-version";
/// How long plugins may wait for a resource, a Go duration: on Backup. Since 1.12.
pub const RESOURCE_TIMEOUT: &str = "velero.io/resource-timeout";
/// The W3C trace context of what began the work: on every object that begins work (decision 51).
pub const TRACEPARENT: &str = "velero.io/traceparent";
/// `"true"` cancels the run: on Backup and Restore (decision 55).
pub const CANCEL: &str = "velero.io/cancel";
/// Timeout of pod volumes, a Go duration: on Backup and Restore, set by the user.
pub const POD_VOLUME_TIMEOUT: &str = "velero.io/pod-volume-timeout";
/// Name of the claim: on PodVolumeBackup.
pub const PVC_NAME: &str = "velero.io/pvc-name";
/// Followed by a driver in lower case: the VolumeSnapshotClass for it; on Backup. Since 1.14.
pub const VOLUME_SNAPSHOT_CLASS_OF_DRIVER: &str = "velero.io/csi-volumesnapshot-class_";
/// Followed by a driver: the VolumeGroupSnapshotClass for it; on Backup. Since 1.17.
pub const VOLUME_GROUP_SNAPSHOT_CLASS_OF_DRIVER: &str = "velero.io/csi-volumegroupsnapshot-class_";

// On objects of users.

/// Any value on an item that an action returns: the item is not stored. Since 1.18.
pub const SKIP_FROM_BACKUP: &str = "velero.io/skip-from-backup";
/// `true` on an item that an action returns: its additional items ignore the exclude filters. Since 1.10.
pub const MUST_INCLUDE_ADDITIONAL_ITEMS: &str = "backup.velero.io/must-include-additional-items";
/// On a claim that an action returns: it was skipped, because its volume is not one of CSI. Since 1.12.
pub const SKIPPED_NO_CSI_PV: &str = "backup.velero.io/skipped-no-csi-pv";
/// The volumes of a pod to back up file by file, separated by commas.
pub const VOLUMES_TO_BACK_UP: &str = "backup.velero.io/backup-volumes";
/// The volumes of a pod not to back up file by file, separated by commas.
pub const VOLUMES_TO_EXCLUDE: &str = "backup.velero.io/backup-volumes-excludes";
/// Followed by a volume's name: the snapshot of it; on pods of very old backups, only read.
pub const VOLUME_SNAPSHOT_PREFIX: &str = "snapshot.velero.io/";
/// Whether an object's status is restored; overrides the restore's spec. Since 1.16.
pub const RESTORE_STATUS: &str = "velero.io/restore-status";
/// The name a renamed volume had in the backup.
pub const ORIGINAL_PV_NAME: &str = "velero.io/original-pv-name";
/// `namespace/name` of the DataUpload: on the claim in the backup. Since 1.14.
pub const DATA_UPLOAD_NAME: &str = "velero.io/data-upload-name";
/// What kubectl applied last; shows which node ports of a service the user chose.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Kubernetes' mark of a claim that is bound.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Kubernetes' mark of a claim that its controller bound.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Kubernetes' note of the provisioner that made a volume.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Kubernetes' note of the CSI driver that took over a volume. Since 1.10.
pub const MIGRATED_TO: &str = "pv.kubernetes.io/migrated-to";
/// Kubernetes' note of the provisioner of a claim's volume. Since 1.14.
pub const STORAGE_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
/// The older form of [`STORAGE_PROVISIONER`]. Since 1.14.
pub const BETA_STORAGE_PROVISIONER: &str = "volume.beta.kubernetes.io/storage-provisioner";
/// Kubernetes' note of the node a claim's volume is made for.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The account that a token Secret is for, by name.
pub const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// Kubernetes' note of the account a token is for. Since 1.11.
pub const SERVICE_ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

// On CSI's objects. Before 1.14 these belonged to a separate plugin.

/// Name of the VolumeSnapshot: on the claim in the backup, also as a label.
pub const VOLUME_SNAPSHOT_NAME: &str = super::labels::VOLUME_SNAPSHOT_NAME;
/// The VolumeSnapshotClass to use: on a claim, given by the user; as a label, marks the class.
pub const VOLUME_SNAPSHOT_CLASS: &str = super::labels::VOLUME_SNAPSHOT_CLASS;
/// The VolumeGroupSnapshotClass to use: on a claim, given by the user; spelled unlike the label. Since 1.17.
pub const VOLUME_GROUP_SNAPSHOT_CLASS: &str = "velero.io/csi-volume-group-snapshot-class";
/// The driver's name of the snapshot: on VolumeSnapshot.
pub const VOLUME_SNAPSHOT_HANDLE: &str = "velero.io/csi-volumesnapshot-handle";
/// Size of a volume made from the snapshot, a quantity: on VolumeSnapshot.
pub const VOLUME_SNAPSHOT_RESTORE_SIZE: &str = "velero.io/csi-volumesnapshot-restore-size";
/// The CSI driver: on VolumeSnapshot.
pub const DRIVER_NAME: &str = "velero.io/csi-driver-name";
/// The former deletion policy of the VolumeSnapshotContent: on VolumeSnapshot.
pub const DELETION_POLICY: &str = "velero.io/csi-vsc-deletion-policy";
/// The driver's name of the group: on VolumeSnapshot. Since 1.18.
pub const VOLUME_GROUP_SNAPSHOT_HANDLE: &str = "velero.io/csi-volumegroupsnapshot-handle";
/// Kubernetes' mark of the default VolumeSnapshotClass.
pub const DEFAULT_SNAPSHOT_CLASS: &str = "snapshot.storage.kubernetes.io/is-default-class";
/// The Secret of a VolumeSnapshotContent; with [`SNAPSHOTTER_SECRET_NAMESPACE`] it becomes an additional item.
pub const SNAPSHOTTER_SECRET_NAME: &str = "csi.storage.k8s.io/snapshotter-secret-name";
/// Namespace of [`SNAPSHOTTER_SECRET_NAME`].
pub const SNAPSHOTTER_SECRET_NAMESPACE: &str = "csi.storage.k8s.io/snapshotter-secret-namespace";
/// The Secret of a VolumeSnapshotClass; with [`SNAPSHOTTER_LIST_SECRET_NAMESPACE`] it becomes an additional item.
pub const SNAPSHOTTER_LIST_SECRET_NAME: &str = "csi.storage.k8s.io/snapshotter-list-secret-name";
/// Namespace of [`SNAPSHOTTER_LIST_SECRET_NAME`].
pub const SNAPSHOTTER_LIST_SECRET_NAMESPACE: &str = "csi.storage.k8s.io/snapshotter-list-secret-namespace";

// On pods: hooks (spec api 8.5).

/// Command run before the pod is backed up: a JSON list, or one word. Its presence switches the hook on.
pub const PRE_BACKUP_COMMAND: &str = "pre.hook.backup.velero.io/command";
/// Container of [`PRE_BACKUP_COMMAND`]; the first one when absent.
pub const PRE_BACKUP_CONTAINER: &str = "pre.hook.backup.velero.io/container";
/// `Fail` or `Continue`, for [`PRE_BACKUP_COMMAND`].
pub const PRE_BACKUP_ON_ERROR: &str = "pre.hook.backup.velero.io/on-error";
/// Go duration for [`PRE_BACKUP_COMMAND`]; 30s when absent.
pub const PRE_BACKUP_TIMEOUT: &str = "pre.hook.backup.velero.io/timeout";
/// Command run after the pod was backed up: a JSON list, or one word. Its presence switches the hook on.
pub const POST_BACKUP_COMMAND: &str = "post.hook.backup.velero.io/command";
/// Container of [`POST_BACKUP_COMMAND`]; the first one when absent.
pub const POST_BACKUP_CONTAINER: &str = "post.hook.backup.velero.io/container";
/// `Fail` or `Continue`, for [`POST_BACKUP_COMMAND`].
pub const POST_BACKUP_ON_ERROR: &str = "post.hook.backup.velero.io/on-error";
/// Go duration for [`POST_BACKUP_COMMAND`]; 30s when absent.
pub const POST_BACKUP_TIMEOUT: &str = "post.hook.backup.velero.io/timeout";
/// Legacy form of [`PRE_BACKUP_COMMAND`], used where that is absent.
pub const BACKUP_COMMAND: &str = "hook.backup.velero.io/command";
/// Legacy form of [`PRE_BACKUP_CONTAINER`].
pub const BACKUP_CONTAINER: &str = "hook.backup.velero.io/container";
/// Legacy form of [`PRE_BACKUP_ON_ERROR`].
pub const BACKUP_ON_ERROR: &str = "hook.backup.velero.io/on-error";
/// Legacy form of [`PRE_BACKUP_TIMEOUT`].
pub const BACKUP_TIMEOUT: &str = "hook.backup.velero.io/timeout";
/// Command run after the pod was restored: a JSON list, or one word. Its presence switches the hook on.
pub const POST_RESTORE_COMMAND: &str = "post.hook.restore.velero.io/command";
/// Container of [`POST_RESTORE_COMMAND`]; the first one when absent.
pub const POST_RESTORE_CONTAINER: &str = "post.hook.restore.velero.io/container";
/// `Fail` or `Continue`, for [`POST_RESTORE_COMMAND`].
pub const POST_RESTORE_ON_ERROR: &str = "post.hook.restore.velero.io/on-error";
/// Timeout of the command, a Go duration; 30s when absent.
pub const POST_RESTORE_EXEC_TIMEOUT: &str = "post.hook.restore.velero.io/exec-timeout";
/// Go duration to wait for the container; without limit when absent.
pub const POST_RESTORE_WAIT_TIMEOUT: &str = "post.hook.restore.velero.io/wait-timeout";
/// Whether to wait for the container to be ready instead of running. Since 1.13.
pub const POST_RESTORE_WAIT_FOR_READY: &str = "post.hook.restore.velero.io/wait-for-ready";
/// Image of an init container to add at a restore. Its presence switches the hook on.
pub const INIT_RESTORE_IMAGE: &str = "init.hook.restore.velero.io/container-image";
/// Name of that container; generated when absent.
pub const INIT_RESTORE_NAME: &str = "init.hook.restore.velero.io/container-name";
/// Command of that container; the image's own when absent.
pub const INIT_RESTORE_COMMAND: &str = "init.hook.restore.velero.io/command";
/// Accepted and ignored.
pub const INIT_RESTORE_TIMEOUT: &str = "init.hook.restore.velero.io/timeout";
