//! backup: from ReadyToStart to a final phase. A pass prepares, starts the operation where there is none, shows its
//! progress, and records its end; what is InProgress without an operation is begun again.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{Backup, BackupPhase, BackupProgress, BackupStatus, BackupStorageLocation};
use crate::api::{labels, time};
use crate::cluster::ApiError;
use crate::runtime::operation::{Outcome, Seen, Start};
use crate::runtime::{Class, Classify, Next, ObjectRef, Operations, Reconciler, SharedWatch, Uid, uid_of};
use crate::telemetry::velero::Ended as Counted;

use super::super::artifact::running::Running;
use super::super::broken_off::BrokenOff;
use super::super::ports::Ports;
use super::super::write::{WriteError, Written};
use super::policies::{self, PoliciesError};
use super::prepare::{Facts, prepare};
use super::run::{Ended, Job};

/// How long to wait before a run that broke off is begun again.
const AGAIN: Duration = Duration::from_secs(10);

/// How long a backup waits for a store that is away. It holds a place that others may want for stores that are not.
const PATIENCE: Duration = Duration::from_hours(1);

/// The code of an answer to an object that is larger than the API server or etcd takes.
const TOO_LARGE: u16 = 413;

/// The operations of backups.
pub type BackupOperations = Operations<Backup, Ended, BackupProgress>;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the backup's status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The resource policies cannot be read just now.
    #[error("preparing the backup failed: {0}; it is tried again")]
    PoliciesNotRead(#[source] PoliciesError),
    /// The run broke off.
    #[error("the backup broke off and will be begun again: {0}")]
    BrokeOff(String),
    /// Its location is gone.
    #[error("the storage location `{0}` of a backup under way is not there; create it again, or delete the backup")]
    LocationGone(String),
    /// Its location takes no backups any more.
    #[error(
        "the storage location `{0}` of a backup under way has become read-only; make it ReadWrite again, or delete the backup"
    )]
    LocationReadOnly(String),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        PoliciesNotRead,
        BrokeOff,
        LocationGone,
        LocationReadOnly
    );

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Backups {
    ports: Arc<Ports>,
    locations: SharedWatch<BackupStorageLocation>,
    operations: BackupOperations,
    running: Running,
    broken_off: BrokenOff,
}

impl Backups {
    /// A reconciler of backups.
    pub fn new(
        ports: Arc<Ports>,
        locations: SharedWatch<BackupStorageLocation>,
        operations: BackupOperations,
        running: Running,
    ) -> Self {
        Self {
            ports,
            locations,
            operations,
            running,
            broken_off: BrokenOff::default(),
        }
    }

    /// The backups to look at when this location changes; for the controller's triggers.
    pub fn under_way_in(location: &BackupStorageLocation, backups: &SharedWatch<Backup>) -> Vec<ObjectRef<Backup>> {
        let is_there = |backup: &Backup| {
            *backup.status.phase() == BackupPhase::InProgress
                && location.metadata.name.as_deref() == Some(backup.spec.storage_location.as_str())
        };
        let backups = backups.list_where(is_there);
        backups.iter().map(|backup| ObjectRef::from_obj(&**backup)).collect()
    }

    async fn write(&self, seen: &Backup, wanted: &Backup) -> Result<bool, Error> {
        Ok(self.ports.write(seen, wanted).await? != Written::Conflict)
    }

