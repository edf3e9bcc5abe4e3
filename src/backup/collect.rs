//! The lists: phase A stages the objects that must be known before they are saved, phase B saves objects as they are listed
//! (decision 10).

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::done::Key;
use super::inclusion::check_object;
use super::plan::{LeftOut, Plan, Planned};
use super::related::related;
use super::run::{BackupRun, Stop};
use super::save::SaveOutcome;
use super::scope::Scope;
use super::shared_pvcs::SharedPvcs;
use super::staging::{Collector, Related, Staged};
use super::types::{KnownType, Type};
use crate::cluster::list::{ListError, ListEvent, ListRequest};
use crate::cluster::raw::RawObject;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::Line;

/// Lists read at a time in phase B. Together they stay within the run's budget of bytes.
const LISTS: usize = 4;

/// One list to read: of a type, in a namespace or everywhere, by one selector or none.
#[derive(Clone, Copy)]
struct List<'p> {
    type_: &'p Arc<Type>,
    namespace: Option<&'p str>,
    selector: &'p Option<String>,
}

impl Planned {
    fn lists<'p>(&'p self, selectors: &'p [Option<String>]) -> impl Iterator<Item = List<'p>> {
        let namespaces: Vec<Option<&str>> = match &self.scope {
            Scope::Cluster => vec![None],
            Scope::Namespaces(names) => names.iter().map(|name| Some(name.as_str())).collect(),
        };
        namespaces.into_iter().flat_map(move |namespace| {
            selectors.iter().map(move |selector| List {
                type_: &self.type_,
                namespace,
                selector,
            })
        })
    }
}

