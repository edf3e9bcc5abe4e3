//! Data of a backup that lie outside of its files: snapshots at a provider, in a cluster's storage system and in repositories. They are found
//! by what the bucket and the cluster say of them, and not by the archive alone (spec backup 22 D4).
//!
//! This release removes none of them: [`Remover`] is where removal attaches. What has no remover keeps the deletion open.

use std::collections::BTreeMap;
use std::fmt;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::artifact::{NativeSnapshot, VolumeInfo};
use crate::api::v1::{Backup, PodVolumeBackup, VolumeSnapshotLocation};
use crate::api::v2alpha1::DataUpload;
use crate::api::{labels, names};
use crate::controllers::context::Context;
use crate::controllers::fresh;
use crate::controllers::run::json_gz;
use crate::store::layout::BackupFile;
use crate::store::{Class, Store, StoreError};

/// A file with what lies outside is at most this large, packed and unpacked.
const MAX: u64 = 64 << 20;

/// The sorts of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum DataKind {
    /// A snapshot by a volume snapshotter, at the provider.
    NativeSnapshot,
    /// A snapshot by a CSI driver, in the storage system.
    CsiSnapshot,
    /// The files of a pod's volume, in a repository.
    PodVolumeBackup,
    /// The moved data of a snapshot, in a repository.
    MovedData,
    /// A file of the bucket that is lost or cannot be read, so that what it names is not known.
    UnreadableFile,
}

impl fmt::Display for DataKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NativeSnapshot => "native snapshot",
            Self::CsiSnapshot => "CSI snapshot",
            Self::PodVolumeBackup => "pod volume backup",
            Self::MovedData => "moved data",
            Self::UnreadableFile => "unreadable file",
        })
    }
}

/// One piece of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalData {
    /// Its sort.
    pub kind: DataKind,
    /// The name that its store has for it.
    pub id: String,
    /// The volume that it is of.
    pub volume: String,
    /// What removes it by hand.
    pub remove_with: String,
}

impl fmt::Display for ExternalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            id,
            volume,
            remove_with,
        } = self;
        write!(f, "{kind} `{id}`")?;
        if !volume.is_empty() {
            write!(f, " of `{volume}`")?;
        }
        write!(f, " (remove it with: {remove_with})")
    }
}

/// Removes one sort of data. Removing what is gone is success.
pub trait Remover: Send + Sync {
    /// Whether it removes data of this sort.
    fn removes(&self, kind: DataKind) -> bool;

    /// Removes one piece; what it could not do otherwise. May be repeated.
    fn remove<'a>(&'a self, backup: &'a Backup, data: &'a ExternalData) -> BoxFuture<'a, Result<(), String>>;
}

/// What lies outside could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// In the bucket.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// In the cluster.
    #[error(transparent)]
    Cluster(#[from] kube::Error),
}

/// Everything that lies outside of a backup's files.
///
/// # Errors
/// See [`ReadError`]. A file that is there and cannot be read is data of its own and no error.
pub async fn find(ctx: &Context, store: Option<&Store>, backup: &Backup) -> Result<Vec<ExternalData>, ReadError> {
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    let uid = backup.metadata.uid.as_deref().unwrap_or_default();
    let mut found = Found::default();
    if let Some(store) = store {
        let mut providers = BTreeMap::new();
        for snapshot in read::<NativeSnapshot>(store, BackupFile::VolumeSnapshots, name, &mut found).await? {
            let location = &snapshot.spec.location;
            if !location.is_empty() && !providers.contains_key(location) {
                let there = fresh::get::<VolumeSnapshotLocation>(ctx, location).await?;
                providers.insert(
                    location.clone(),
                    there.map(|there| there.spec.provider).unwrap_or_default(),
                );
            }
            found.native(&snapshot, providers.get(location).map_or("", String::as_str));
        }
        for volume in read::<PodVolumeBackup>(store, BackupFile::PodVolumeBackups, name, &mut found).await? {
            found.pod_volume(&volume);
        }
        for content in read::<Value>(store, BackupFile::CsiVolumeSnapshotContents, name, &mut found).await? {
            found.content(&content);
        }
        for info in read::<VolumeInfo>(store, BackupFile::VolumeInfo, name, &mut found).await? {
            found.info(&info);
        }
        for (file, kind, count) in [
            (
                BackupFile::VolumeSnapshots,
                DataKind::NativeSnapshot,
                backup.status.volume_snapshots_completed,
            ),
            (
                BackupFile::VolumeInfo,
                DataKind::CsiSnapshot,
                backup.status.csi_volume_snapshots_completed,
            ),
        ] {
            // Its files name them, and may have been lost. Once the seal is gone, they go with this deletion.
            if count > 0 && !found.has(kind) && store.head(&BackupFile::Metadata.key(name)).await?.is_some() {
                found.unreadable(&file.key(name));
            }
        }
    }
    for volume in fresh::labelled::<PodVolumeBackup>(ctx, &format!("{}={uid}", labels::BACKUP_UID)).await? {
        found.pod_volume(&volume);
    }
    let of_backup = format!("{}={}", labels::BACKUP_NAME, names::label_value(name));
    for upload in fresh::labelled::<DataUpload>(ctx, &of_backup).await? {
        let labels = upload.metadata.labels.as_ref();
        // The name may have been another backup's before.
        if labels
            .and_then(|labels| labels.get(labels::BACKUP_UID))
            .is_none_or(|of| of == uid)
        {
            found.upload(&upload);
        }
    }
    Ok(found.0.into_values().collect())
}

