//! backup-deletion: a request deletes a backup with its restores, its files and what lies outside of them (spec backup 19.2).
//!
//! ```text
//!   plan      refusals, the stages of a request, which of several requests goes on; pure
//!   steps     the open deletion: each pass reads what is still there and removes the next part
//!   owner     whose files lie under the name
//!   external  snapshots and data in repositories, and where their removal attaches
//!   files     the files of the bucket, in their order
//!   wait      what an open deletion waits for, in its condition and event
//! ```
//!
//! No pass waits: it returns what the deletion waits for, and a change of that leads to the next one (spec backup 22 A4 and E4).

mod error;
mod external;
mod files;
mod owner;
pub mod plan;
mod steps;
mod wait;

pub use error::Error;
pub use external::{DataKind, ExternalData, Remover};
pub use owner::wrote_nothing;
pub use wait::{LEAVING_LEFTOVERS, Wait};

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use crate::api::v1::{Backup, BackupStorageLocation, DeleteBackupRequest, DeleteBackupRequestPhase, Restore};
use crate::api::{labels, names};
use crate::runtime::report::EventNote;
use crate::runtime::{Class, Classify as _, Controller, Manager, Next, ObjectRef, Reconciler, SharedWatch, uid_of};

use super::backup::phase::schedule_of;
use super::context::Context;
use super::watches::{BUCKET_WORKERS, Watches, refs, usable_changed};
use super::write::Written;
use plan::{Refusal, Stage};
use steps::{Deleter, Step};

/// The action in events.
const ACTION: &str = "Delete";

/// The reconciler.
pub struct Deletions {
    ctx: Arc<Context>,
    requests: SharedWatch<DeleteBackupRequest>,
    deleter: Deleter,
}

impl Deletions {
    /// A reconciler that removes nothing outside of a backup's files yet.
    pub fn new(
        ctx: Arc<Context>,
        requests: SharedWatch<DeleteBackupRequest>,
        backups: SharedWatch<Backup>,
        restores: SharedWatch<Restore>,
        locations: SharedWatch<BackupStorageLocation>,
    ) -> Self {
        Self {
            requests,
            deleter: Deleter {
                ctx: Arc::clone(&ctx),
                backups,
                restores,
                locations,
                removers: Vec::new(),
            },
            ctx,
        }
    }

    /// It also removes data with this remover.
    #[must_use]
    pub fn with(mut self, remover: Arc<dyn Remover>) -> Self {
        self.deleter.removers.push(remover);
        self
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let deletions = &watches.deletions;
        let reconciler = Self::new(
            Arc::clone(ctx),
            deletions.clone(),
            watches.backups.clone(),
            watches.restores.clone(),
            watches.locations.clone(),
        );
        let (by_request, by_backup, by_restore, by_location) = (
            deletions.clone(),
            deletions.clone(),
            deletions.clone(),
            deletions.clone(),
        );
        manager.control(
            Controller::new(reconciler, deletions)
                .workers(BUCKET_WORKERS)
                .on(deletions, move |request: &DeleteBackupRequest| {
                    Self::of_backup(&by_request, &request.spec.backup_name)
                })
                .on(&watches.backups, move |backup: &Backup| {
                    Self::of_backup(&by_backup, backup.metadata.name.as_deref().unwrap_or_default())
                })
                .on(&watches.restores, move |restore: &Restore| {
                    Self::of_restore(&by_restore, restore)
                })
                .on(
                    watches.locations.when(usable_changed()),
                    move |location: &BackupStorageLocation| Self::in_location(&by_location, location),
                ),
        );
    }

    fn of_backup(deletions: &SharedWatch<DeleteBackupRequest>, name: &str) -> Vec<ObjectRef<DeleteBackupRequest>> {
        refs(&deletions.list_where(|request| request.spec.backup_name == name))
    }

    /// The deletions that this restore may hold up. One of a schedule names its backup only once it is validated.
    fn of_restore(
        deletions: &SharedWatch<DeleteBackupRequest>,
        restore: &Restore,
    ) -> Vec<ObjectRef<DeleteBackupRequest>> {
        let name = &restore.spec.backup_name;
        let is_scheduled = !restore.spec.schedule_name.is_empty();
        refs(&deletions.list_where(|request| request.spec.backup_name == *name || (is_scheduled && is_open(request))))
    }

    fn in_location(
        deletions: &SharedWatch<DeleteBackupRequest>,
        location: &BackupStorageLocation,
    ) -> Vec<ObjectRef<DeleteBackupRequest>> {
        let value = names::label_value(location.metadata.name.as_deref().unwrap_or_default());
        refs(&deletions.list_where(|request| {
            is_open(request) && plan::label(request, labels::STORAGE_LOCATION) == Some(value.as_str())
        }))
    }

    /// Deletes the other requests for this backup, if this one goes on; `false` if another one does.
    async fn leads(&self, seen: &DeleteBackupRequest) -> Result<bool, Error> {
        if seen.spec.backup_name.is_empty() {
            return Ok(true);
        }
        let others = self.requests.list_where(|other| {
            other.spec.backup_name == seen.spec.backup_name
                && uid_of(other) != uid_of(seen)
                && other.metadata.deletion_timestamp.is_none()
        });
        if others
            .iter()
            .any(|other| plan::precedence(other, seen) == Ordering::Less)
        {
            return Ok(false);
        }
        for other in others {
            self.remove(&other).await?;
        }
        Ok(true)
    }

