//! backup-queue: from New to ReadyToStart, as far as there are free places and no earlier backup saves the same namespaces.
//! Everything is derived from the phases in the API, so a restart forgets nothing (spec backup 3, 22 A2 and A3).
//!
//! The queue is one thing, so the pass of any backup that waits carries all of it out: which backups begin, which move up, and what each
//! of the others waits for. Two things keep it from giving out more than there is: the controller has one worker, so that
//! no two passes decide at once, and a place is only given away by what the API server says at that moment, because the store
//! may not show yet what the pass before this one, or the last leader, has written.

mod plan;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;

use crate::api::condition::{self, ConditionStatus};
use crate::api::time;
use crate::api::v1::{Backup, BackupPhase};
use crate::runtime::report::EventNote;
use crate::runtime::watch::{Change, Guarded};
use crate::runtime::{
    Class, Classify, Controller, Manager, Next, ObjectRef, Predicate, Reconciler, SharedWatch, Watch, uid_of,
};

use super::cancel::end_unbegun;
use crate::controllers::context::Context;
use crate::controllers::run::cancel::is_cancelled;
use crate::controllers::watches::Watches;
use crate::controllers::write::{WriteError, Written};
use plan::Step;

/// Backups a page of what is asked for before a place is given away.
const PAGE: u32 = 100;

/// The condition that says what a backup waits for.
const CONDITION: &str = "Queued";

/// What the queue looks at in a namespace: that it is there.
pub type NamespaceMeta = PartialObjectMeta<Namespace>;

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The phase was not written.
    #[error("writing the place of backup `{backup}` in the queue failed: {reason}")]
    StatusNotWritten {
        /// The backup.
        backup: String,
        /// Why.
        #[source]
        reason: WriteError,
    },
    /// Which backups run is not known for certain.
    #[error("asking the API server which backups run failed: {0}")]
    BackupsNotListed(#[source] kube::Error),
}

impl Classify for Error {
    crate::runtime::reasons!(StatusNotWritten, BackupsNotListed);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten {
                reason: WriteError::NotLeading(_),
                ..
            } => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Queue {
    ctx: Arc<Context>,
    watch: SharedWatch<Backup>,
    namespaces: SharedWatch<NamespaceMeta>,
}

impl Queue {
    /// A queue of the backups in this watch. Its controller must have one worker.
    pub fn new(ctx: Arc<Context>, watch: SharedWatch<Backup>, namespaces: SharedWatch<NamespaceMeta>) -> Self {
        Self { ctx, watch, namespaces }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let all = Api::all(ctx.cluster.client().clone());
        let namespaces: SharedWatch<NamespaceMeta> = manager.watch(Watch::of(all));
        let backups = &watches.backups;
        let (by_backup, by_namespace) = (backups.clone(), backups.clone());
        manager.control(
            // Two workers could give away one place twice.
            Controller::new(Self::new(Arc::clone(ctx), backups.clone(), namespaces.clone()), backups)
                .workers(1)
                // A place that becomes free, or a namespace, may be what the first of the queue waits for.
                .on(backups.when(queue_may_change()), move |_: &Backup| {
                    Self::first(&by_backup)
                })
                .on(&namespaces, move |_: &NamespaceMeta| Self::first(&by_namespace)),
        );
    }

    /// The first of those that wait, which gets a pass when anything changes that the queue depends on. One is enough: a
    /// pass for each of hundreds, for each progress of a backup that runs, would be too much.
    pub fn first(watch: &SharedWatch<Backup>) -> Option<ObjectRef<Backup>> {
        let waiting = watch.list_where(plan::waits);
        plan::first(&waiting).map(|backup| ObjectRef::from_obj(&**backup))
    }

    fn plan(&self, backups: &[Arc<Backup>]) -> Vec<(Arc<Backup>, Step)> {
        let settings = &self.ctx.settings;
        let places = settings.runs_backups.then_some(settings.concurrent_backups);
        let mut alive: Vec<String> = self
            .namespaces
            .list_where(|namespace| namespace.metadata.deletion_timestamp.is_none())
            .iter()
            .filter_map(|namespace| namespace.metadata.name.clone())
            .collect();
        // The namespace that is named to the user is always the same one.
        alive.sort_unstable();
        plan::plan(backups, places, &alive)
    }

