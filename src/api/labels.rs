//! Keys and values of labels (spec api 8). Without a release given, a key is as old as 1.6.3. Values that are names go
//! through [`super::names::label_value`]. Those marked raw are written unchanged, so searches use both forms.

// On velero.io objects, and on objects made for them.

/// Name of the backup: on PodVolumeBackup, DataUpload, DeleteBackupRequest, on snapshot objects and on every restored object.
pub const BACKUP_NAME: &str = "velero.io/backup-name";
/// UID of the backup: on PodVolumeBackup, DataUpload, DeleteBackupRequest.
pub const BACKUP_UID: &str = "velero.io/backup-uid";
/// Name of the restore: on PodVolumeRestore, DataDownload and on every restored object.
pub const RESTORE_NAME: &str = "velero.io/restore-name";
/// UID of the restore: on PodVolumeRestore, DataDownload and the ConfigMap with a DataUpload's result.
pub const RESTORE_UID: &str = "velero.io/restore-uid";
/// Name of the schedule, raw: on Backup.
pub const SCHEDULE_NAME: &str = "velero.io/schedule-name";
/// Name of the BackupStorageLocation: on Backup and BackupRepository.
pub const STORAGE_LOCATION: &str = "velero.io/storage-location";
/// Namespace of the volumes: on BackupRepository.
pub const VOLUME_NAMESPACE: &str = "velero.io/volume-namespace";
/// `kopia` or `restic`: on BackupRepository. Since 1.10.
pub const REPOSITORY_TYPE: &str = "velero.io/repository-type";
/// UID of the pod: on PodVolumeRestore.
pub const POD_UID: &str = "velero.io/pod-uid";
/// UID of the claim: on PodVolumeBackup, PodVolumeRestore, DataUpload.
pub const PVC_UID: &str = "velero.io/pvc-uid";
/// Id of the asynchronous operation: on DataUpload and DataDownload. Since 1.12.
pub const ASYNC_OPERATION_ID: &str = "velero.io/async-operation-id";
/// Why an expired backup is not deleted: on Backup. Since 1.9.
pub const GC_FAILURE: &str = "velero.io/gc-failure";
/// `true` while a volume is made accessible: on the four kinds that move volume data. Since 1.17.
pub const EXPOSE_ON_GOING: &str = "velero.io/expose-on-going";
/// `true` on the ConfigMap that outlives a DataUpload, so that its snapshot can be deleted. Since 1.12.
pub const DATA_UPLOAD_SNAPSHOT_INFO: &str = "velero.io/data-upload-snapshot-info";
/// The purpose of a ConfigMap, see [`RESOURCE_USAGE_DATA_UPLOAD`]. Since 1.12.
pub const RESOURCE_USAGE: &str = "velero.io/resource-usage";
/// Value of [`RESOURCE_USAGE`] on the ConfigMap with a DataUpload's result. Since 1.12.
pub const RESOURCE_USAGE_DATA_UPLOAD: &str = "DataUpload";
/// `namespace.claim`, with a dot: on the ConfigMap with a DataUpload's result. Since 1.12.
pub const PVC_NAMESPACE_NAME: &str = "velero.io/pvc-namespace-name";

/// Value of [`GC_FAILURE`]: the location is gone. Since 1.9.
pub const GC_FAILURE_LOCATION_NOT_FOUND: &str = "BSLNotFound";
/// Value of [`GC_FAILURE`]: the location cannot be read. Since 1.9.
pub const GC_FAILURE_LOCATION_CANNOT_GET: &str = "BSLCannotGet";
/// Value of [`GC_FAILURE`]: the location is read-only. Since 1.9.
pub const GC_FAILURE_LOCATION_READ_ONLY: &str = "BSLReadOnly";
/// Value of [`GC_FAILURE`]: the location is unavailable. Defined upstream and unused there. Since 1.17.
pub const GC_FAILURE_LOCATION_UNAVAILABLE: &str = "BSLUnavailable";

// On pods, jobs and volumes of the data path.

