//! Retries of waiting items: between the waves, and after the last one until no item is left or the timeouts have passed.

use std::collections::{BTreeMap, HashMap};

use tokio::time::{Instant, sleep_until};

use crate::archive::spool::ItemHandle;
use crate::restore::ledger::{Message, Note, Severity, State};
use crate::restore::namespaces::Obstacle;
use crate::restore::parts::RunParts;
use crate::restore::wait_reason::WaitReason;
use crate::restore::waves::Waves;
use crate::telemetry::process::TRACE_EVENT;

/// Restores the waiting items that are due, in the order of the plan.
pub(super) async fn retry_due(waves: &Waves<'_>) {
    let parts = waves.ctx.parts;
    let due = parts.tracker.queue.take_due(Instant::now());
    let order: HashMap<String, usize> = parts
        .prepared
        .plan
        .waves()
        .iter()
        .enumerate()
        .map(|(at, wave)| (wave.resource.to_string(), at))
        .collect();
    let rank = |item: ItemHandle| {
        let group_resource = parts.prepared.item(item).path.group_resource;
        order.get(group_resource).copied().unwrap_or(usize::MAX)
    };
    let mut due: Vec<(usize, ItemHandle)> = due.into_iter().map(|item| (rank(item), item)).collect();
    due.sort_unstable();
    if let Some((_, first)) = due.first() {
        tracing::info!(target: TRACE_EVENT, items = due.len(), first = parts.prepared.id_of(*first), "retry");
    }
    for same in due.chunk_by(|one, other| one.0 == other.0) {
        let items: Vec<ItemHandle> = same.iter().map(|(_, item)| *item).collect();
        waves.restore_all(&items).await;
        parts.await_new_types().await;
    }
}

/// After the last wave: retries the waiting items until none is left, or until their timeouts.
pub(super) async fn drain(waves: &Waves<'_>) {
    let parts = waves.ctx.parts;
    let queue = &parts.tracker.queue;
    let end = Instant::now();
    parts.tracker.progress.begin_draining(end);
    while !queue.is_empty() {
        let Some(next) = queue.next(Instant::now(), end) else {
            // they wait only for each other: cannot happen, but must not block the restore for ever
            give_up(parts, queue.all());
            return;
        };
        sleep_until(next).await;
        if queue.any_unserved() {
            parts.refresh_types().await;
        }
        retry_due(waves).await;
        give_up(parts, queue.take_expired(Instant::now(), end));
    }
}

/// Reports the items that have waited until their timeouts.
fn give_up(parts: &RunParts<'_>, items: Vec<(ItemHandle, WaitReason)>) {
    let prepared = parts.prepared;
    let mut waiting_for_namespace: BTreeMap<&str, (u64, Obstacle)> = BTreeMap::new();
    for (handle, reason) in items {
        let item = prepared.item(handle);
        let id = prepared.id_of(handle);
        let (state, text) = match reason {
            WaitReason::Error(_, error) => (State::Failed, format!("error restoring {id}: {error}")),
            WaitReason::Deletion => (
                State::Failed,
                format!("error restoring {id}: it exists and is being deleted; check what its finalizers wait for"),
            ),
            WaitReason::Established => (
                State::Created,
                format!("{id} was created, but the API server has not accepted it; check its conditions"),
            ),
            WaitReason::Item(other) => (
                State::Failed,
                format!(
                    "error restoring {id}: it waits for {}, which was not restored",
                    prepared.id_of(other)
                ),
            ),
            WaitReason::Namespace(obstacle) => {
                let name = item.target.unwrap_or_else(|| prepared.context.target(item.path.name));
                waiting_for_namespace.entry(name).or_insert((0, obstacle)).0 += 1;
                parts
                    .tracker
                    .done(handle, State::NoNamespace, Vec::new(), Note::default());
                continue;
            }
        };
        let message = Message::new(Severity::Error, Some(item.target.unwrap_or_default()), text);
        let note = note_of_type(parts, item.path.group_resource);
        parts.tracker.done(handle, state, vec![message], note);
    }
    for (namespace, (count, obstacle)) in waiting_for_namespace {
        let text = match obstacle {
            Obstacle::Deletion => format!(
                "namespace {namespace} is being deleted and was not gone in time: {count} items were not restored; check \
                 what its finalizers wait for"
            ),
            Obstacle::Error(error) => {
                format!("namespace {namespace} could not be created in time: {count} items were not restored: {error}")
            }
        };
        parts.tracker.report(None, Severity::Error, text);
    }
}

/// If the first item of a type cannot be read, the kind of items that were never read is unknown.
fn note_of_type(parts: &RunParts<'_>, group_resource: &str) -> Note {
    match parts.archived.kind_of(group_resource) {
        Some(_) => Note::default(),
        None => Note {
            kind: Some(format!("unknown/{group_resource}")),
            ..Note::default()
        },
    }
}
