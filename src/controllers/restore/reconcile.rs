//! restore: from New to a final phase, and the clean-up of a Restore that is deleted. A pass validates, starts the
//! operation where there is none, shows its progress, and records its end.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::api::condition::{self, ConditionStatus};
use crate::api::finalizers::RESTORE_EXTERNAL_RESOURCES;
use crate::api::time;
use crate::api::v1::{Backup, BackupStorageLocation, Restore, RestorePhase, RestoreProgress, RestoreStatus};
use crate::restore::progress::Standstill;
use crate::runtime::operation::{Outcome, Seen, Start};
use crate::runtime::{Class, Classify, Next, ObjectRef, Operations, Reconciler, SharedWatch, Uid, uid_of};
use crate::store::{StoreError, layout};
use crate::telemetry::velero::Ended as Counted;

use super::super::artifact::running::Running;
use super::super::broken_off::BrokenOff;
use super::super::location::{self, LocationError};
use super::super::ports::Ports;
use super::super::story;
use super::super::write::{WriteError, Written};
use super::run::{Ended, Job, Underway};
use super::source;

/// How long to wait before a run that broke off is begun again.
const AGAIN: Duration = Duration::from_secs(10);

/// The condition of a restore that has come to a standstill.
const BLOCKED: &str = "Blocked";

/// The operations of restores.
pub type RestoreOperations = Operations<Restore, Ended, Underway>;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the restore's status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The run broke off.
    #[error("the restore broke off and will be begun again: {0}")]
    BrokeOff(String),
    /// Its backup or the location of it could not be read.
    #[error("reading the restore's backup failed: {0}; check that the API server is reachable")]
    SourceNotRead(#[from] kube::Error),
    /// Its backup or the location of it is gone.
    #[error("{0}; create it again, or delete the restore")]
    SourceGone(String),
    /// The files of a deleted restore cannot be removed.
    #[error("removing the restore's files from the storage location failed: {0}")]
    FilesNotRemoved(#[from] StoreError),
    /// The location with the files of a deleted restore cannot be used.
    #[error("removing the restore's files failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// The location with the files of a deleted restore is not available.
    #[error(
        "the restore's files cannot be removed while storage location `{0}` is unavailable, and it stays until they are; check `velero backup-location get`, or delete the location if it is gone for good: then the restore goes, and its files stay in the bucket"
    )]
    LocationUnavailable(String),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        BrokeOff,
        SourceNotRead,
        SourceGone,
        FilesNotRemoved,
        LocationUnusable,
        LocationUnavailable
    );

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Restores {
    ports: Arc<Ports>,
    backups: SharedWatch<Backup>,
    locations: SharedWatch<BackupStorageLocation>,
    operations: RestoreOperations,
    running: Running,
    broken_off: BrokenOff,
    /// For what reasons each was said to be blocked: an event is told once a reason.
    told: Mutex<HashMap<Uid, BTreeSet<&'static str>>>,
}

impl Restores {
    /// A reconciler of restores.
    pub fn new(
        ports: Arc<Ports>,
        backups: SharedWatch<Backup>,
        locations: SharedWatch<BackupStorageLocation>,
        operations: RestoreOperations,
        running: Running,
    ) -> Self {
        Self {
            ports,
            backups,
            locations,
            operations,
            running,
            broken_off: BrokenOff::default(),
            told: Mutex::default(),
        }
    }

    async fn write(&self, seen: &Restore, wanted: &Restore) -> Result<bool, Error> {
        Ok(self.ports.write(seen, wanted).await? != Written::Conflict)
    }

    /// The backup of a restore and where it lies.
    fn source(&self, restore: &Restore) -> Result<(Arc<Backup>, Arc<BackupStorageLocation>), String> {
        let namespace = &self.ports.namespace;
        let name = &restore.spec.backup_name;
        let backup = self
            .backups
            .get(&ObjectRef::new(name).within(namespace))
            .ok_or_else(|| format!("backup `{name}` is not there"))?;
        let name = &backup.spec.storage_location;
        let location = self
            .locations
            .get(&ObjectRef::new(name).within(namespace))
            .ok_or_else(|| format!("storage location `{name}` is not there"))?;
        Ok((backup, location))
    }

