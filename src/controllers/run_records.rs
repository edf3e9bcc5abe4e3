//! run-record: removes the record of a run whose end is recorded, and puts in order what a run left whose object is gone.
//!
//! Whoever deletes a Backup or Restore that runs, with a server or without one, leaves halves in the bucket that nobody would
//! ever look at again. The run's record outlives the object for that: it says where to look and whose it is.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::api::v1::{Backup, BackupPhase, BackupStorageLocation, Restore, RestorePhase};
use crate::cluster::{ApiError, objects};
use crate::runtime::operation::Seen;
use crate::runtime::{Class, Classify, Kind, Next, ObjectRef, Reconciler, SharedWatch, Uid};
use crate::store::layout::{BackupFile, backup_claim, backup_dir, restore_dir};
use crate::store::{Store, StoreError};

use super::backup::claim;
use super::backup::reconcile::BackupOperations;
use super::location::{self, LocationError};
use super::ports::Ports;
use super::record::{Record, RecordError, RunOf, record_name};
use super::restore::reconcile::RestoreOperations;
use super::restore::record as ledger;
use super::uploads::Uploads;

/// When to look again at a run that was told to stop.
const ENDING: Duration = Duration::from_secs(1);

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record was not removed.
    #[error(transparent)]
    RecordNotRemoved(#[from] RecordError),
    /// Whether the object still exists is not known.
    #[error("looking whether the object of a run record still exists failed: {0}")]
    OwnerUnknown(#[from] ApiError),
    /// The location cannot be opened.
    #[error("putting in order what a run left in its storage location failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// The location cannot be used now.
    #[error(
        "what a run left in storage location `{0}` cannot be put in order while that is unavailable; check `velero backup-location get`"
    )]
    LocationUnavailable(String),
    /// The store refused.
    #[error("putting in order what a run left in its storage location failed: {0}")]
    LeftoversNotRemoved(#[from] StoreError),
}

impl Classify for Error {
    crate::runtime::reasons!(
        RecordNotRemoved,
        OwnerUnknown,
        LocationUnusable,
        LocationUnavailable,
        LeftoversNotRemoved
    );

