//! The Namespace objects, which are saved after the other objects because those decide which (spec backup 7.4).

use std::pin::pin;

use futures::StreamExt;
use parking_lot::Mutex;

use super::save::ItemSaver;
use super::stop::Stop;
use crate::cluster::discovery::GroupResource;
use crate::cluster::list::{ListEvent, ListRequest};
use crate::cluster::raw::Head;
use crate::select::namespaces::NamespaceTracker;

/// Decides which Namespace objects are saved.
pub(super) struct CollectedNamespaces {
    tracker: Mutex<NamespaceTracker>,
}

impl CollectedNamespaces {
    pub(super) fn new(tracker: NamespaceTracker) -> Self {
        Self {
            tracker: Mutex::new(tracker),
        }
    }

    /// An item of this namespace was collected.
    pub(super) fn add(&self, namespace: &str) {
        self.tracker.lock().saw_item_in(namespace);
    }

    fn keeps(&self, head: &Head) -> bool {
        let tracker = self.tracker.lock();
        tracker.keeps(&head.name, head.phase.as_deref(), &head.labels)
    }
}

/// Saves the Namespace objects that belong to what was saved, and those the user chose. None if the filters exclude their type.
pub(super) async fn save_namespaces(saver: &ItemSaver<'_>, collected: &CollectedNamespaces) -> Result<(), Stop> {
    let type_ = saver.prepared.types.get(&GroupResource::new("", "namespaces"));
    let Some(type_) = type_.filter(|_| saver.prepared.plan.namespaces) else {
        return Ok(());
    };
    let mut events = pin!(saver.objects.reader.list(ListRequest::all(type_.resource.clone())));
    while let Some(event) = events.next().await {
        let object = match event? {
            ListEvent::Item(object) => object,
            ListEvent::Unreadable { name, error, .. } => {
                saver
                    .tracker
                    .failed(type_, None, &name.unwrap_or_default())
                    .field("error", error)
                    .msg("Error reading item");
                continue;
            }
            ListEvent::FirstPage { .. } | ListEvent::Restarted => continue,
        };
        if collected.keeps(&object.head) {
            saver.save(type_, object, false).await?;
        }
    }
    Ok(())
}
