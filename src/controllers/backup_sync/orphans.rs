//! Backups of the cluster whose files are gone from the bucket (spec backup 17 step 3, 22 D1).
//!
//! A listing is no proof: each candidate is looked for once more before its object goes. The candidates are those that had ended before the
//! listing began, so that a backup which ends meanwhile is none.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::listing::READERS;
use crate::api::v1::{Backup, BackupPhase};
use crate::api::{labels, names};
use crate::controllers::context::Context;
use crate::controllers::write::WriteError;
use crate::store::layout::BackupFile;
use crate::store::{Store, StoreError};

/// An orphan was not removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrphanError {
    /// Whether it is one is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its object was not removed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Whether the files of a backup must be in this location.
pub(super) fn must_be_in(backup: &Backup, location: &str) -> bool {
    let label = backup
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(labels::STORAGE_LOCATION));
    matches!(
        backup.status.phase(),
        BackupPhase::Completed | BackupPhase::PartiallyFailed
    ) && backup.metadata.deletion_timestamp.is_none()
        && backup.spec.storage_location == location
        && label == Some(&names::label_value(location))
}

/// Those that a listing lacks. An empty one is no reason to remove anything: the bucket may have been emptied or exchanged by mistake.
pub(super) fn candidates(ended: Vec<Arc<Backup>>, listed: &BTreeSet<String>) -> Vec<Arc<Backup>> {
    let is_missing = |backup: &Arc<Backup>| backup.metadata.name.as_ref().is_some_and(|name| !listed.contains(name));
    let missing = ended.into_iter().filter(is_missing);
    missing.filter(|_| !listed.is_empty()).collect()
}

/// Removes the objects of candidates whose metadata is not in the bucket. What they own goes with them. Returns their names.
pub(super) async fn remove(ctx: &Context, store: &Store, candidates: Vec<Arc<Backup>>) -> Vec<String> {
    let checked = stream::iter(candidates).map(|backup| async move {
        let name = backup.metadata.name.clone().unwrap_or_default();
        match remove_one(ctx, store, &backup, &name).await {
            Ok(removed) => removed.then_some(name),
            Err(error) => {
                tracing::warn!(backup = name, %error, "a backup whose files are gone was not removed");
                None
            }
        }
    });
    checked
        .buffer_unordered(READERS)
        .filter_map(std::future::ready)
        .collect()
        .await
}

async fn remove_one(ctx: &Context, store: &Store, backup: &Backup, name: &str) -> Result<bool, OrphanError> {
    if store.head(&BackupFile::Metadata.key(name)).await?.is_some() {
        return Ok(false);
    }
    ctx.writer.remove(backup).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::BackupStorageLocation;
    use crate::controllers::location;
    use crate::controllers::testing::world::{End, Process, World};
    use crate::controllers::tests::backup_death::fill;
    use crate::runtime::testing::death::Dies;

    fn backup(change: impl Fn(&mut Backup)) -> Backup {
        let mut backup = Backup::new("velero", "b");
        backup.status.phase = Some(BackupPhase::Completed);
        backup.spec.storage_location = "default".to_owned();
        backup.metadata.labels = Some([(labels::STORAGE_LOCATION.to_owned(), "default".to_owned())].into());
        change(&mut backup);
        backup
    }

    #[test]
    fn only_a_backup_that_has_ended_in_this_location_must_be_there() {
        type Change = fn(&mut Backup);
        let rows: [(&str, bool, Change); 8] = [
            ("completed", true, |_| {}),
            ("partially failed", true, |b| {
                b.status.phase = Some(BackupPhase::PartiallyFailed);
            }),
            ("failed", false, |b| b.status.phase = Some(BackupPhase::Failed)),
            ("under way", false, |b| b.status.phase = Some(BackupPhase::InProgress)),
            ("being deleted by a request", false, |b| {
                b.status.phase = Some(BackupPhase::Deleting);
            }),
            ("without a label", false, |b| b.metadata.labels = None),
            ("of another location", false, |b| {
                b.spec.storage_location = "other".to_owned();
            }),
            ("labelled with another", false, |b| {
                b.metadata.labels = Some([(labels::STORAGE_LOCATION.to_owned(), "other".to_owned())].into());
            }),
        ];
        for (case, expected, change) in rows {
            assert_eq!(must_be_in(&backup(change), "default"), expected, "{case}");
        }
    }

    #[tokio::test]
    async fn a_listing_that_lacks_a_backup_which_is_there_removes_nothing() {
        let world = World::new();
        fill(&world, "shop");
        world.ask("Backup", "b", serde_json::json!({"includedNamespaces": ["shop"]}));
        assert_eq!(world.serve(Dies::Never).await, End::Settled);
        let process = Process::start(&world, Dies::Never).await;
        let location: Arc<BackupStorageLocation> = world.watch().list().pop().unwrap();
        let store = location::open(&process.ctx, &location).await.unwrap();
        let wrong = ["other".to_owned()].into();
        let missing = candidates(world.watch().list(), &wrong);
        assert_eq!(missing.len(), 1);
        assert_eq!(remove(&process.ctx, &store, missing).await, [""; 0]);
        assert!(world.has("Backup", "b"));
        process.kill().await;
    }

    #[test]
    fn an_empty_listing_makes_no_orphans() {
        let ended = || vec![Arc::new(backup(|_| {}))];
        for (listed, expected) in [(&[][..], 0), (&["other"][..], 1), (&["b", "other"][..], 0)] {
            let listed = listed.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(candidates(ended(), &listed).len(), expected, "{listed:?}");
        }
    }
}