    async fn prepare(&self, seen: &Backup) -> Result<Next, Error> {
        let excluded = self.namespaces_excluded_by_label().await;
        let policies = match policies::fresh(&self.ports, seen).await {
            Err(error) if error.passes() => return Err(Error::PoliciesNotRead(error)),
            read => read,
        };
        let locations = self.locations.list();
        let facts = Facts {
            now: self.ports.clock.now(),
            settings: &self.ports.settings,
            locations: &locations,
            excluded_by_label: excluded.as_deref().map_err(String::as_str),
            policies: policies.as_ref(),
        };
        let mut wanted = prepare(seen, &facts);
        conditions(&mut wanted.status, facts.now);
        let written = match self.write(seen, &wanted).await {
            // Nothing that time mends: without a final phase it would keep its place in the queue from all others.
            Err(Error::StatusNotWritten(WriteError::Refused(error)))
                if error.is_invalid() || error.code == TOO_LARGE =>
            {
                wanted = unwritable(seen, &error);
                conditions(&mut wanted.status, facts.now);
                self.write(seen, &wanted).await?
            }
            written => written?,
        };
        let invalid = *wanted.status.phase() == BackupPhase::FailedValidation;
        if written {
            let schedule = schedule_of(seen);
            if invalid {
                self.ports
                    .metrics
                    .backup_ended(schedule, Counted::FailedValidation, 0, None);
            } else {
                self.ports.metrics.backup_started(schedule);
            }
        }
        // What was written arrives through the watch.
        Ok(Next::Resync)
    }

    async fn namespaces_excluded_by_label(&self) -> Result<Vec<String>, String> {
        let api: Api<Namespace> = Api::all(self.ports.cluster.client().clone());
        let selector = format!("{}=true", labels::EXCLUDE_FROM_BACKUP);
        let found = api
            .list_metadata(&ListParams::default().labels(&selector))
            .await
            .map_err(|e| e.to_string())?;
        Ok(found.items.into_iter().filter_map(|n| n.metadata.name).collect())
    }