    /// The backups that the queue is concerned with, as the API server has them now.
    async fn fresh(&self) -> Result<Vec<Arc<Backup>>, Error> {
        let client = self.ctx.cluster.client().clone();
        let api: Api<Guarded<Backup>> = Api::namespaced_with(client, &self.ctx.namespace, &());
        let (mut found, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let list = api.list(&page).await.map_err(Error::BackupsNotListed)?;
            found.extend(list.items.into_iter().filter_map(|item| match item {
                Guarded::Good(backup) if plan::concerns(&backup) => Some(Arc::new(backup)),
                _ => None,
            }));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    /// Whether no other controller ends this backup if it is cancelled.
    fn owns(&self, seen: &Backup) -> bool {
        match seen.status.phase() {
            BackupPhase::New | BackupPhase::Queued => true,
            BackupPhase::ReadyToStart => !self.ctx.settings.runs_backups,
            _ => false,
        }
    }

    async fn take(&self, seen: &Backup, step: &Step) -> Result<Written, Error> {
        let wanted = after(seen, step, self.ctx.clock.now());
        // Most of a long queue stays as it is, pass after pass.
        if wanted.status == seen.status {
            return Ok(Written::Unchanged);
        }
        let written = self
            .ctx
            .writer
            .write(seen, &wanted)
            .await
            .map_err(|reason| not_written(seen, reason))?;
        if let (Written::Done, Step::Wait { why, .. }) = (written, step) {
            let shown = condition::find(&seen.status.conditions, CONDITION);
            if shown.is_none_or(|shown| shown.reason != why.reason()) {
                self.ctx
                    .events
                    .publish(seen, EventNote::normal(why.reason(), "Queue", why.to_string()));
            }
        }
        Ok(written)
    }
}

/// Whether a change may free a place, or give one to another backup: to look for the first of the queue costs a look at every backup, and most
/// of them ended long ago.
fn queue_may_change() -> Predicate<Backup> {
    Predicate::new(|change: &Change<Backup>| {
        let concerned = |backup: &Option<Arc<Backup>>| backup.as_ref().is_some_and(|backup| plan::concerns(backup));
        concerned(&change.before) || concerned(&change.after)
    })
}

fn not_written(seen: &Backup, reason: WriteError) -> Error {
    Error::StatusNotWritten {
        backup: seen.metadata.name.clone().unwrap_or_default(),
        reason,
    }
}

/// The backup after its step.
fn after(seen: &Backup, step: &Step, now: jiff::Timestamp) -> Backup {
    let mut wanted = seen.clone();
    let (status, now) = (&mut wanted.status, time(now));
    match step {
        Step::Start => {
            status.phase = Some(BackupPhase::ReadyToStart);
            status.queue_position = 0;
            // One that never waited has nothing to take back.
            if condition::find(&status.conditions, CONDITION).is_some() {
                let conditions = &mut status.conditions;
                condition::set(conditions, CONDITION, ConditionStatus::False, "Started", "", &now);
            }
        }
        Step::Wait { position, why } => {
            status.phase = Some(BackupPhase::Queued);
            status.queue_position = *position;
            let conditions = &mut status.conditions;
            let (reason, message) = (why.reason(), why.to_string());
            condition::set(conditions, CONDITION, ConditionStatus::True, reason, message, &now);
        }
    }
    wanted
}

impl Reconciler for Queue {
    type Kind = Backup;
    type Error = Error;
    const NAME: &'static str = "backup-queue";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<Backup>) -> Result<Next, Error> {
        if is_cancelled(&seen.metadata) && self.owns(&seen) {
            end_unbegun(&self.ctx, &seen)
                .await
                .map_err(|reason| not_written(&seen, reason))?;
        }
        if !plan::waits(&seen) {
            return Ok(Next::Settled);
        }
        let mut backups = self.watch.list_where(plan::concerns);
        if self.plan(&backups).iter().any(|(_, step)| *step == Step::Start) {
            backups = self.fresh().await?;
        }
        let (mut next, mut failed, mut refused) = (Next::Resync, None, HashSet::new());
        'plan: loop {
            for (backup, step) in self.plan(&backups) {
                match self.take(&backup, &step).await {
                    Ok(Written::Done | Written::Unchanged) => {}
                    Ok(Written::Conflict) => next = Next::After(Duration::from_secs(1)),
                    Err(lost) if lost.class() == Class::Lost => return Err(lost),
                    Err(error) => {
                        failed = failed.or(Some(error));
                        // One that cannot be written must not hold up those behind it: its place is for the next.
                        if step == Step::Start {
                            refused.insert(uid_of(&*backup));
                            backups = self.fresh().await?;
                            backups.retain(|backup| !refused.contains(&uid_of(&**backup)));
                            continue 'plan;
                        }
                    }
                }
            }
            return failed.map_or(Ok(next), Err);
        }
    }
}

#[cfg(test)]
mod tests;
