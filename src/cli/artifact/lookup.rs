//! Looks up the storage location of a run's files.

use kube::Client;

use super::availability::{FilesLocation, RunFiles, RunRef};
use crate::api::v1::{Backup, BackupStorageLocation, Restore};
use crate::cli::objects::Objects;

/// The files of a backup.
pub async fn backup_files<'a>(client: &Client, namespace: &str, backup: &'a Backup) -> RunFiles<'a> {
    let location = lookup(client, namespace, &backup.spec.storage_location).await;
    RunFiles::new(RunRef::Backup(backup), location)
}

/// The files of a restore: they are in the location of its backup.
pub async fn restore_files<'a>(client: &Client, namespace: &str, restore: &'a Restore) -> RunFiles<'a> {
    let name = &restore.spec.backup_name;
    let location = if name.is_empty() {
        FilesLocation::Missing("the restore has no backup yet".to_owned())
    } else {
        match Objects::<Backup>::new(client, namespace).find(name).await {
            Ok(Some(backup)) => lookup(client, namespace, &backup.spec.storage_location).await,
            Ok(None) => FilesLocation::Missing(format!("backup {name:?} does not exist")),
            Err(error) => FilesLocation::Unknown(error.to_string()),
        }
    };
    RunFiles::new(RunRef::Restore(restore), location)
}

async fn lookup(client: &Client, namespace: &str, name: &str) -> FilesLocation {
    if name.is_empty() {
        return FilesLocation::Missing("the backup has no storage location yet".to_owned());
    }
    match Objects::<BackupStorageLocation>::new(client, namespace)
        .find(name)
        .await
    {
        Ok(location) => FilesLocation::of(name, location.as_ref()),
        Err(error) => FilesLocation::Unknown(error.to_string()),
    }
}
