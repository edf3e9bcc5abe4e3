//! Phase A: stages the objects that must be known before they are saved (decision 10).

use std::path::Path;
use std::pin::pin;

use futures::StreamExt;

use super::done::Key;
use super::inclusion::check_object;
use super::lists::Lists;
use super::outcome::SaveOutcome;
use super::plan::Planned;
use super::related::related;
use super::shared_pvcs::SharedPvcs;
use super::staging::{Collector, Related, Staged};
use super::stop::Stop;
use super::types::{KnownType, Type};
use super::volumes::claims_saved_by;
use crate::cluster::list::{ListEvent, ListRequest};
use crate::cluster::raw::RawObject;
use crate::telemetry::logrus::Level;

/// Lists the types of phase A to the end, and makes blocks of their objects.
pub(super) async fn collect(lists: &Lists<'_>, scratch: &Path) -> Result<Staged, Stop> {
    let staged = &lists.prepared.plan.staged;
    let mut collection = Collection {
        lists,
        collector: Collector::new(scratch).map_err(Stop::scratch)?,
        shared_pvcs: SharedPvcs::of(lists.prepared),
    };
    for planned in staged {
        collection.stage_type(planned).await?;
    }
    if let Some(pods) = staged.iter().find(|planned| planned.type_.known == KnownType::Pod) {
        collection.stage_sharing_pods(pods).await?;
    }
    let staged = collection.collector.finish().await.map_err(Stop::scratch)?;
    lists.tracker.log.info(format!(
        "Collected {} items of {} item blocks",
        staged.len(),
        staged.blocks.len()
    ));
    Ok(staged)
}

/// The objects so far.
struct Collection<'a> {
    lists: &'a Lists<'a>,
    collector: Collector,
    /// `None` if all pods are collected.
    shared_pvcs: Option<SharedPvcs>,
}

impl Collection<'_> {
    /// Stages the objects of a type.
    async fn stage_type(&mut self, planned: &Planned) -> Result<(), Stop> {
        let lists = self.lists;
        self.collector.begin(planned.type_.clone());
        for list in lists.of(planned) {
            let mut reading = lists.read(list);
            while let Some(object) = reading.next().await {
                self.stage(list.type_, &object).await?;
                reading.took(SaveOutcome::Saved);
            }
        }
        for name in self.collector.end(planned.ordered.as_ref()) {
            lists
                .tracker
                .log
                .line(Level::Warning)
                .field("resource", &*planned.type_.name)
                .field("orderedResource", name)
                .msg("Cannot find an item that spec.orderedResources names");
        }
        Ok(())
    }

    async fn stage(&mut self, type_: &Type, object: &RawObject) -> Result<(), Stop> {
        let head = &object.head;
        let is_saved = check_object(head, type_, &self.lists.prepared.namespaces, false).is_ok();
        let mut related = self.related(type_, object, is_saved).unwrap_or_else(|error| {
            // Saving it will fail for the same reason, with a line in the log.
            self.lists
                .tracker
                .item_log
                .line(Level::Debug, type_, head.namespace.as_deref(), &head.name)
                .error(&error)
                .msg("Cannot read the relations of the item");
            Related::default()
        });
        related.hooked |= self.is_hooked_by_spec(type_, object);
        let key = Key::new(&type_.group_resource, head.namespace.as_deref(), &head.name);
        // A skipped object has no claim to share.
        if let Some(shared_pvcs) = self.shared_pvcs.as_mut().filter(|_| is_saved) {
            shared_pvcs.saw(type_.known, object, key, &related);
        }
        self.collector
            .put(key, &object.json, related)
            .await
            .map_err(Stop::scratch)
    }

    fn related(&self, type_: &Type, object: &RawObject, is_saved: bool) -> Result<Related, serde_json::Error> {
        let prepared = self.lists.prepared;
        let mut related = related(
            type_.known,
            object,
            &prepared.request.spec.volume_group_snapshot_label_key,
        )?;
        // A skipped pod saves no files.
        if type_.known == KnownType::Pod && is_saved {
            related.files_of = claims_saved_by(prepared, object)?;
        }
        Ok(related)
    }

    /// Whether hooks of the spec are for an object.
    fn is_hooked_by_spec(&self, type_: &Type, object: &RawObject) -> bool {
        let namespace = object.head.namespace.as_deref().unwrap_or_default();
        let hooks = &self.lists.prepared.spec_hooks;
        type_.known == KnownType::Pod && hooks.concern(namespace, &object.head.labels)
    }

    /// Stages the pods that share a claim with a collected pod. Each may mount further claims, so a namespace is listed until no
    /// pod is missing.
    async fn stage_sharing_pods(&mut self, pods: &Planned) -> Result<(), Stop> {
        let Some(shared_pvcs) = &self.shared_pvcs else {
            return Ok(());
        };
        let namespaces = shared_pvcs.namespaces();
        self.collector.begin(pods.type_.clone());
        for namespace in namespaces {
            while self.stage_sharing_pods_of(&namespace, &pods.type_).await? {}
        }
        self.collector.end(None);
        Ok(())
    }

    /// One round over a namespace; returns whether a pod was missing.
    async fn stage_sharing_pods_of(&mut self, namespace: &str, pods: &Type) -> Result<bool, Stop> {
        let Lists {
            prepared,
            reader,
            tracker,
            ..
        } = *self.lists;
        let mut found = false;
        let request = ListRequest::all(pods.resource.clone()).in_namespace(namespace);
        let mut list = pin!(reader.list(request));
        while let Some(event) = list.next().await {
            match event {
                Ok(ListEvent::Item(pod)) => {
                    let is_missing = self.shared_pvcs.as_ref().is_some_and(|shared| shared.misses(&pod))
                        && check_object(&pod.head, pods, &prepared.namespaces, false).is_ok();
                    if is_missing {
                        found = true;
                        tracker.counts.expect(1);
                        tracker
                            .item_log
                            .line(Level::Info, pods, Some(namespace), &pod.head.name)
                            .msg("The pod is saved too, because it mounts a claim of the backup");
                        self.stage(pods, &pod).await?;
                    }
                }
                Ok(ListEvent::FirstPage { .. } | ListEvent::Restarted | ListEvent::Unreadable { .. }) => {}
                Err(error) => tracker
                    .log
                    .line(Level::Error)
                    .field("resource", &*pods.name)
                    .field("namespace", namespace)
                    .error(&error)
                    .msg("Error listing the pods that may share a claim with those of the backup"),
            }
        }
        Ok(found)
    }
}