impl BackupRun<'_> {
    /// Logs the types that are not collected, and counts the lists.
    pub(super) fn announce(&self, plan: &Plan) {
        for (resource, why) in &plan.left_out {
            let line = self
                .log
                .line(Level::Info)
                .field("group", resource.api_version())
                .field("resource", &resource.plural);
            match why {
                LeftOut::Excluded => line.msg("Skipping resource because it's excluded"),
                LeftOut::Cohabits(twin) => line
                    .field("cohabitatingResource1", twin.to_string())
                    .field("cohabitatingResource2", resource.group_resource().to_string())
                    .msg("Skipping resource because it cohabitates and we've already processed it"),
            }
        }
        let lists = plan
            .staged
            .iter()
            .chain(&plan.streamed)
            .flat_map(|planned| planned.lists(&self.selectors))
            .count();
        self.state().lists_to_begin = lists;
        if lists == 0 {
            self.progress.complete();
        }
    }

    /// Phase A: lists its types to the end, and makes blocks of their objects.
    pub(super) async fn collect_staged(&self, planned: &[Planned], mut collector: Collector) -> Result<Staged, Stop> {
        let mut shared_pvcs = SharedPvcs::default();
        for planned in planned {
            collector.begin(planned.type_.clone());
            for list in planned.lists(&self.selectors) {
                let mut reading = self.read_list(list);
                while let Some(object) = reading.next().await {
                    self.stage(&mut collector, &mut shared_pvcs, list.type_, &object)
                        .await?;
                    reading.took(SaveOutcome::Saved);
                }
            }
            for name in collector.end(planned.ordered.as_ref()) {
                self.log
                    .line(Level::Warning)
                    .field("resource", &*planned.type_.name)
                    .field("orderedResource", name)
                    .msg("Cannot find an item that spec.orderedResources names");
            }
        }
        if let Some(pods) = planned.iter().find(|planned| planned.type_.known == KnownType::Pod)
            && self.looks_for_sharing_pods()
        {
            collector.begin(pods.type_.clone());
            self.stage_sharing_pods(&pods.type_, &mut collector, &mut shared_pvcs)
                .await?;
            collector.end(None);
        }
        collector.finish().await.map_err(Stop::scratch)
    }

    pub(super) async fn stage(
        &self,
        collector: &mut Collector,
        shared_pvcs: &mut SharedPvcs,
        type_: &Type,
        object: &RawObject,
    ) -> Result<(), Stop> {
        let head = &object.head;
        let group_label = &self.request.spec.volume_group_snapshot_label_key;
        let mut related = self.related(type_, object, group_label).unwrap_or_else(|error| {
            // Saving it will fail for the same reason, with a line in the log.
            self.item_log
                .line(Level::Debug, type_, head.namespace.as_deref(), &head.name)
                .error(&error)
                .msg("Cannot read the relations of the item");
            Related::default()
        });
        related.hooked |= self.is_hooked_by_spec(type_, head);
        let key = Key::new(&type_.group_resource, head.namespace.as_deref(), &head.name);
        // A skipped object has no claim to share.
        if self.looks_for_sharing_pods() && check_object(head, type_, &self.namespaces, false).is_ok() {
            shared_pvcs.saw(type_.known, object, key, &related);
        }
        collector.put(key, &object.json, related).await.map_err(Stop::scratch)
    }

    fn related(&self, type_: &Type, object: &RawObject, group_label: &str) -> Result<Related, serde_json::Error> {
        let mut related = related(type_.known, object, group_label)?;
        // A skipped pod saves no files.
        if type_.known == KnownType::Pod && check_object(&object.head, type_, &self.namespaces, false).is_ok() {
            related.files_of = self.claims_saved_by(object)?;
        }
        Ok(related)
    }

    /// Saves the staged objects, several blocks at a time.
    pub(super) async fn save_blocks(&self, staged: &Staged) -> Result<(), Stop> {
        let blocks = (0..staged.blocks.len()).map(|block| self.save_block(staged, block));
        stream::iter(blocks)
            .buffer_unordered(self.request.workers.max(1))
            .try_collect()
            .await
    }

    /// Saves one block: its items, with the hooks of its pods around them. The wait for the data of their volumes (spec backup 8)
    /// belongs after the loop, before the pods are thawed.
    fn save_block<'s>(&'s self, staged: &'s Staged, block: usize) -> BoxFuture<'s, Result<(), Stop>> {
        Box::pin(async move {
            let frozen = self.freeze_block(staged, block).await;
            for &place in staged.blocks.get(block) {
                let (type_, key) = staged.identity(place);
                if self.is_done(key) {
                    continue;
                }
                match staged.read(place).await {
                    Ok(object) => drop(self.save(type_, object, false).await?),
                    Err(error) => {
                        self.state().failed += 1;
                        let line = self.log.line(Level::Error).field("resource", &*type_.name);
                        line.error(&error).msg("Error backing up item");
                    }
                }
            }
            self.hooks.thaw(frozen).await;
            Ok(())
        })
    }

    /// Phase B: saves the objects of its types as they are listed, a few lists at a time.
    pub(super) async fn stream(&self, planned: &[Planned]) -> Result<(), Stop> {
        let lists: Vec<List<'_>> = planned
            .iter()
            .flat_map(|planned| planned.lists(&self.selectors))
            .collect();
        let lists = (0..lists.len()).map(|at| self.stream_list(lists[at]));
        stream::iter(lists).buffer_unordered(LISTS).try_collect().await
    }

    fn stream_list<'s>(&'s self, list: List<'s>) -> BoxFuture<'s, Result<(), Stop>> {
        Box::pin(async move {
            let mut reading = self.read_list(list);
            while let Some(object) = reading.next().await {
                let outcome = self.save(list.type_, object, false).await?;
                reading.took(outcome);
            }
            Ok(())
        })
    }

    fn read_list<'s>(&'s self, list: List<'s>) -> Reading<'s> {
        self.about(Level::Info, list).msg("Listing items");
        let mut request = ListRequest::all(list.type_.resource.clone()).selected_by(list.selector.clone());
        if let Some(namespace) = list.namespace {
            request = request.in_namespace(namespace);
        }
        Reading {
            run: self,
            list,
            events: self.reader.list(request).boxed(),
            expectation: Expectation::default(),
            begun: false,
        }
    }

    fn about(&self, level: Level, list: List<'_>) -> Line<'_> {
        self.log
            .line(level)
            .field("group", list.type_.resource.api_version())
            .field("resource", &list.type_.resource.plural)
            .field("namespace", list.namespace.unwrap_or_default())
    }
}

/// A list being read. A failed list is an error line; the objects before the error are saved.
struct Reading<'r> {
    run: &'r BackupRun<'r>,
    list: List<'r>,
    events: BoxStream<'static, Result<ListEvent, ListError>>,
    expectation: Expectation,
    begun: bool,
}

