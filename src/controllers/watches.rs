//! The watches that the controllers share: one a kind.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::api::v1::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule, ServerStatusRequest,
};
use crate::runtime::watch::Change;
use crate::runtime::{Kind, Manager, ObjectRef, Predicate, SharedWatch, Watch};

use super::artifact::secret;
use super::freeze;
use super::run::record;

/// The watches, all of the namespace Velero lives in.
pub struct Watches {
    /// Backups.
    pub backups: SharedWatch<Backup>,
    /// Restores.
    pub restores: SharedWatch<Restore>,
    /// Schedules.
    pub schedules: SharedWatch<Schedule>,
    /// Backup storage locations.
    pub locations: SharedWatch<BackupStorageLocation>,
    /// Requests to delete backups.
    pub deletions: SharedWatch<DeleteBackupRequest>,
    /// Download requests.
    pub downloads: SharedWatch<DownloadRequest>,
    /// Server status requests.
    pub statuses: SharedWatch<ServerStatusRequest>,
    /// Run records.
    pub records: SharedWatch<ConfigMap>,
    /// Records of open freezes.
    pub freezes: SharedWatch<ConfigMap>,
    /// The Secret with the certificate of the artifact endpoint.
    pub certificate: SharedWatch<Secret>,
}

impl Watches {
    /// Adds them to the manager.
    pub fn new(manager: &mut Manager, client: &Client, namespace: &str) -> Self {
        fn all<K>(client: &Client, namespace: &str) -> Watch<K>
        where
            K: Kind + kube::Resource<Scope = NamespaceResourceScope>,
        {
            Watch::of(Api::namespaced(client.clone(), namespace))
        }
        let certificate = format!("metadata.name={}", secret::NAME);
        Self {
            backups: manager.watch(all(client, namespace)),
            restores: manager.watch(all(client, namespace)),
            schedules: manager.watch(all(client, namespace)),
            locations: manager.watch(all(client, namespace)),
            deletions: manager.watch(all(client, namespace)),
            downloads: manager.watch(all(client, namespace)),
            statuses: manager.watch(all(client, namespace)),
            records: manager.watch(all(client, namespace).labels(record::LABEL)),
            freezes: manager.watch(all(client, namespace).labels(freeze::LABEL)),
            certificate: manager.watch(all(client, namespace).fields(&certificate)),
        }
    }
}

/// The references of objects that a watch has.
pub fn refs<K: Kind>(objects: &[std::sync::Arc<K>]) -> Vec<ObjectRef<K>> {
    objects.iter().map(|object| ObjectRef::from_obj(&**object)).collect()
}

/// Passes at once of controllers of locations: one that does not answer holds up no other.
pub const LOCATION_WORKERS: usize = 16;

/// Passes at once of controllers whose passes talk to a bucket.
pub const BUCKET_WORKERS: usize = 4;

/// Whether a location can be used, or how, has changed: its times of validation and sync change every minute.
pub fn usable_changed() -> Predicate<BackupStorageLocation> {
    Predicate::new(
        |change: &Change<BackupStorageLocation>| match (&change.before, &change.after) {
            (Some(before), Some(after)) => before.spec != after.spec || before.status.phase != after.status.phase,
            _ => true,
        },
    )
}
