//! Looking up where a run's files are.

use kube::Client;

use super::outlook::{Known, Place, Run};
use crate::api::v1::{Backup, BackupStorageLocation, Restore};
use crate::cli::objects::Objects;

/// What is known of a backup's files.
pub async fn of_backup<'a>(client: &Client, namespace: &str, backup: &'a Backup) -> Known<'a> {
    let place = location(client, namespace, &backup.spec.storage_location).await;
    Known::new(Run::Backup(backup), place)
}

/// What is known of a restore's files: they are where its backup is.
pub async fn of_restore<'a>(client: &Client, namespace: &str, restore: &'a Restore) -> Known<'a> {
    let name = &restore.spec.backup_name;
    let place = if name.is_empty() {
        Place::None("the restore names no backup yet".to_owned())
    } else {
        match Objects::<Backup>::new(client, namespace).find(name).await {
            Ok(Some(backup)) => location(client, namespace, &backup.spec.storage_location).await,
            Ok(None) => Place::None(format!("backup {name:?} does not exist")),
            Err(error) => Place::NotRead(error.to_string()),
        }
    };
    Known::new(Run::Restore(restore), place)
}

async fn location(client: &Client, namespace: &str, name: &str) -> Place {
    if name.is_empty() {
        return Place::None("the backup names no storage location yet".to_owned());
    }
    match Objects::<BackupStorageLocation>::new(client, namespace)
        .find(name)
        .await
    {
        Ok(location) => Place::of(name, location.as_ref()),
        Err(error) => Place::NotRead(error.to_string()),
    }
}
