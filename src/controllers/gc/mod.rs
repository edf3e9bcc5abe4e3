//! gc: a backup whose life ends gets a request for its deletion, at that time and not at the next tick (spec backup 19.1, 22 F3 and F5).

mod end;
pub mod plan;
pub mod request;

pub use end::End;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::Instrument;

use crate::api::labels;
use crate::api::v1::{Backup, BackupStorageLocation, DeleteBackupRequest, Schedule};
use crate::runtime::clock::later;
use crate::runtime::report::EventNote;
use crate::runtime::{
    Class, Classify, Controller, Manager, Next, ObjectRef, Predicate, Reconciler, SharedWatch, uid_of,
};
use crate::store::StoreError;

use super::backup::seal;
use super::backup_deletion::wrote_nothing;
use super::context::Context;
use super::fresh;
use super::location::{self, LocationError};
use super::retention::keeper::Keeper;
use super::watches::{BUCKET_WORKERS, Watches, refs};
use super::write::{WriteError, Written};
use plan::{Due, Obstacle};
use request::RequestError;

/// The action in events.
const ACTION: &str = "Expire";

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The label or the expiration was not written.
    #[error("writing the expired backup failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The backup could not be read.
    #[error("reading the expired backup failed: {0}; check that the API server is reachable")]
    BackupNotRead(#[source] kube::Error),
    /// Its schedule, or the backups of that, could not be read.
    #[error(
        "reading the retention rules of the expired backup's schedule failed: {0}; check that the API server is reachable"
    )]
    RulesNotRead(#[source] kube::Error),
    /// Its location could not be read.
    #[error(
        "reading storage location `{location}` of the expired backup failed: {source}; check `kubectl get backupstoragelocation {location}`"
    )]
    LocationNotRead {
        /// The location.
        location: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// The deletion was not requested.
    #[error(transparent)]
    RequestNotMade(#[from] RequestError),
    /// The location cannot be opened.
    #[error("opening the storage location of the expired backup failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// Whether another cluster has prolonged the backup is not known.
    #[error("reading the expiration of the backup in its storage location failed: {0}")]
    BucketUnreadable(#[from] StoreError),
}

impl Classify for Error {
    crate::runtime::reasons!(
        StatusNotWritten,
        BackupNotRead,
        RulesNotRead = "BackupsNotListed",
        LocationNotRead,
        RequestNotMade,
        LocationUnusable,
        BucketUnreadable
    );

    fn class(&self) -> Class {
        match self {
            Self::RequestNotMade(RequestError::NotLeading(_)) | Self::StatusNotWritten(WriteError::NotLeading(_)) => {
                Class::Lost
            }
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Gc {
    ctx: Arc<Context>,
    deletions: SharedWatch<DeleteBackupRequest>,
    keeper: Keeper,
}

impl Gc {
    /// A reconciler that looks for requests in this watch first.
    pub fn new(ctx: Arc<Context>, deletions: SharedWatch<DeleteBackupRequest>, keeper: Keeper) -> Self {
        Self { ctx, deletions, keeper }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let keeper = Keeper::new(Arc::clone(ctx), watches.schedules.clone());
        let reconciler = Self::new(Arc::clone(ctx), watches.deletions.clone(), keeper);
        let (in_location, of_schedule) = (watches.backups.clone(), watches.backups.clone());
        manager.control(
            Controller::new(reconciler, &watches.backups)
                .workers(BUCKET_WORKERS)
                .on(&watches.locations, move |location: &BackupStorageLocation| {
                    Self::kept_in(location, &in_location)
                })
                // Its rules may keep what has expired no longer.
                .on(
                    watches.schedules.when(Predicate::annotations_changed()),
                    move |schedule: &Schedule| Keeper::concerned(schedule, &of_schedule),
                ),
        );
    }

    /// The expired backups whose label does not say what this location is now. Most changes of a location concern none.
    pub fn kept_in(location: &BackupStorageLocation, backups: &SharedWatch<Backup>) -> Vec<ObjectRef<Backup>> {
        let now = Obstacle::of(Some(location)).map(Obstacle::word);
        refs(&backups.list_where(|backup| {
            let shown = plan::shown(backup);
            shown.is_some()
                && shown != now
                && location.metadata.name.as_deref() == Some(backup.spec.storage_location.as_str())
        }))
    }

    /// The next look at a backup that stays as it is.
    fn again(&self) -> Next {
        Next::After(self.ctx.settings.gc_frequency)
    }

    async fn expire(&self, seen: &Backup, now: Timestamp) -> Result<Next, Error> {
        // The pass is about to begin what cannot be undone. The store may not have the last change of the expiration.
        let name = seen.metadata.name.as_deref().unwrap_or_default();
        let backup: Option<Backup> = fresh::get(&self.ctx, name).await.map_err(Error::BackupNotRead)?;
        let Some(backup) = backup.filter(|backup| uid_of(backup) == uid_of(seen)) else {
            return Ok(Next::Resync);
        };
        match plan::due(&backup, End::of(&backup), now) {
            Due::Now => {}
            Due::At(end) => return Ok(self.at(end, now)),
            Due::OnChange => return Ok(Next::Resync),
        }
        // The rules are asked only now, because they cost a look at every backup of the schedule.
        if self.keeper.keeps(&backup, now).await.map_err(Error::RulesNotRead)? {
            return Ok(Next::Settled);
        }
        let location = &backup.spec.storage_location;
        let found = fresh::get::<BackupStorageLocation>(&self.ctx, location).await;
        let obstacle = match &found {
            // It has no files, and may have been refused for its location.
            _ if wrote_nothing(&backup) => None,
            Ok(found) => Obstacle::of(found.as_ref()),
            Err(_) => Some(Obstacle::CannotGet),
        };
        let wanted = plan::labelled(&backup, obstacle);
        let written = self.ctx.writer.write(&backup, &wanted).await?;
        if let Some(obstacle) = obstacle {
            if written == Written::Done {
                let note = EventNote::warning(obstacle.word(), ACTION, obstacle.note(location));
                self.ctx.events.publish(&backup, note);
            }
            return match found {
                Err(source) => Err(Error::LocationNotRead {
                    location: location.clone(),
                    source,
                }),
                Ok(_) => Ok(self.again()),
            };
        }
        if written == Written::Conflict {
            return Ok(Next::Resync);
        }
        if let Ok(Some(found)) = &found
            && !wrote_nothing(&backup)
            && let Some(end) = self.prolonged(&backup, found).await?
            && end.is_after(now)
        {
            let End::At(end) = end else {
                tracing::debug!(
                    backup = name,
                    "this backup has no expiration in its location, and is kept"
                );
                return Ok(self.again());
            };
            // The label may have been written just now; the object that the watch delivers is compared again.
            let mut wanted = backup.clone();
            wanted.status.expiration = Some(crate::api::time(end));
            let written = self.ctx.writer.write(&backup, &wanted).await?;
            tracing::info!(backup = name, until = %end, ?written, "another cluster has prolonged the life of this backup");
            return Ok(self.at(end, now));
        }
        self.request(&backup, now).await
    }

    /// The end that the bucket has of a backup that another cluster made, and may have prolonged: the seal has another uid then. An
    /// object that Velero's sync made does not say where it comes from. Without an expiration in the seal it has no end.
    async fn prolonged(&self, backup: &Backup, location: &BackupStorageLocation) -> Result<Option<End>, Error> {
        let store = location::open(&self.ctx, location).await?;
        let name = backup.metadata.name.as_deref().unwrap_or_default();
        let stored = seal::read(&store, name)
            .instrument(tracing::info_span!("read expiration"))
            .await?;
        Ok(match stored {
            seal::Stored::Backup(stored) if stored.metadata.uid != backup.metadata.uid => Some(End::of(&stored)),
            seal::Stored::Backup(_) | seal::Stored::Nothing | seal::Stored::Unreadable => None,
        })
    }

    /// Requests the deletion unless that was requested already.
    async fn request(&self, backup: &Backup, now: Timestamp) -> Result<Next, Error> {
        if request::deletion(&self.ctx, backup, now).await? {
            let note = "its time to live is over; a DeleteBackupRequest was created";
            self.ctx
                .events
                .publish(backup, EventNote::normal("Expired", ACTION, note));
        }
        Ok(self.again())
    }

    fn at(&self, end: Timestamp, now: Timestamp) -> Next {
        Next::At(end.min(later(now, self.ctx.settings.gc_frequency)))
    }
}

impl Reconciler for Gc {
    type Kind = Backup;
    type Error = Error;
    const NAME: &'static str = "gc";
    /// The flag `--garbage-collection-frequency` bounds it further.
    const RESYNC: Duration = Duration::from_hours(24);

    async fn reconcile(&self, seen: Arc<Backup>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        match plan::due(&seen, End::of(&seen), now) {
            Due::OnChange => Ok(Next::Settled),
            Due::At(end) => Ok(self.at(end, now)),
            Due::Now => {
                // Each change of a backup that is being deleted leads here.
                let is_requested = |request: &DeleteBackupRequest| {
                    let labels = request.metadata.labels.as_ref();
                    let uid = labels.and_then(|labels| labels.get(labels::BACKUP_UID));
                    plan::is_open(request) && uid.is_some_and(|uid| *uid == *uid_of(&*seen).as_str())
                };
                if !self.deletions.list_where(is_requested).is_empty() {
                    return Ok(self.again());
                }
                // What a rule keeps has no end: `retention` prolongs it, however late.
                if self.keeper.kept_lately(&seen, now) {
                    return Ok(Next::Settled);
                }
                self.expire(&seen, now).await
            }
        }
    }
}
