//! What a backup leaves behind that does not go on.

use futures::TryStreamExt;

use crate::api::v1::{Backup, BackupPhase};
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{Recorded, RunId, RunState};
use crate::store::layout::{BackupFile, backup_claim, backup_dir};
use crate::store::{Store, StoreError};

use super::name_lock;
use super::reconcile::Backups;

impl Recorded for Backups {
    fn state(backup: &Backup) -> RunState {
        match backup.status.phase() {
            BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress => {
                RunState::Running
            }
            // The record is the finalizer's too.
            phase if phase.is_waiting_for_operations() || phase.is_finalizing() => RunState::Running,
            BackupPhase::Failed => RunState::Failed,
            _ => RunState::Ended,
        }
    }

    async fn put_in_order(
        store: &Store,
        run: &RunId,
        uploads: &Uploads<'_>,
        state: RunState,
    ) -> Result<(), StoreError> {
        let holder = name_lock::holder(store, &run.name).await?;
        if holder.as_ref().is_some_and(|lock| lock.uid != run.uid.as_str()) {
            return Ok(());
        }
        // Without a lock it may have died while it wrote that.
        uploads.sweep(store, &backup_dir(&run.name)).await?;
        if holder.is_none() {
            return Ok(());
        }
        // What is sealed is a backup, whether its object is here or not.
        if store.head(&BackupFile::Metadata.key(&run.name)).await?.is_none() {
            remove_unsealed(store, &run.name, state).await?;
        }
        name_lock::release(store, &run.name).await
    }
}

/// Removes the files of a run that has no backup. The lock stays, so that no other run writes there meanwhile.
///
/// # Errors
/// See [`StoreError`]. May be repeated.
pub(super) async fn remove_unsealed(store: &Store, backup: &str, state: RunState) -> Result<(), StoreError> {
    let mut kept = vec![backup_claim(backup)];
    if state == RunState::Failed {
        kept.extend([BackupFile::Log.key(backup), BackupFile::Results.key(backup)]);
    }
    let mut files = store.list(&backup_dir(backup));
    while let Some(file) = files.try_next().await? {
        if !kept.contains(&file.key) {
            store.delete(&file.key).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_goes_on_until_its_end_is_recorded() {
        for (phase, state) in [
            ("InProgress", RunState::Running),
            ("ReadyToStart", RunState::Running),
            ("WaitingForPluginOperations", RunState::Running),
            ("FinalizingPartiallyFailed", RunState::Running),
            ("Completed", RunState::Ended),
            ("PartiallyFailed", RunState::Ended),
            ("Failed", RunState::Failed),
            ("Deleting", RunState::Ended),
        ] {
            let mut backup = Backup::new("velero", "b");
            backup.status.phase = Some(BackupPhase::from(phase));
            assert_eq!(Backups::state(&backup), state, "{phase}");
        }
    }
}
