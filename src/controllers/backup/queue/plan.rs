//! Which backups begin, and which wait at which place and for what: pure (spec backup 3).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::api::v1::{Backup, BackupPhase};
use crate::controllers::run::cancel::is_cancelled;
use crate::select::namespaces::NamespaceFilter;
use crate::select::validation;

/// What the queue does with a backup that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It may begin.
    Start,
    /// It has this place, or keeps it.
    Wait {
        /// From 1 on, in the order in which they will begin if none is deleted.
        position: i64,
        /// What for.
        why: Why,
    },
}

/// What a backup waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Backups are not carried out here.
    NotCarriedOut,
    /// As many run as may.
    NoFreePlace,
    /// An earlier backup saves one of its namespaces.
    NamespaceConflict {
        /// The first of them.
        namespace: String,
        /// The earlier backup.
        with: String,
    },
}

impl Why {
    /// The word for programs.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotCarriedOut => "BackupsNotCarriedOut",
            Self::NoFreePlace => "NoFreePlace",
            Self::NamespaceConflict { .. } => "NamespaceConflict",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCarriedOut => f.write_str(
                "this server carries out no backups, so they stay in the queue; check its flags --restore-only and \
                 --disable-controllers",
            ),
            Self::NoFreePlace => {
                f.write_str("as many backups run as may at once; the server's flag --concurrent-backups says how many")
            }
            Self::NamespaceConflict { namespace, with } => write!(
                f,
                "namespace `{namespace}` is also saved by backup `{with}`, which goes first; backups of one namespace do not run \
                 at once"
            ),
        }
    }
}

/// Whether it is in the queue, or about to be.
pub(super) fn waits(backup: &Backup) -> bool {
    matches!(backup.status.phase(), BackupPhase::New | BackupPhase::Queued)
        && !is_deleted(backup)
        && !is_cancelled(&backup.metadata)
}

/// Whether it holds a place. One that is being deleted is cancelled, and does not go on.
fn runs(backup: &Backup) -> bool {
    matches!(
        backup.status.phase(),
        BackupPhase::ReadyToStart | BackupPhase::InProgress
    ) && !is_deleted(backup)
}

/// Whether a decision depends on it: of a long history only what is under way.
pub(super) fn concerns(backup: &Backup) -> bool {
    waits(backup) || runs(backup)
}

fn is_deleted(backup: &Backup) -> bool {
    backup.metadata.deletion_timestamp.is_some()
}

/// The order of the queue: a place that was given is kept; of those that have none yet, the oldest comes first, and of
/// equals the name decides.
fn order(backup: &Backup) -> (i64, Option<jiff::Timestamp>, Option<&str>) {
    let meta = &backup.metadata;
    let position = backup.status.queue_position;
    let is_placed = *backup.status.phase() == BackupPhase::Queued && position > 0;
    (
        if is_placed { position } else { i64::MAX },
        meta.creation_timestamp.as_ref().map(|t| t.0),
        meta.name.as_deref(),
    )
}

/// The first of those that wait.
pub(super) fn first(waiting: &[Arc<Backup>]) -> Option<&Arc<Backup>> {
    waiting.iter().min_by(|a, b| order(a).cmp(&order(b)))
}

/// A step for each backup that waits, in the order of the queue. `places`: how many may run, if any are carried out here;
/// `alive`: the namespaces there are.
///
/// A backup begins when a place is free and none of its namespaces is saved by one that runs or is before it. So one that
/// waits for a namespace lets later ones pass that do not conflict with it, and keeps its turn.
pub(super) fn plan(backups: &[Arc<Backup>], places: Option<usize>, alive: &[String]) -> Vec<(Arc<Backup>, Step)> {
    let (running, waiting): (Vec<_>, Vec<_>) = backups.iter().filter(|b| concerns(b)).partition(|b| runs(b));
    let mut waiting: Vec<&Arc<Backup>> = waiting;
    waiting.sort_by(|a, b| order(a).cmp(&order(b)));

    let mut free = places.unwrap_or_default().saturating_sub(running.len());
    let mut taken = Taken::default();
    // Without a free place no namespaces matter.
    if free > 0 {
        for backup in running {
            taken.by(backup, alive);
        }
    }
    let mut position = 0;
    let mut steps = Vec::with_capacity(waiting.len());
    for backup in waiting {
        let why = if places.is_none() {
            Some(Why::NotCarriedOut)
        } else if free == 0 {
            Some(Why::NoFreePlace)
        } else {
            let conflict = taken.conflict(backup, alive);
            taken.by(backup, alive);
            conflict
        };
        let step = match why {
            None => {
                free -= 1;
                Step::Start
            }
            Some(why) => {
                position += 1;
                Step::Wait { position, why }
            }
        };
        steps.push((Arc::clone(backup), step));
    }
    steps
}

/// The namespaces of the backups that go first, each with the name of its backup.
#[derive(Default)]
struct Taken<'a>(HashMap<&'a str, &'a str>);

impl<'a> Taken<'a> {
    fn by(&mut self, backup: &'a Backup, alive: &'a [String]) {
        let name = backup.metadata.name.as_deref().unwrap_or_default();
        for namespace in namespaces(backup, alive) {
            self.0.entry(namespace).or_insert(name);
        }
    }

    fn conflict(&self, backup: &Backup, alive: &[String]) -> Option<Why> {
        namespaces(backup, alive).find_map(|namespace| {
            let with = *self.0.get(namespace)?;
            Some(Why::NamespaceConflict {
                namespace: namespace.to_owned(),
                with: with.to_owned(),
            })
        })
    }
}

/// The namespaces that a backup saves. Lists that its preparation will refuse are none.
fn namespaces<'a>(backup: &Backup, alive: &'a [String]) -> impl Iterator<Item = &'a str> + use<'a> {
    let (includes, excludes) = (&backup.spec.included_namespaces, &backup.spec.excluded_namespaces);
    let filter = NamespaceFilter::new(includes, excludes);
    let is_refused = !validation::backup_namespaces(includes, excludes).is_empty();
    let alive = if is_refused { &[] } else { alive };
    alive
        .iter()
        .map(String::as_str)
        .filter(move |namespace| filter.includes(namespace))
}

#[cfg(test)]
mod tests;
