//! run-record: removes the record of a run whose end is recorded, and puts in order what a run left whose object is gone.
//!
//! A Backup or Restore can be deleted while it runs, also while no server runs. Its run leaves unfinished files in the bucket. The record
//! outlives the object: it says where they are and which run they belong to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Resource as _;

use crate::api::v1::BackupStorageLocation;
use crate::cluster::{ApiError, objects};
use crate::controllers::context::Context;
use crate::controllers::location::{self, LocationError};
use crate::controllers::watches::BUCKET_WORKERS;
use crate::runtime::operation::{RunOperations, Seen};
use crate::runtime::{Class, Classify, Controller, Kind, Next, ObjectRef, Reconciler, SharedWatch, Uid, uid_of};
use crate::store::{Store, StoreError};

use super::record::{Record, RecordError, RecordedRun, record_name};
use super::recorded::{Recorded, RunState};
use super::uploads::Uploads;

/// When to look again at a run that was cancelled.
const ENDING: Duration = Duration::from_secs(1);

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record was not removed.
    #[error(transparent)]
    RecordNotRemoved(RecordError),
    /// This release cannot read the record.
    #[error(transparent)]
    RecordUnknown(RecordError),
    /// No kind of run of this release is called like that.
    #[error(
        "the run record is of kind `{0}`, which this release does not know; it is left alone: run the release that wrote it, or delete the ConfigMap if its run is not to go on"
    )]
    KindUnknown(String),
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
        RecordUnknown,
        KindUnknown,
        OwnerUnknown,
        LocationUnusable,
        LocationUnavailable,
        LeftoversNotRemoved
    );

    fn class(&self) -> Class {
        match self {
            Self::RecordNotRemoved(RecordError::NotLeading(_)) => Class::Lost,
            Self::RecordUnknown(_) | Self::KindUnknown(_) => Class::Invalid,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct RunRecords {
    ctx: Arc<Context>,
    locations: SharedWatch<BackupStorageLocation>,
    kinds: BTreeMap<String, Box<dyn RunKind>>,
}

/// What a watch shows of a run's object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    uid: Uid,
    state: RunState,
}

/// The state of a run by what is in memory, if that is enough.
fn known(uid: &Uid, shown: Option<&Shown>, is_running: bool) -> Option<RunState> {
    let own = shown.filter(|shown| shown.uid == *uid).map(|shown| shown.state);
    match own {
        Some(RunState::Running) => Some(RunState::Running),
        _ if is_running => Some(RunState::Ending),
        own => own,
    }
}

/// A kind of run, whatever its types.
trait RunKind: Send + Sync {
    /// The object's kind as it is served.
    fn kind(&self) -> String;
    fn shown(&self, key: (&str, &str)) -> Option<Shown>;
    fn is_running(&self, uid: &Uid) -> bool;
    fn may_have_left_files(&self, record: &Record) -> bool;
    fn put_in_order<'a>(
        &'a self,
        store: &'a Store,
        run: &'a RecordedRun,
        uploads: &'a Uploads<'_>,
        state: RunState,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

struct Watched<R: Recorded> {
    objects: SharedWatch<R::Kind>,
    operations: RunOperations<R>,
}

impl<R: Recorded> RunKind for Watched<R> {
    fn kind(&self) -> String {
        R::Kind::kind(&()).into_owned()
    }

    fn shown(&self, (namespace, name): (&str, &str)) -> Option<Shown> {
        let object = self.objects.get(&ObjectRef::new(name).within(namespace))?;
        Some(Shown {
            uid: uid_of(&*object),
            state: R::state(&object),
        })
    }

    fn is_running(&self, uid: &Uid) -> bool {
        matches!(self.operations.get(uid), Some(Seen::Running { .. }))
    }

    fn may_have_left_files(&self, record: &Record) -> bool {
        R::may_have_left_files(record)
    }

    fn put_in_order<'a>(
        &'a self,
        store: &'a Store,
        run: &'a RecordedRun,
        uploads: &'a Uploads<'_>,
        state: RunState,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        R::put_in_order(store, &run.id, uploads, state).boxed()
    }
}

impl RunRecords {
    /// A reconciler that knows no kind of run yet.
    pub fn new(ctx: Arc<Context>, locations: SharedWatch<BackupStorageLocation>) -> Self {
        Self {
            ctx,
            locations,
            kinds: BTreeMap::new(),
        }
    }

    /// Takes care of the records of this kind of run.
    #[must_use]
    pub fn with<R: Recorded>(mut self, objects: SharedWatch<R::Kind>, operations: RunOperations<R>) -> Self {
        let kind = Watched::<R> { objects, operations };
        self.kinds.insert(kind.kind().to_lowercase(), Box::new(kind));
        self
    }

    /// The record of a run of this object; for the controller's triggers.
    pub fn of<K: Kind>(object: &K) -> Option<ObjectRef<ConfigMap>> {
        let meta = object.meta();
        let name = record_name(meta.uid.as_deref()?);
        Some(ObjectRef::new(&name).within(meta.namespace.as_deref()?))
    }

    /// Its controller, to which the caller adds the watches of the kinds as triggers.
    pub fn controller(self, records: &SharedWatch<ConfigMap>) -> Controller<Self> {
        Controller::new(self, records).workers(BUCKET_WORKERS)
    }

    async fn state(&self, kind: &dyn RunKind, run: &RecordedRun) -> Result<RunState, Error> {
        let shown = kind.shown((&self.ctx.namespace, &run.id.name));
        match known(&run.id.uid, shown.as_ref(), kind.is_running(&run.id.uid)) {
            Some(state) => Ok(state),
            // The watches of two kinds do not go in step.
            None => self.fresh_state(kind, run).await,
        }
    }

    async fn fresh_state(&self, kind: &dyn RunKind, run: &RecordedRun) -> Result<RunState, Error> {
        let Some(resource) = self.ctx.writer.resource(&kind.kind()) else {
            return Ok(RunState::Running);
        };
        let found = objects::get(&self.ctx.cluster, resource, Some(&self.ctx.namespace), &run.id.name).await?;
        let is_there = found.is_some_and(|object| object["metadata"]["uid"] == *run.id.uid.as_str());
        Ok(if is_there { RunState::Running } else { RunState::Gone })
    }

    async fn put_in_order(
        &self,
        kind: &dyn RunKind,
        run: &RecordedRun,
        record: &Record,
        state: RunState,
    ) -> Result<(), Error> {
        let key = ObjectRef::new(&run.location).within(&self.ctx.namespace);
        // Without its location the files cannot be found.
        let Some(location) = self.locations.get(&key) else {
            return Ok(());
        };
        if !location.is_available() {
            return Err(Error::LocationUnavailable(run.location.clone()));
        }
        let store = location::open(&self.ctx, &location).await?;
        let uploads = Uploads::new(&self.ctx, record.clone()).map_err(Error::RecordUnknown)?;
        uploads.abort(&store).await?;
        Ok(kind.put_in_order(&store, run, &uploads, state).await?)
    }
}

impl Reconciler for RunRecords {
    type Kind = ConfigMap;
    type Error = Error;
    const NAME: &'static str = "run-record";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<ConfigMap>) -> Result<Next, Error> {
        let Some(run) = RecordedRun::read(&seen) else {
            return Ok(Next::Resync);
        };
        let record = Record::read(&self.ctx, (*seen).clone()).map_err(Error::RecordUnknown)?;
        let Some(kind) = self.kinds.get(&run.id.kind) else {
            return Err(Error::KindUnknown(run.id.kind));
        };
        let state = self.state(&**kind, &run).await?;
        match state {
            RunState::Running => return Ok(Next::Resync),
            // No change of its object leads to the next pass.
            RunState::Ending => return Ok(Next::After(ENDING)),
            // Such an end is recorded after everything else was put in order.
            RunState::Ended if !kind.may_have_left_files(&record) => {}
            RunState::Ended | RunState::Failed | RunState::Gone => {
                self.put_in_order(&**kind, &run, &record, state).await?;
            }
        }
        if state == RunState::Gone {
            tracing::info!(
                kind = run.id.kind,
                name = run.id.name,
                uid = %run.id.uid,
                "the object of a run is gone; what the run left is put in order"
            );
        }
        record.remove(&self.ctx).await.map_err(Error::RecordNotRemoved)?;
        Ok(Next::Resync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_object_is_gone_is_looked_at_again_until_its_operation_has_ended() {
        let uid = Uid::from("u");
        let own = |state| {
            Some(Shown {
                uid: uid.clone(),
                state,
            })
        };
        let another = Some(Shown {
            uid: Uid::from("v"),
            state: RunState::Running,
        });
        for (shown, is_running, state) in [
            (own(RunState::Running), true, Some(RunState::Running)),
            (own(RunState::Running), false, Some(RunState::Running)),
            (own(RunState::Failed), true, Some(RunState::Ending)),
            (own(RunState::Failed), false, Some(RunState::Failed)),
            (another.clone(), true, Some(RunState::Ending)),
            (another, false, None),
            (None, true, Some(RunState::Ending)),
            (None, false, None),
        ] {
            assert_eq!(known(&uid, shown.as_ref(), is_running), state, "{shown:?} {is_running}");
        }
    }
}