/// Name of the DataUpload, raw: on its pod. Since 1.12.
pub const DATA_UPLOAD: &str = "velero.io/data-upload";
/// Name of the DataDownload, raw: on its pod. Since 1.12.
pub const DATA_DOWNLOAD: &str = "velero.io/data-download";
/// Name of the PodVolumeBackup, raw: on its pod. Since 1.17.
pub const POD_VOLUME_BACKUP: &str = "velero.io/pod-volume-backup";
/// Name of the PodVolumeRestore, raw: on its pod. Since 1.17.
pub const POD_VOLUME_RESTORE: &str = "velero.io/pod-volume-restore";
/// What a pod of the data path does; pods are spread by it. Since 1.13.
pub const EXPOSER_POD_GROUP: &str = "velero.io/exposer-pod-group";
/// Value of [`EXPOSER_POD_GROUP`] on pods that upload. Since 1.13.
pub const EXPOSER_POD_GROUP_SNAPSHOT: &str = "snapshot-exposer";
/// Value of [`EXPOSER_POD_GROUP`] on pods that download. Since 1.16.
pub const EXPOSER_POD_GROUP_RESTORE: &str = "generic-restore-exposer";
/// Name of the BackupRepository: on maintenance jobs. Since 1.14.
pub const REPOSITORY_NAME: &str = "velero.io/repo-name";
/// Ties a restored claim to the volume made for it, so that it is not bound before the data is restored. Since 1.14.
pub const DYNAMIC_PV_RESTORE: &str = "velero.io/dynamic-pv-restore";

// On objects of users.

/// `true` excludes an object from backups; on a namespace, since 1.10, with everything in it.
pub const EXCLUDE_FROM_BACKUP: &str = "velero.io/exclude-from-backup";
/// Claims with the same value are snapshotted as one group. Since 1.17.
pub const VOLUME_GROUP: &str = "velero.io/volume-group";
/// Argo CD's mark on namespaces it manages; causes a warning only. Since 1.16.
pub const ARGOCD_MANAGED_BY: &str = "argocd.argoproj.io/managed-by";
/// Kubernetes' mark on APIServices that need no restoring.
pub const KUBE_AGGREGATOR_AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Kubernetes' mark on the pods of a job, removed at a restore.
pub const CONTROLLER_UID: &str = "controller-uid";
/// The newer form of [`CONTROLLER_UID`]. Since 1.13.
pub const BATCH_CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

// On CSI's objects. Before 1.14 these belonged to a separate plugin.

/// Name of the VolumeSnapshot: on the claim in the backup, also as an annotation.
pub const VOLUME_SNAPSHOT_NAME: &str = "velero.io/volume-snapshot-name";
/// Marks the VolumeSnapshotClass to be used; as an annotation of a claim, names the class.
pub const VOLUME_SNAPSHOT_CLASS: &str = "velero.io/csi-volumesnapshot-class";
/// Marks the VolumeGroupSnapshotClass to be used. Since 1.17.
pub const VOLUME_GROUP_SNAPSHOT_CLASS: &str = "velero.io/csi-volumegroupsnapshot-class";
/// Kubernetes' mark of the node that takes a snapshot. Since 1.17.
pub const SNAPSHOT_MANAGED_BY: &str = "snapshot.storage.kubernetes.io/managed-by";

// On objects of an installation.

/// [`COMPONENT_VELERO`] on everything that `install` creates.
pub const COMPONENT: &str = "component";
/// Value of [`COMPONENT`].
pub const COMPONENT_VELERO: &str = "velero";
/// `velero` on the server's pods.
pub const DEPLOY: &str = "deploy";
/// `node-agent` on the node agents' pods; they are selected by it. Since 1.16.
pub const ROLE: &str = "role";
/// Value of [`ROLE`], and of `name`, on the node agents' pods. Since 1.16.
pub const ROLE_NODE_AGENT: &str = "node-agent";
/// Marks the ConfigMap with a plugin's configuration; a second label has the plugin's name and kind (spec api 12.1).
pub const PLUGIN_CONFIG: &str = "velero.io/plugin-config";

/// The keys of the labels for a volume's zone of Kubernetes and providers, oldest last.
pub const ZONES: [&str; 2] = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
