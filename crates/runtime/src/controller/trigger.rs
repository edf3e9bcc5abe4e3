//! Reasons for a pass.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tokio::sync::broadcast::error::RecvError;

use crate::enqueue::Enqueue;
use crate::object::{AnyKind, ObjectRef};
use crate::predicate::{Changes, Predicate};
use crate::watch::{Change, SharedWatch};

/// Starts to listen. Changes after the call are not missed, even if the stream is not read for a while.
pub(super) type Trigger<K> = Box<dyn Fn() -> BoxStream<'static, Enqueue<K>> + Send + Sync>;

/// Changes of the objects themselves.
pub(super) fn own<K: AnyKind>(watch: SharedWatch<K>, predicate: Option<Predicate<K>>) -> Trigger<K> {
    // An object that is gone is announced to the reconciler, whatever the predicate returns.
    let predicate = predicate.map(|predicate| Predicate::new(move |change| is_gone(change) || predicate.holds(change)));
    let changes = Changes { watch, predicate };
    Box::new(move || follow(&changes, |change| vec![change.key.clone()]))
}

fn is_gone<K: AnyKind>(change: &Change<K>) -> bool {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => before.meta().uid != after.meta().uid,
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// Changes of another kind, mapped to our objects.
pub(super) fn mapped<S, K, Refs>(changes: Changes<S>, map: impl Fn(&S) -> Refs + Send + Sync + 'static) -> Trigger<K>
where
    S: AnyKind,
    K: AnyKind,
    Refs: IntoIterator<Item = ObjectRef<K>>,
{
    let map = Arc::new(map);
    Box::new(move || {
        let map = map.clone();
        follow(&changes, move |change| {
            // An object that moves from one owner to another concerns both.
            change
                .before
                .iter()
                .chain(&change.after)
                .flat_map(|object| map(object))
                .collect()
        })
    })
}

/// The object that controls this one by an owner reference, if it is in the store under the uid that the reference has: a name that
/// was taken again is another object.
pub(super) fn owner_of<S: AnyKind, K: AnyKind>(object: &S, owners: &SharedWatch<K>) -> Option<ObjectRef<K>> {
    let meta = object.meta();
    let references = meta.owner_references.iter().flatten();
    let owner = references
        .into_iter()
        .find(|owner| is_controller::<K>(owner, owners.kind()))?;
    // The owner is in the namespace of what it owns, or in none. Which of both is not known of every kind.
    let named = ObjectRef::new_with(&owner.name, owners.kind().clone());
    let namespaced = meta
        .namespace
        .as_deref()
        .map(|namespace| named.clone().within(namespace));
    namespaced.into_iter().chain([named]).find(|key| {
        let there = owners.get(key);
        there.is_some_and(|there| there.meta().uid.as_deref() == Some(&owner.uid))
    })
}

/// Whether a reference is to a controller of this kind, in whatever version.
fn is_controller<K: AnyKind>(owner: &OwnerReference, kind: &K::DynamicType) -> bool {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    owner.controller == Some(true) && owner.kind == K::kind(kind) && group == K::group(kind)
}

fn follow<S: AnyKind, K: AnyKind>(
    changes: &Changes<S>,
    refs: impl Fn(&Change<S>) -> Vec<ObjectRef<K>> + Send + 'static,
) -> BoxStream<'static, Enqueue<K>> {
    let Changes { watch, predicate } = changes.clone();
    let kind = S::kind(watch.kind()).into_owned();
    let start = (watch.changes(), predicate, refs, kind);
    stream::unfold(start, |(mut changes, predicate, refs, kind)| async move {
        let enqueue = loop {
            match changes.recv().await {
                Ok(change) if predicate.as_ref().is_none_or(|predicate| predicate.holds(&change)) => {
                    break Enqueue::Some(refs(&change));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(kind, missed, "fell behind; looking at everything");
                    break Enqueue::All;
                }
                Err(RecvError::Closed) => return None,
            }
        };
        Some((enqueue, (changes, predicate, refs, kind)))
    })
    .boxed()
}