    /// An object that is InProgress: its operation decides.
    async fn carry(&self, seen: &Arc<Backup>) -> Result<Next, Error> {
        let uid = uid_of(&**seen);
        match self.operations.get(&uid) {
            None => match self.location(seen) {
                Err(unusable) => self.without_location(seen, unusable).await,
                Ok(location) => match self.broken_off.wait(&uid) {
                    Some(wait) => Ok(Next::After(wait)),
                    None => Ok(self.start(seen, location)),
                },
            },
            Some(Seen::Running { progress: None, .. }) => Ok(Next::Resync),
            Some(Seen::Running {
                progress: Some(progress),
                ..
            }) => {
                let mut wanted = (**seen).clone();
                wanted.status.progress = Some(forward(seen.status.progress.as_ref(), &progress));
                // A conflict is no loss: the next progress comes in a second.
                self.write(seen, &wanted).await?;
                Ok(Next::Resync)
            }
            Some(Seen::Ended(outcome)) => match &*outcome {
                Outcome::Returned(Ended::Final(status, archive)) => {
                    if !self.record(seen, status, *archive).await? {
                        return Ok(Next::After(Duration::from_secs(1)));
                    }
                    self.operations.acknowledge(&uid);
                    Ok(Next::Resync)
                }
                Outcome::Returned(Ended::StoreAway(reason)) => self.away(seen, reason).await,
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

    /// Where a run that is to begin writes. One that has begun is not kept from its end by what becomes of the location.
    #[expect(
        clippy::result_large_err,
        reason = "the error of the whole pass; it is made once a pass"
    )]
    fn location(&self, seen: &Backup) -> Result<Arc<BackupStorageLocation>, Error> {
        let name = &seen.spec.storage_location;
        match self.locations.get(&ObjectRef::new(name).within(&self.ports.namespace)) {
            None => Err(Error::LocationGone(name.clone())),
            Some(location) if location.is_read_only() => Err(Error::LocationReadOnly(name.clone())),
            Some(location) => Ok(location),
        }
    }

    fn start(&self, seen: &Arc<Backup>, location: Arc<BackupStorageLocation>) -> Next {
        let key = ObjectRef::from_obj(&**seen);
        let job = Job {
            ports: Arc::clone(&self.ports),
            running: self.running.clone(),
            backup: Arc::clone(seen),
            location,
        };
        match self
            .operations
            .start_if_absent(&uid_of(&**seen), &key, "backup", |handle| job.run(handle))
        {
            Start::Started | Start::Present | Start::Full => Next::Resync,
            Start::Closed => Next::After(AGAIN),
        }
    }

    /// Somebody has to do something about its location: that is waited for, and said.
    async fn without_location(&self, seen: &Backup, unusable: Error) -> Result<Next, Error> {
        if self.broken_off.idle(&uid_of(seen)) <= PATIENCE {
            return Err(unusable);
        }
        self.give_up(seen, format!("an hour was waited in vain: {unusable}"))
            .await
    }

    /// Its store cannot be used: it is begun again later, and failed when that has no use any more.
    async fn away(&self, seen: &Backup, reason: &str) -> Result<Next, Error> {
        let uid = uid_of(seen);
        if self.broken_off.once_more(&uid) <= PATIENCE {
            self.operations.acknowledge(&uid);
            return Err(Error::BrokeOff(reason.to_owned()));
        }
        self.give_up(
            seen,
            format!("the object store was tried for an hour in vain: {reason}"),
        )
        .await
    }

    async fn give_up(&self, seen: &Backup, failure_reason: String) -> Result<Next, Error> {
        let given_up = BackupStatus {
            phase: Some(BackupPhase::Failed),
            failure_reason,
            completion_timestamp: Some(time(self.ports.clock.now())),
            ..seen.status.clone()
        };
        if !self.record(seen, &given_up, 0).await? {
            return Ok(Next::After(Duration::from_secs(1)));
        }
        self.operations.acknowledge(&uid_of(seen));
        Ok(Next::Resync)
    }

    /// Writes the final status. The counters move on the transition, so a write that changes nothing counts nothing.
    async fn record(&self, seen: &Backup, ended: &BackupStatus, archive: u64) -> Result<bool, Error> {
        let mut wanted = seen.clone();
        wanted.status = BackupStatus {
            conditions: seen.status.conditions.clone(),
            ..ended.clone()
        };
        conditions(&mut wanted.status, self.ports.clock.now());
        let written = self.ports.write(seen, &wanted).await?;
        if written == Written::Done {
            let schedule = schedule_of(seen);
            let counted = match wanted.status.phase() {
                BackupPhase::Completed => Counted::Completed,
                BackupPhase::PartiallyFailed => Counted::PartiallyFailed,
                _ => Counted::Failed,
            };
            let second = |t: &Option<crate::api::Time>| t.as_ref().map(|t| t.0.as_second());
            let end = second(&wanted.status.completion_timestamp);
            let took = second(&wanted.status.start_timestamp)
                .zip(end)
                .map(|(start, end)| end - start);
            let unsigned = |n: i64| u64::try_from(n).unwrap_or_default();
            let items = wanted.status.progress.as_ref().map_or(0, |p| unsigned(p.total_items));
            self.ports.metrics.backup_ran(
                schedule,
                archive,
                items,
                unsigned(wanted.status.errors),
                unsigned(wanted.status.warnings),
            );
            self.ports
                .metrics
                .backup_ended(schedule, counted, end.unwrap_or_default(), took);
        }
        Ok(written != Written::Conflict)
    }
}

impl Reconciler for Backups {
    type Kind = Backup;
    type Error = Error;
    const NAME: &'static str = "backup";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<Backup>) -> Result<Next, Error> {
        if seen.metadata.deletion_timestamp.is_some() {
            // Somebody's finalizer keeps it; what it left is put in order when it is gone.
            let uid = uid_of(&*seen);
            self.operations.cancel(&uid);
            self.operations.acknowledge(&uid);
            return Ok(Next::Resync);
        }
        match seen.status.phase() {
            BackupPhase::ReadyToStart => self.prepare(&seen).await,
            BackupPhase::InProgress => self.carry(&seen).await,
            _ => {
                // Its end is recorded; an outcome that came later (from a write whose answer was lost) is of no more use.
                self.broken_off.forget(&uid_of(&*seen));
                self.operations.acknowledge(&uid_of(&*seen));
                Ok(Next::Resync)
            }
        }
    }

    fn gone(&self, _key: &ObjectRef<Backup>, uid: &Uid) {
        self.broken_off.forget(uid);
    }
}

