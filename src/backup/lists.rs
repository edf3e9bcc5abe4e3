//! The lists of a run, and the number of items that is expected of them.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};

use super::namespace_objects::CollectedNamespaces;
use super::outcome::SaveOutcome;
use super::plan::{LeftOut, Plan, Planned};
use super::prepared::Prepared;
use super::reader::Reader;
use super::scope::Scope;
use super::tracker::Tracker;
use super::type_spans::{ListSpan, TypeSpans};
use super::types::Type;
use crate::cluster::list::{ListError, ListEvent, ListRequest};
use crate::cluster::raw::RawObject;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::Line;

/// One list to read: of a type, in a namespace or everywhere, by one selector or none.
#[derive(Clone, Copy)]
pub(super) struct List<'p> {
    pub(super) type_: &'p Arc<Type>,
    namespace: Option<&'p str>,
    selector: &'p Option<String>,
}

impl<'p> List<'p> {
    /// The lists of a type.
    pub(super) fn of(planned: &'p Planned, selectors: &'p [Option<String>]) -> impl Iterator<Item = Self> {
        let namespaces: Vec<Option<&str>> = match &planned.scope {
            Scope::Cluster => vec![None],
            Scope::Namespaces(names) => names.iter().map(|name| Some(name.as_str())).collect(),
        };
        namespaces.into_iter().flat_map(move |namespace| {
            selectors.iter().map(move |selector| Self {
                type_: &planned.type_,
                namespace,
                selector,
            })
        })
    }
}

/// Reads lists.
pub(super) struct Lists<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) reader: &'a Reader,
    pub(super) tracker: &'a Tracker<'a>,
    pub(super) namespaces: &'a CollectedNamespaces,
    spans: TypeSpans,
}

impl<'a> Lists<'a> {
    /// The lists of this run.
    pub(super) fn new(
        prepared: &'a Prepared<'a>,
        reader: &'a Reader,
        tracker: &'a Tracker<'a>,
        namespaces: &'a CollectedNamespaces,
    ) -> Self {
        let Plan { staged, streamed, .. } = &prepared.plan;
        let types = staged.iter().chain(streamed);
        let types = types.map(|planned| (&*planned.type_, List::of(planned, &prepared.selectors).count()));
        Self {
            prepared,
            reader,
            tracker,
            namespaces,
            spans: TypeSpans::new(types),
        }
    }

    /// Logs the types that are not collected, and counts the lists.
    pub(super) fn announce(&self) {
        let Plan {
            staged,
            streamed,
            left_out,
            ..
        } = &self.prepared.plan;
        for (resource, why) in left_out {
            let line = self
                .tracker
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
        let lists = staged.iter().chain(streamed).flat_map(|planned| self.of(planned));
        self.tracker.counts.will_read(lists.count());
    }

    /// The lists of a type.
    pub(super) fn of<'s>(&'s self, planned: &'s Planned) -> impl Iterator<Item = List<'s>> {
        List::of(planned, &self.prepared.selectors)
    }

    /// Begins a list.
    pub(super) fn read<'s>(&'s self, list: List<'s>) -> Reading<'s> {
        self.line(Level::Info, list).msg("Listing items");
        let mut request = ListRequest::all(list.type_.resource.clone()).selected_by(list.selector.clone());
        if let Some(namespace) = list.namespace {
            request = request.in_namespace(namespace);
        }
        let span = self.spans.begin(list.type_);
        Reading {
            lists: self,
            list,
            // The list sends its requests in the span in which it is made.
            events: span.span().in_scope(|| self.reader.list(request)).boxed(),
            span,
            expectation: Expectation::default(),
            begun: false,
        }
    }

    /// Whether an object of a list is in the backup's namespaces; if so, its namespace is noted.
    fn collects(&self, object: &RawObject) -> bool {
        let Some(namespace) = &object.head.namespace else {
            return true;
        };
        if !self.prepared.namespaces.includes(namespace) {
            return false;
        }
        self.namespaces.add(namespace);
        true
    }

    #[track_caller]
    fn line(&self, level: Level, list: List<'_>) -> Line<'_> {
        self.tracker
            .log
            .line(level)
            .field("group", list.type_.resource.api_version())
            .field("resource", &list.type_.resource.plural)
            .field("namespace", list.namespace.unwrap_or_default())
    }
}

/// A list being read. A failed list is an error line; the objects before the error are saved.
pub(super) struct Reading<'r> {
    lists: &'r Lists<'r>,
    list: List<'r>,
    span: ListSpan<'r>,
    events: BoxStream<'static, Result<ListEvent, ListError>>,
    expectation: Expectation,
    begun: bool,
}

impl Reading<'_> {
    /// The next object of the backup's namespaces; `None` when the list has ended or failed.
    pub(super) async fn next(&mut self) -> Option<RawObject> {
        let Self { lists, list, .. } = *self;
        let counts = &lists.tracker.counts;
        while let Some(event) = self.events.next().await {
            match event {
                Ok(ListEvent::Item(object)) => {
                    if lists.collects(&object) {
                        self.span.saw(object.json.len());
                        return Some(object);
                    }
                }
                Ok(ListEvent::FirstPage { expected_total }) => {
                    if let Some(total) = expected_total.filter(|_| self.counts()) {
                        counts.expect(self.expectation.announced(total));
                    }
                    self.begun();
                }
                Ok(ListEvent::Unreadable { name, error, .. }) => {
                    counts.failed();
                    lists
                        .line(Level::Error, list)
                        .field("name", name.unwrap_or_default())
                        .field("error", error)
                        .msg("Error reading a listed item");
                }
                Ok(ListEvent::Restarted) => {
                    self.expectation.restarted();
                    lists
                        .line(Level::Info, list)
                        .msg("The list starts over or continues in a newer view");
                }
                Err(error) => {
                    self.span.failed(&error);
                    lists.line(Level::Error, list).error(&error).msg("Error listing items");
                }
            }
        }
        lists
            .line(Level::Info, list)
            .msg(format!("Retrieved {} items", self.expectation.seen));
        self.begun();
        None
    }