impl Reading<'_> {
    /// The next object of the backup's namespaces; `None` when the list has ended or failed.
    async fn next(&mut self) -> Option<RawObject> {
        while let Some(event) = self.events.next().await {
            match event {
                Ok(ListEvent::Item(object)) => {
                    if self.run.collects(&object) {
                        return Some(object);
                    }
                }
                Ok(ListEvent::FirstPage { expected_total }) => {
                    if let Some(total) = expected_total.filter(|_| self.counts()) {
                        self.run.progress.expect(self.expectation.announced(total));
                    }
                    self.begun();
                }
                Ok(ListEvent::Unreadable { name, error, .. }) => {
                    self.run.state().failed += 1;
                    self.run
                        .about(Level::Error, self.list)
                        .field("name", name.unwrap_or_default())
                        .field("error", error)
                        .msg("Error reading a listed item");
                }
                Ok(ListEvent::Restarted) => {
                    self.expectation.restarted();
                    let line = self.run.about(Level::Info, self.list);
                    line.msg("The list starts over or continues in a newer view");
                }
                Err(error) => self
                    .run
                    .about(Level::Error, self.list)
                    .error(&error)
                    .msg("Error listing items"),
            }
        }
        let line = self.run.about(Level::Info, self.list);
        line.msg(format!("Retrieved {} items", self.expectation.seen));
        self.begun();
        None
    }

    /// Counts the last object.
    fn took(&mut self, outcome: SaveOutcome) {
        let more = self.expectation.seen();
        // If the server announces no length, only saved objects are expected.
        if matches!(outcome, SaveOutcome::Saved | SaveOutcome::Failed) || self.expectation.announced > 0 {
            self.run.progress.expect(more);
        }
    }

    /// Whether the announced length counts: of a cluster-wide list only a part may belong to the backup.
    fn counts(&self) -> bool {
        self.list.namespace.is_some()
            || !self.list.type_.resource.namespaced
            || self.run.namespaces.includes_everything()
    }

    fn begun(&mut self) {
        if !self.begun {
            self.begun = true;
            self.run.list_begun();
        }
    }
}

impl BackupRun<'_> {
    /// Whether an object of a list is in the backup's namespaces; if so, the tracker notes its namespace.
    fn collects(&self, object: &RawObject) -> bool {
        let Some(namespace) = &object.head.namespace else {
            return true;
        };
        if !self.namespaces.includes(namespace) {
            return false;
        }
        self.state().tracker.saw_item_in(namespace);
        true
    }
}

/// The number of items that are expected of a list (decision 13).
#[derive(Debug, Default)]
struct Expectation {
    seen: u64,
    announced: u64,
}

impl Expectation {
    /// The server announces the length of the list. Returns how many more items that is.
    fn announced(&mut self, total: u64) -> u64 {
        let more = total.saturating_sub(self.announced.max(self.seen));
        self.announced = self.announced.max(total);
        more
    }

    /// Items seen before may come again; they do not add to the number.
    fn restarted(&mut self) {
        self.announced = self.announced.max(self.seen);
        self.seen = 0;
    }

    /// One more item came. Returns how many more items that is.
    fn seen(&mut self) -> u64 {
        self.seen += 1;
        u64::from(self.seen > self.announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_items_are_those_announced_and_those_beyond() {
        // A page of two, then the server announces five, then seven come.
        let mut expectation = Expectation::default();
        let mut expected = expectation.seen() + expectation.seen();
        assert_eq!(expected, 2);
        expected += expectation.announced(5);
        assert_eq!(expected, 5);
        for _ in 2..7 {
            expected += expectation.seen();
        }
        assert_eq!(expected, 7);
    }

    #[test]
    fn items_that_come_again_do_not_count_again() {
        for announced in [0, 5] {
            let mut expectation = Expectation::default();
            let mut expected = expectation.announced(announced);
            for _ in 0..4 {
                expected += expectation.seen();
            }
            expectation.restarted();
            for _ in 0..6 {
                expected += expectation.seen();
            }
            assert_eq!(expected, 6, "announced {announced}");
        }
    }
}