    async fn validate(&self, seen: &Restore) -> Result<Next, Error> {
        let now = self.ports.clock.now();
        let mut wanted = source::judge(&self.ports, &self.backups, &self.locations, seen).await?;
        guard(&mut wanted);
        conditions(&mut wanted.status, now);
        if self.write(seen, &wanted).await? {
            let schedule = &wanted.spec.schedule_name;
            self.ports.metrics.restore_started(schedule);
            if *wanted.status.phase() == RestorePhase::FailedValidation {
                self.ports
                    .metrics
                    .restore_ended(schedule, Counted::FailedValidation, None);
            }
        }
        Ok(Next::Resync)
    }

    async fn carry(&self, seen: &Arc<Restore>) -> Result<Next, Error> {
        let uid = uid_of(&**seen);
        match self.operations.get(&uid) {
            None => match self.broken_off.wait(&uid) {
                Some(wait) => Ok(Next::After(wait)),
                None => self.start(seen),
            },
            Some(Seen::Running { progress: None, .. }) => Ok(Next::Resync),
            Some(Seen::Running {
                progress: Some(underway),
                ..
            }) => {
                let mut wanted = (**seen).clone();
                wanted.status.progress = Some(forward(seen.status.progress.as_ref(), &underway.progress));
                let standstill = underway.standstill.as_ref();
                blocked(&mut wanted.status, standstill, self.ports.clock.now());
                self.write(seen, &wanted).await?;
                if let Some(standstill) = standstill {
                    self.tell(seen, &uid, standstill);
                }
                Ok(Next::Resync)
            }
            Some(Seen::Ended(outcome)) => match &*outcome {
                Outcome::Returned(Ended::Final(status)) => {
                    if !self.record(seen, status).await? {
                        return Ok(Next::After(Duration::from_secs(1)));
                    }
                    self.operations.acknowledge(&uid);
                    Ok(Next::Resync)
                }
                Outcome::Returned(Ended::Again(reason)) => {
                    self.broken_off.once_more(&uid);
                    self.operations.acknowledge(&uid);
                    Err(Error::BrokeOff(reason.clone()))
                }
                Outcome::Panicked(message) => {
                    self.broken_off.once_more(&uid);
                    self.operations.acknowledge(&uid);
                    Err(Error::BrokeOff(format!("it panicked: {message}; please report this")))
                }
            },
        }
    }