    /// Counts the last object.
    pub(super) fn took(&mut self, outcome: SaveOutcome) {
        let more = self.expectation.seen();
        // If the server announces no length, only saved objects are expected.
        if matches!(outcome, SaveOutcome::Saved | SaveOutcome::Failed) || self.expectation.announced > 0 {
            self.lists.tracker.counts.expect(more);
        }
    }

    /// Whether the announced length counts: of a cluster-wide list only a part may belong to the backup.
    fn counts(&self) -> bool {
        self.list.namespace.is_some()
            || !self.list.type_.resource.namespaced
            || self.lists.prepared.namespaces.includes_everything()
    }

    fn begun(&mut self) {
        if !self.begun {
            self.begun = true;
            self.lists.tracker.counts.list_begun();
        }
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
    use crate::backup::types::KnownType;
    use crate::cluster::discovery::Resource;

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

    #[test]
    fn a_type_has_a_list_for_each_namespace_and_selector() {
        let resource = Resource {
            plural: "pods".to_owned(),
            namespaced: true,
            ..Resource::default()
        };
        let planned = |scope: Scope| Planned {
            type_: Arc::new(Type {
                group_resource: resource.group_resource(),
                resource: resource.clone(),
                name: "pods".into(),
                version: "v1".into(),
                preferred: true,
                included: true,
                excluded: false,
                actions: Vec::new(),
                known: KnownType::Pod,
            }),
            scope,
            ordered: None,
        };
        let (all, some) = ([None], [Some("a=1".to_owned()), Some("b=2".to_owned())]);
        let namespaces = |names: &[&str]| Scope::Namespaces(names.iter().map(|name| (*name).to_owned()).collect());
        let table = [
            (Scope::Cluster, &all[..], vec!["- -"]),
            (Scope::Cluster, &some[..], vec!["- a=1", "- b=2"]),
            (namespaces(&["shop", "test"]), &all[..], vec!["shop -", "test -"]),
            (namespaces(&["shop"]), &some[..], vec!["shop a=1", "shop b=2"]),
            (namespaces(&[]), &some[..], vec![]),
        ];
        for (scope, selectors, expected) in table {
            let planned = planned(scope);
            let lists = List::of(&planned, selectors).map(|list| {
                let selector = list.selector.as_deref().unwrap_or("-");
                format!("{} {selector}", list.namespace.unwrap_or("-"))
            });
            assert_eq!(lists.collect::<Vec<_>>(), expected);
        }
    }
}