/// The entries of one file; none if it is not there.
async fn read<T: DeserializeOwned>(
    store: &Store,
    file: BackupFile,
    backup: &str,
    found: &mut Found,
) -> Result<Vec<T>, StoreError> {
    let key = file.key(backup);
    let packed = match store.get(&key, MAX).await {
        Ok(packed) => packed,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) if error.class() == Class::TooLarge => {
            found.unreadable(&key);
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    if let Ok(entries) = json_gz::read::<Option<Vec<T>>>(&packed, MAX) {
        return Ok(entries.unwrap_or_default());
    }
    found.unreadable(&key);
    Ok(Vec::new())
}

/// What was found, each piece once: several files may name it.
#[derive(Debug, Default)]
struct Found(BTreeMap<(String, DataKind), ExternalData>);

impl Found {
    fn add(&mut self, kind: DataKind, id: &str, volume: String, remove_with: String) {
        // Without an id nothing was made.
        if id.is_empty() {
            return;
        }
        self.0.entry((id.to_owned(), kind)).or_insert_with(|| ExternalData {
            kind,
            id: id.to_owned(),
            volume,
            remove_with,
        });
    }

    fn has(&self, kind: DataKind) -> bool {
        self.0.keys().any(|(_, known)| *known == kind)
    }

    fn unreadable(&mut self, key: &str) {
        let by_hand = "look into the file, and remove what it names".to_owned();
        self.add(DataKind::UnreadableFile, key, String::new(), by_hand);
    }

    fn native(&mut self, snapshot: &NativeSnapshot, provider: &str) {
        let id = &snapshot.status.provider_snapshot_id;
        let command = provider_command(provider, id, &snapshot.spec.location);
        let volume = snapshot.spec.persistent_volume_name.clone();
        self.add(DataKind::NativeSnapshot, id, volume, command);
    }

    fn pod_volume(&mut self, volume: &PodVolumeBackup) {
        let (spec, id) = (&volume.spec, &volume.status.snapshot_id);
        let pod = &spec.pod;
        let of = format!("{}/{}/{}", pod.namespace, pod.name, spec.volume);
        let command = if spec.uploader_type.is_restic() {
            format!("restic -r {} forget --prune {id}", spec.repo_identifier)
        } else {
            kopia(id)
        };
        self.add(DataKind::PodVolumeBackup, id, of, command);
    }

    fn upload(&mut self, upload: &DataUpload) {
        let of = format!("{}/{}", upload.spec.source_namespace, upload.spec.source_pvc);
        let id = &upload.status.snapshot_id;
        self.add(DataKind::MovedData, id, of, kopia(id));
    }

    /// A VolumeSnapshotContent, as releases up to 1.16 stored them beside the archive.
    fn content(&mut self, content: &Value) {
        let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name");
        let of = text("/spec/volumeSnapshotRef/name").to_owned();
        self.add(DataKind::CsiSnapshot, text("/status/snapshotHandle"), of, csi(name));
    }

    fn info(&mut self, info: &VolumeInfo) {
        let of = if info.pvc_name.is_empty() {
            info.pv_name.clone()
        } else {
            format!("{}/{}", info.pvc_namespace, info.pvc_name)
        };
        if let Some(native) = &info.native_snapshot_info {
            let command = provider_command("", &native.snapshot_handle, "");
            self.add(DataKind::NativeSnapshot, &native.snapshot_handle, of.clone(), command);
        }
        if let Some(csi_info) = &info.csi_snapshot_info
            && info.preserve_local_snapshot
        {
            let command = csi(&csi_info.vsc_name);
            self.add(DataKind::CsiSnapshot, &csi_info.snapshot_handle, of.clone(), command);
        }
        if let Some(volume) = &info.pvb_info {
            let id = &volume.snapshot_handle;
            let command = if volume.uploader_type == "restic" {
                format!("restic forget --prune {id}")
            } else {
                kopia(id)
            };
            self.add(DataKind::PodVolumeBackup, id, of.clone(), command);
        }
        if let Some(moved) = &info.snapshot_data_movement_info {
            self.add(
                DataKind::MovedData,
                &moved.snapshot_handle,
                of,
                kopia(&moved.snapshot_handle),
            );
        }
    }
}

fn kopia(id: &str) -> String {
    format!("kopia snapshot delete {id} --delete")
}

fn csi(content: &str) -> String {
    let patch = r#"{"spec":{"deletionPolicy":"Delete"}}"#;
    format!(
        "kubectl patch volumesnapshotcontent {content} --type merge -p '{patch}' && kubectl delete volumesnapshotcontent {content}"
    )
}

/// The command of a provider's own tool, where that is known.
fn provider_command(provider: &str, id: &str, location: &str) -> String {
    match provider.strip_prefix("velero.io/").unwrap_or(provider) {
        "aws" => format!("aws ec2 delete-snapshot --snapshot-id {id}"),
        "gcp" => format!("gcloud compute snapshots delete {id}"),
        "azure" => format!("az snapshot delete --ids {id}"),
        _ if location.is_empty() => "the tools of its provider".to_owned(),
        _ => format!("the tools of the provider of the snapshot location `{location}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(found: Found) -> Vec<String> {
        found.0.into_values().map(|data| data.to_string()).collect()
    }

    #[test]
    fn every_sort_of_data_is_found_once_with_the_command_that_removes_it() {
        let mut found = Found::default();
        let native: NativeSnapshot = serde_json::from_value(json!({
            "spec": {"location": "ebs", "persistentVolumeName": "pv-1"}, "status": {"providerSnapshotID": "snap-1"},
        }))
        .unwrap();
        found.native(&native, "velero.io/aws");
        // Velero 1.18.3 skips what has no id, instead of failing.
        found.native(&NativeSnapshot::default(), "aws");
        let volume: PodVolumeBackup = serde_json::from_value(json!({
            "metadata": {"name": "b-x"},
            "spec": {"pod": {"namespace": "shop", "name": "db-0"}, "volume": "data", "repoIdentifier": "s3:r", "uploaderType": "restic"},
            "status": {"snapshotID": "abc"},
        }))
        .unwrap();
        found.pod_volume(&volume);
        let infos: Vec<VolumeInfo> = serde_json::from_value(json!([
            {"pvName": "pv-1", "nativeSnapshotInfo": {"snapshotHandle": "snap-1"}},
            {"pvcNamespace": "shop", "pvcName": "db", "pvbInfo": {"snapshotHandle": "abc", "uploaderType": "restic"}},
            {"pvcNamespace": "shop", "pvcName": "files", "preserveLocalSnapshot": true,
             "csiSnapshotInfo": {"snapshotHandle": "handle", "vscName": "vsc-1"}},
            {"pvcNamespace": "shop", "pvcName": "moved", "csiSnapshotInfo": {"snapshotHandle": "gone"},
             "snapshotDataMovementInfo": {"snapshotHandle": "k1"}},
            {"pvcNamespace": "shop", "pvcName": "skipped", "skipped": true},
        ]))
        .unwrap();
        for info in &infos {
            found.info(info);
        }
        assert_eq!(
            shown(found),
            [
                "pod volume backup `abc` of `shop/db-0/data` (remove it with: restic -r s3:r forget --prune abc)",
                "CSI snapshot `handle` of `shop/files` (remove it with: kubectl patch volumesnapshotcontent vsc-1 --type merge -p \
                 '{\"spec\":{\"deletionPolicy\":\"Delete\"}}' && kubectl delete volumesnapshotcontent vsc-1)",
                "moved data `k1` of `shop/moved` (remove it with: kopia snapshot delete k1 --delete)",
                "native snapshot `snap-1` of `pv-1` (remove it with: aws ec2 delete-snapshot --snapshot-id snap-1)",
            ]
        );
    }
}