    /// Publishes an event about a standstill, once a reason.
    fn tell(&self, seen: &Restore, uid: &Uid, standstill: &Standstill) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.entry(uid.clone()).or_default().insert(standstill.reason) {
            self.ports.reporter.publish(seen, story::restore_blocked(standstill));
        }
    }

    /// It has ended, or is gone.
    fn forget(&self, uid: &Uid) {
        self.broken_off.forget(uid);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    #[expect(
        clippy::result_large_err,
        reason = "the error of the whole pass; it is made once a pass"
    )]
    fn start(&self, seen: &Arc<Restore>) -> Result<Next, Error> {
        let key = ObjectRef::from_obj(&**seen);
        let (backup, location) = self.source(seen).map_err(Error::SourceGone)?;
        let job = Job {
            ports: Arc::clone(&self.ports),
            running: self.running.clone(),
            restore: Arc::clone(seen),
            backup,
            location,
        };
        match self
            .operations
            .start_if_absent(&uid_of(&**seen), &key, "restore", |handle| job.run(handle))
        {
            Start::Started | Start::Present | Start::Full => Ok(Next::Resync),
            Start::Closed => Ok(Next::After(AGAIN)),
        }
    }

    async fn record(&self, seen: &Restore, ended: &RestoreStatus) -> Result<bool, Error> {
        let mut wanted = seen.clone();
        wanted.status = RestoreStatus {
            conditions: seen.status.conditions.clone(),
            ..ended.clone()
        };
        conditions(&mut wanted.status, self.ports.clock.now());
        let written = self.ports.write(seen, &wanted).await?;
        if written == Written::Done {
            let counted = match wanted.status.phase() {
                RestorePhase::Completed => Counted::Completed,
                RestorePhase::PartiallyFailed => Counted::PartiallyFailed,
                RestorePhase::FailedValidation => Counted::FailedValidation,
                _ => Counted::Failed,
            };
            let status = &wanted.status;
            let ends = status
                .start_timestamp
                .as_ref()
                .zip(status.completion_timestamp.as_ref());
            let took = ends.map(|(start, end)| end.0.as_second() - start.0.as_second());
            let metrics = &self.ports.metrics;
            metrics.restore_ended(&wanted.spec.schedule_name, counted, took);
        }
        Ok(written != Written::Conflict)
    }

    /// A Restore that is being deleted: its operation ends, then its files go, then its finalizer (spec restore 3.6).
    async fn clean_up(&self, seen: &Restore) -> Result<Next, Error> {
        let uid = uid_of(seen);
        match self.operations.get(&uid) {
            Some(Seen::Running { .. }) => {
                self.operations.cancel(&uid);
                // Its end is the next reason to look.
                return Ok(Next::Resync);
            }
            Some(Seen::Ended(_)) => {
                self.operations.acknowledge(&uid);
            }
            None => {}
        }
        if !guarded(seen) {
            return Ok(Next::Resync);
        }
        // Without a backup or a location nobody knows where files could be: there is nothing to remove.
        if let Ok((_, location)) = self.source(seen) {
            let name = location.metadata.name.clone().unwrap_or_default();
            if !location.is_available() {
                return Err(Error::LocationUnavailable(name));
            }
            let store = location::open(&self.ports, &location).await?;
            store
                .delete_prefix(&layout::restore_dir(seen.metadata.name.as_deref().unwrap_or_default()))
                .await?;
        }
        let mut wanted = seen.clone();
        if let Some(finalizers) = &mut wanted.metadata.finalizers {
            finalizers.retain(|f| f != RESTORE_EXTERNAL_RESOURCES);
        }
        self.write(seen, &wanted).await?;
        Ok(Next::Resync)
    }
}

impl Reconciler for Restores {
    type Kind = Restore;
    type Error = Error;
    const NAME: &'static str = "restore";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<Restore>) -> Result<Next, Error> {
        if seen.metadata.deletion_timestamp.is_some() {
            return self.clean_up(&seen).await;
        }
        match seen.status.phase() {
            RestorePhase::New => self.validate(&seen).await,
            RestorePhase::InProgress => self.carry(&seen).await,
            _ => {
                self.forget(&uid_of(&*seen));
                self.operations.acknowledge(&uid_of(&*seen));
                if !guarded(&seen) {
                    let mut wanted = (*seen).clone();
                    guard(&mut wanted);
                    self.write(&seen, &wanted).await?;
                }
                Ok(Next::Resync)
            }
        }
    }

    fn gone(&self, _key: &ObjectRef<Restore>, uid: &Uid) {
        self.forget(uid);
    }
}

fn guarded(restore: &Restore) -> bool {
    restore
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|f| f == RESTORE_EXTERNAL_RESOURCES)
}

fn guard(restore: &mut Restore) {
    if !guarded(restore) {
        restore
            .metadata
            .finalizers
            .get_or_insert_default()
            .push(RESTORE_EXTERNAL_RESOURCES.to_owned());
    }
}

/// Progress as the status shows it: it never goes back, even over a restart.
fn forward(shown: Option<&RestoreProgress>, now: &RestoreProgress) -> RestoreProgress {
    let shown = shown.cloned().unwrap_or_default();
    RestoreProgress {
        total_items: now.total_items.max(shown.total_items),
        items_restored: now.items_restored.max(shown.items_restored),
    }
}