/// Progress as the status shows it: it never goes back, even over a restart.
fn forward(shown: Option<&BackupProgress>, now: &BackupProgress) -> BackupProgress {
    let shown = shown.cloned().unwrap_or_default();
    BackupProgress {
        total_items: now.total_items.max(shown.total_items),
        items_backed_up: now.items_backed_up.max(shown.items_backed_up),
    }
}

/// The refusal of a backup that the API server does not take as it would be prepared.
fn unwritable(seen: &Backup, error: &ApiError) -> Backup {
    let mut refused = seen.clone();
    refused.status.phase = Some(BackupPhase::FailedValidation);
    refused.status.queue_position = 0;
    refused.status.validation_errors = vec![format!("the API server refuses the prepared backup: {}", error.message)];
    refused
}

fn schedule_of(backup: &Backup) -> &str {
    backup
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(labels::SCHEDULE_NAME))
        .map_or("", String::as_str)
}

/// The phase in words that `kubectl wait` understands; nothing depends on them (decision 1).
pub(in super::super) fn conditions(status: &mut BackupStatus, now: jiff::Timestamp) {
    let now = time(now);
    let phase = status.phase().to_string();
    let (validated, done) = match status.phase() {
        BackupPhase::FailedValidation => (ConditionStatus::False, ConditionStatus::False),
        BackupPhase::Completed => (ConditionStatus::True, ConditionStatus::True),
        BackupPhase::PartiallyFailed | BackupPhase::Failed => (ConditionStatus::True, ConditionStatus::False),
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
    use crate::controllers::testing::available;
    use crate::controllers::testing::world::{Process, World};
    use crate::runtime::testing::death::Dies;
    use crate::testing::fake_api::{Fault, Seen as Request};

    #[test]
    fn progress_never_goes_back_though_a_resumed_run_begins_at_nothing() {
        let progress = |total_items, items_backed_up| BackupProgress {
            total_items,
            items_backed_up,
        };
        assert_eq!(forward(None, &progress(5, 1)), progress(5, 1));
        assert_eq!(forward(Some(&progress(9, 7)), &progress(5, 1)), progress(9, 7));
        assert_eq!(forward(Some(&progress(9, 7)), &progress(12, 8)), progress(12, 8));
    }

    #[tokio::test]
    async fn a_backup_that_the_api_server_does_not_take_as_prepared_gives_up_its_place() {
        for (code, reason) in [(422, "Invalid"), (413, "RequestEntityTooLarge")] {
            let world = World::new();
            world.api.insert(json!({
                "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b", "namespace": "velero"},
                "spec": {"includedNamespaces": ["shop"]}, "status": {"phase": "ReadyToStart"},
            }));
            let writes = |request: &Request| request.method == "PATCH" && request.path.contains("/backups/b");
            world
                .api
                .fault(Fault::new(1, code, reason, writes).message("it is not taken"));
            let process = Process::start(&world, Dies::Never).await;
            let backups = Backups::new(
                Arc::clone(&process.ports),
                SharedWatch::fixed([(*available("default")).clone()]),
                BackupOperations::new(),
                Running::default(),
            );
            let seen: Backup = serde_json::from_value(world.object("Backup", "b")).unwrap();
            backups.reconcile(Arc::new(seen)).await.unwrap();
            assert_eq!(world.phase("Backup", "b"), "FailedValidation", "{code}");
            let errors = world.object("Backup", "b")["status"]["validationErrors"].to_string();
            assert!(errors.contains("it is not taken"), "{errors}");
            process.kill().await;
        }
    }

    #[test]
    fn conditions_tell_the_phase_and_why() {
        let mut status = BackupStatus {
            phase: Some(BackupPhase::FailedValidation),
            ..BackupStatus::default()
        };
        status.validation_errors = vec!["a".to_owned(), "b".to_owned()];
        conditions(&mut status, jiff::Timestamp::UNIX_EPOCH);
        let completed = condition::find(&status.conditions, "Completed").unwrap();
        assert_eq!(
            (completed.status.as_str(), completed.message.as_str()),
            ("False", "a; b")
        );
    }
}
