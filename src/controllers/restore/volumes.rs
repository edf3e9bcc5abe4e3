//! What the backup recorded about the bytes of volumes, from the files beside its archive (spec restore 4 steps 6 to 9).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::api::annotations;
use crate::api::artifact::{BackupMethod, NativeSnapshot, VolumeInfo};
use crate::api::v1::PodVolumeBackup;
use crate::restore::object::volume::{Kept, KeptVolumes};
use crate::store::layout::BackupFile;
use crate::store::{Store, StoreError};

use crate::controllers::run::json_gz;

/// Such a file is at most this large.
const MAX_FILE: u64 = 64 << 20;

/// A file beside the archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VolumesError {
    /// It cannot be fetched.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not what it should be.
    #[error("reading `{key}` of the backup failed: {source}; check the stored object")]
    Unreadable {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Reads what is there; a file that is not is empty.
///
/// # Errors
/// See [`VolumesError`].
pub async fn read(store: &Store, backup: &str) -> Result<KeptVolumes, VolumesError> {
    let infos: Vec<VolumeInfo> = list(store, &BackupFile::VolumeInfo.key(backup)).await?;
    let snapshots: Vec<NativeSnapshot> = list(store, &BackupFile::VolumeSnapshots.key(backup)).await?;
    let volumes: Vec<PodVolumeBackup> = list(store, &BackupFile::PodVolumeBackups.key(backup)).await?;
    Ok(KeptVolumes {
        by_volume: by_volume(infos),
        native_snapshots: snapshots.into_iter().map(|s| s.spec.persistent_volume_name).collect(),
        pod_volumes: volumes.iter().filter_map(claim).collect(),
        ..KeptVolumes::default()
    })
}

/// The claim whose bytes a PodVolumeBackup holds, if its volume has one.
fn claim(volume: &PodVolumeBackup) -> Option<(String, String)> {
    let name = volume.metadata.annotations.as_ref()?.get(annotations::PVC_NAME)?;
    Some((volume.spec.pod.namespace.clone(), name.clone()))
}

fn by_volume(infos: Vec<VolumeInfo>) -> BTreeMap<String, Option<Kept>> {
    infos
        .into_iter()
        .filter(|info| !info.pv_name.is_empty())
        .map(|info| {
            let kept = info.backup_method.as_ref().and_then(|method| match method {
                BackupMethod::NativeSnapshot => Some(Kept::NativeSnapshot),
                BackupMethod::PodVolumeBackup => Some(Kept::PodVolume),
                BackupMethod::CsiSnapshot => Some(Kept::CsiSnapshot),
                BackupMethod::Other(_) => None,
            });
            (info.pv_name, kept)
        })
        .collect()
}

async fn list<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Vec<T>, VolumesError> {
    match store.get(key, MAX_FILE).await {
        Ok(packed) => json_gz::read::<Option<Vec<T>>>(&packed, MAX_FILE)
            .map(Option::unwrap_or_default)
            .map_err(|source| VolumesError::Unreadable {
                key: key.to_owned(),
                source,
            }),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