/// Whether the restore waits for something while nothing else is left to do: there only once it was so.
fn blocked(status: &mut RestoreStatus, standstill: Option<&Standstill>, now: jiff::Timestamp) {
    let (conditions, now) = (&mut status.conditions, time(now));
    if let Some(Standstill { reason, message }) = standstill {
        condition::set(conditions, BLOCKED, ConditionStatus::True, reason, message, &now);
    } else if condition::find(conditions, BLOCKED).is_some_and(|found| found.status == ConditionStatus::True) {
        condition::set(conditions, BLOCKED, ConditionStatus::False, "Released", "", &now);
    }
}

/// The phase in words that `kubectl wait` understands; nothing depends on them (decision 1).
fn conditions(status: &mut RestoreStatus, now: jiff::Timestamp) {
    blocked(status, None, now);
    let now = time(now);
    let phase = status.phase().to_string();
    let (validated, done) = match status.phase() {
        RestorePhase::FailedValidation => (ConditionStatus::False, ConditionStatus::False),
        RestorePhase::Completed => (ConditionStatus::True, ConditionStatus::True),
        RestorePhase::PartiallyFailed | RestorePhase::Failed => (ConditionStatus::True, ConditionStatus::False),
        _ => (ConditionStatus::True, ConditionStatus::Unknown),
    };
    let why = if status.validation_errors.is_empty() {
        status.failure_reason.clone()
    } else {
        status.validation_errors.join("; ")
    };
    condition::set(
        &mut status.conditions,
        "Validated",
        validated,
        &phase,
        why.clone(),
        &now,
    );
    condition::set(&mut status.conditions, "Completed", done, &phase, why, &now);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controllers::testing::world::{Process, World};
    use crate::runtime::testing::death::Dies;

    #[test]
    fn the_condition_blocked_is_there_once_it_was_so_and_moves_with_the_standstill() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let standstill = |reason, message: &str| Standstill {
            reason,
            message: message.to_owned(),
        };
        let mut status = RestoreStatus::default();
        blocked(&mut status, None, at(1));
        assert!(status.conditions.is_empty());
        let steps = [
            (
                Some(standstill("QuotaExceeded", "pods/a/b waits")),
                "True",
                "QuotaExceeded",
                2,
            ),
            (
                Some(standstill("TypeNotServed", "x/a/b waits")),
                "True",
                "TypeNotServed",
                2,
            ),
            (None, "False", "Released", 4),
            (None, "False", "Released", 4),
        ];
        for (number, (standstill, expected, reason, since)) in (2..).zip(steps) {
            blocked(&mut status, standstill.as_ref(), at(number));
            let found = condition::find(&status.conditions, BLOCKED).unwrap();
            assert_eq!(
                (found.status.to_string().as_str(), found.reason.as_str()),
                (expected, reason)
            );
            assert_eq!(found.last_transition_time, Some(time(at(since))));
        }
        blocked(&mut status, Some(&standstill("Conflict", "")), at(9));
        status.phase = Some(RestorePhase::Completed);
        conditions(&mut status, at(10));
        let found = condition::find(&status.conditions, BLOCKED).unwrap();
        assert_eq!(found.status, ConditionStatus::False, "it has ended");
    }

    #[tokio::test]
    async fn a_backup_that_the_store_has_not_seen_yet_is_no_reason_to_refuse_its_restore() {
        let world = World::new();
        world.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "nightly", "namespace": "velero"},
            "spec": {"storageLocation": "default"}, "status": {"phase": "Completed"},
        }));
        let process = Process::start(&world, Dies::Never).await;
        let restores = Restores::new(
            Arc::clone(&process.ports),
            SharedWatch::fixed([]),
            SharedWatch::fixed([]),
            RestoreOperations::new(),
            Running::default(),
        );
        for (backup, phase) in [("nightly", "InProgress"), ("weekly", "FailedValidation")] {
            world.ask("Restore", backup, json!({"backupName": backup}));
            let seen: Restore = serde_json::from_value(world.object("Restore", backup)).unwrap();
            restores.reconcile(Arc::new(seen)).await.unwrap();
            assert_eq!(world.phase("Restore", backup), phase);
        }
        process.kill().await;
    }
}