    fn class(&self) -> Class {
        match self {
            Self::RecordNotRemoved(RecordError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct RunRecords {
    ports: Arc<Ports>,
    backups: SharedWatch<Backup>,
    restores: SharedWatch<Restore>,
    locations: SharedWatch<BackupStorageLocation>,
    backup_operations: BackupOperations,
    restore_operations: RestoreOperations,
}

/// How a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It goes on, here or with the next who leads.
    Running,
    /// Its object is gone or over, and its operation is about to notice.
    Ending,
    /// Its end is recorded.
    Ended,
    /// Its end is recorded, and it left nothing that is of use but its log.
    Failed,
    /// Its object is gone.
    Gone,
}

/// What the watches show of a run's object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    uid: String,
    state: State,
}

fn shown<K: Kind>(object: &K, state: State) -> Shown {
    Shown {
        uid: object.meta().uid.clone().unwrap_or_default(),
        state,
    }
}

/// How a run is by what is known of its object here, if that is enough to tell.
fn judge(uid: &str, shown: Option<&Shown>, at_work: bool) -> Option<State> {
    let own = shown.filter(|shown| shown.uid == uid).map(|shown| shown.state);
    match own {
        Some(State::Running) => Some(State::Running),
        _ if at_work => Some(State::Ending),
        own => own,
    }
}

fn of_backup(backup: &Backup) -> State {
    match backup.status.phase() {
        BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress => State::Running,
        BackupPhase::Failed => State::Failed,
        _ => State::Ended,
    }
}

fn of_restore(restore: &Restore) -> State {
    match restore.status.phase() {
        RestorePhase::New | RestorePhase::InProgress => State::Running,
        _ => State::Ended,
    }
}

impl RunRecords {
    /// A reconciler of the records of these operations' runs.
    pub fn new(
        ports: Arc<Ports>,
        backups: SharedWatch<Backup>,
        restores: SharedWatch<Restore>,
        locations: SharedWatch<BackupStorageLocation>,
        operations: (BackupOperations, RestoreOperations),
    ) -> Self {
        Self {
            ports,
            backups,
            restores,
            locations,
            backup_operations: operations.0,
            restore_operations: operations.1,
        }
    }

    /// The record of a run of this object; for the controller's triggers.
    pub fn of<K: Kind>(object: &K) -> Option<ObjectRef<ConfigMap>> {
        let meta = object.meta();
        let name = record_name(meta.uid.as_deref()?);
        Some(ObjectRef::new(&name).within(meta.namespace.as_deref()?))
    }

    async fn state(&self, run: &RunOf) -> Result<State, Error> {
        let namespace = &self.ports.namespace;
        let uid = Uid::from(run.uid.as_str());
        let (kind, shown, at_work) = if run.kind == "restore" {
            let found = self.restores.get(&ObjectRef::new(&run.name).within(namespace));
            let at_work = matches!(self.restore_operations.get(&uid), Some(Seen::Running { .. }));
            ("Restore", found.map(|r| shown(&*r, of_restore(&r))), at_work)
        } else {
            let found = self.backups.get(&ObjectRef::new(&run.name).within(namespace));
            let at_work = matches!(self.backup_operations.get(&uid), Some(Seen::Running { .. }));
            ("Backup", found.map(|b| shown(&*b, of_backup(&b))), at_work)
        };
        match judge(&run.uid, shown.as_ref(), at_work) {
            Some(state) => Ok(state),
            // The watches of two kinds do not go in step: ask.
            None => self.fresh_state(kind, run).await,
        }
    }

    async fn fresh_state(&self, kind: &str, run: &RunOf) -> Result<State, Error> {
        let Some((resource, _)) = self.ports.served.of(kind) else {
            return Ok(State::Running);
        };
        let found = objects::get(&self.ports.cluster, resource, Some(&self.ports.namespace), &run.name).await?;
        let is_there = found.is_some_and(|object| object["metadata"]["uid"] == *run.uid);
        Ok(if is_there { State::Running } else { State::Gone })
    }

    async fn put_in_order(&self, run: &RunOf, record: &Record, state: State) -> Result<(), Error> {
        let key = ObjectRef::new(&run.location).within(&self.ports.namespace);
        // Without its location nobody knows where files could be.
        let Some(location) = self.locations.get(&key) else {
            return Ok(());
        };
        if !location.is_available() {
            return Err(Error::LocationUnavailable(run.location.clone()));
        }
        let store = location::open(&self.ports, &location).await?;
        let uploads = Uploads::new(&self.ports, record.clone());
        uploads.abort(&store).await?;
        if run.kind == "restore" {
            store.delete(&ledger::bucket_key(&run.name)).await?;
            return Ok(uploads.sweep(&store, &restore_dir(&run.name)).await?);
        }
        let holder = claim::holder(&store, &run.name).await?;
        if holder.as_ref().is_some_and(|claim| claim.uid != run.uid) {
            return Ok(());
        }
        // Without a claim it may have died in the middle of writing that.
        uploads.sweep(&store, &backup_dir(&run.name)).await?;
        if holder.is_none() {
            return Ok(());
        }
        // What is sealed is a backup, whether its object is here or not.
        if store.head(&BackupFile::Metadata.key(&run.name)).await?.is_none() {
            remove_unsealed(&store, &run.name, state).await?;
        }
        Ok(claim::release(&store, &run.name).await?)
    }
}

/// Removes what belongs to no backup; the claim stays, so that nobody else writes there meanwhile.
async fn remove_unsealed(store: &Store, backup: &str, state: State) -> Result<(), StoreError> {
    let mut kept = vec![backup_claim(backup)];
    if state == State::Failed {
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

impl Reconciler for RunRecords {
    type Kind = ConfigMap;
    type Error = Error;
    const NAME: &'static str = "run-record";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<ConfigMap>) -> Result<Next, Error> {
        let Some(run) = RunOf::read(&seen) else {
            return Ok(Next::Resync);
        };
        let state = self.state(&run).await?;
        let record = Record::read(&self.ports, (*seen).clone());
        match state {
            State::Running => return Ok(Next::Resync),
            // Nothing of its object will tell of the end.
            State::Ending => return Ok(Next::After(ENDING)),
            // Such an end is recorded after everything else was put in order.
            State::Ended if !ledger::is_in_bucket(&record) => {}
            State::Ended | State::Failed | State::Gone => self.put_in_order(&run, &record, state).await?,
        }
        if state == State::Gone {
            tracing::info!(
                kind = run.kind,
                name = run.name,
                uid = run.uid,
                "the object of a run is gone; what the run left is put in order"
            );
        }
        record.remove(&self.ports).await?;
        Ok(Next::Resync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_object_is_gone_is_looked_at_again_until_its_operation_has_ended() {
        let own = |state| {
            Some(Shown {
                uid: "u".to_owned(),
                state,
            })
        };
        let another = Some(Shown {
            uid: "v".to_owned(),
            state: State::Running,
        });
        for (shown, at_work, state) in [
            (own(State::Running), true, Some(State::Running)),
            (own(State::Running), false, Some(State::Running)),
            (own(State::Failed), true, Some(State::Ending)),
            (own(State::Failed), false, Some(State::Failed)),
            (another.clone(), true, Some(State::Ending)),
            (another, false, None),
            (None, true, Some(State::Ending)),
            (None, false, None),
        ] {
            assert_eq!(judge("u", shown.as_ref(), at_work), state, "{shown:?} {at_work}");
        }
    }

    #[test]
    fn a_run_goes_on_until_its_end_is_recorded() {
        for (phase, state) in [
            ("InProgress", State::Running),
            ("ReadyToStart", State::Running),
            ("Completed", State::Ended),
            ("PartiallyFailed", State::Ended),
            ("Failed", State::Failed),
            ("Deleting", State::Ended),
        ] {
            let mut backup = Backup::new("velero", "b");
            backup.status.phase = Some(BackupPhase::from(phase));
            assert_eq!(of_backup(&backup), state, "{phase}");
        }
        for (phase, state) in [
            ("InProgress", State::Running),
            ("Completed", State::Ended),
            ("Failed", State::Ended),
        ] {
            let mut restore = Restore::new("velero", "r");
            restore.status.phase = Some(RestorePhase::from(phase));
            assert_eq!(of_restore(&restore), state, "{phase}");
        }
    }
}