    async fn remove(&self, request: &DeleteBackupRequest) -> Result<(), Error> {
        let removed = self.ctx.writer.remove(request).await;
        removed.map_err(|source| Error::ObjectNotRemoved {
            what: format!(
                "deletebackuprequest `{}`",
                request.metadata.name.as_deref().unwrap_or_default()
            ),
            source,
        })
    }

    async fn accept(&self, seen: &DeleteBackupRequest) -> Result<Next, Error> {
        let wanted = match self.acceptable(seen).await? {
            // One that is refused deletes no other: that may be meant for the backup that is there now.
            Err(refusal) => return self.refuse(seen, &refusal).await,
            // Another one that goes on deletes this one, or ends with it.
            Ok(_) if !self.leads(seen).await? => return Ok(Next::Resync),
            Ok(backup) => plan::accepted(seen, &backup, self.ctx.clock.now()),
        };
        // What was written arrives through the watch.
        self.ctx.writer.write(seen, &wanted).await?;
        Ok(Next::Resync)
    }

    async fn refuse(&self, seen: &DeleteBackupRequest, refusal: &Refusal) -> Result<Next, Error> {
        let wanted = plan::refused(seen, refusal, self.ctx.clock.now());
        self.ctx.writer.write(seen, &wanted).await?;
        Ok(Next::Resync)
    }

    async fn acceptable(&self, seen: &DeleteBackupRequest) -> Result<Result<Backup, Refusal>, Error> {
        let name = &seen.spec.backup_name;
        if name.is_empty() {
            return Ok(Err(Refusal::NoName));
        }
        let found = self.deleter.fresh_backup(name).await?;
        let backup = match plan::backup_of(seen, found.as_ref()) {
            Ok(backup) => backup,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let location = self.deleter.fresh_location(&backup.spec.storage_location).await?;
        // Without a location the files are left where they are, if that was asked for.
        let is_left = location.is_none() && steps::is_leaving(seen);
        if let Err(refusal) = plan::location_of(backup, location.as_ref())
            && !is_left
        {
            return Ok(Err(refusal));
        }
        Ok(found.ok_or(Refusal::NoBackup))
    }

    async fn work(&self, seen: &DeleteBackupRequest) -> Result<Next, Error> {
        if !self.leads(seen).await? {
            return Ok(Next::Resync);
        }
        match self.deleter.step(seen).await {
            Ok(Step::Again) => Ok(Next::Resync),
            Ok(Step::Done { schedule }) => self.finish(seen, &schedule).await,
            Ok(Step::Refused(refusal)) => self.refuse(seen, &refusal).await,
            Ok(Step::Wait(wait)) => {
                let is_new = self.show(seen, &wait).await?;
                if is_new && !matches!(wait, Wait::RestoresRemain(_)) {
                    self.ctx
                        .events
                        .publish(seen, EventNote::warning(wait.reason(), ACTION, wait.message()));
                }
                Ok(Next::Resync)
            }
            Err(error) => {
                if error.class() != Class::Lost {
                    let wait = Wait::Failed {
                        reason: error.reason(),
                        message: error.to_string(),
                    };
                    // The error is reported as an event, whether or not it can be shown.
                    if let Err(unwritten) = self.show(seen, &wait).await {
                        tracing::warn!(error = %unwritten, "the failure of a deletion was not shown in its request");
                    }
                }
                Err(error)
            }
        }
    }

    /// Shows what the deletion waits for. True if that is new.
    async fn show(&self, seen: &DeleteBackupRequest, wait: &Wait) -> Result<bool, Error> {
        let mut wanted = seen.clone();
        let is_new = wait.show(&mut wanted, self.ctx.clock.now());
        let is_written = self.ctx.writer.write(seen, &wanted).await? == Written::Done;
        if is_new && is_written && !wait.is_progress() {
            let key = ObjectRef::new(&seen.spec.backup_name).within(&self.ctx.namespace);
            let backup = self.deleter.backups.get(&key);
            let schedule = backup.as_deref().map_or("", schedule_of);
            self.ctx.metrics.backup_deletion_ended(schedule, false);
        }
        Ok(is_new && is_written)
    }

    async fn finish(&self, seen: &DeleteBackupRequest, schedule: &str) -> Result<Next, Error> {
        let wanted = plan::processed(seen);
        // A conflict comes of the last pass, whose write the watch has not shown: the request goes all the same, and no other pass counts it.
        if self.ctx.writer.write(seen, &wanted).await? != Written::Unchanged {
            self.ctx.metrics.backup_deletion_ended(schedule, true);
            tracing::info!(backup = seen.spec.backup_name, "the backup is deleted");
        }
        self.remove(seen).await?;
        Ok(Next::Resync)
    }
}

fn is_open(request: &DeleteBackupRequest) -> bool {
    *request.status.phase() == DeleteBackupRequestPhase::InProgress
}

impl Reconciler for Deletions {
    type Kind = DeleteBackupRequest;
    type Error = Error;
    const NAME: &'static str = "backup-deletion";
    const RESYNC: Duration = Duration::from_hours(1);

    async fn reconcile(&self, seen: Arc<DeleteBackupRequest>) -> Result<Next, Error> {
        match plan::stage(&seen, self.ctx.clock.now()) {
            Stage::Accept => self.accept(&seen).await,
            Stage::Work => self.work(&seen).await,
            Stage::Shown(until) => Ok(Next::At(until)),
            Stage::Remove => {
                self.remove(&seen).await?;
                Ok(Next::Resync)
            }
            Stage::LeaveAlone => Ok(Next::Resync),
        }
    }
}
