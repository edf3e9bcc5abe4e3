//! What is restored, and in which order: pure, inspectable, the same for the same archive, spec and served types.
//!
//! The order of a restore is its list of waves, one after the other; within a wave everything goes at once, across all
//! namespaces. A wave is one type (the services are two), so whatever must come before something else is in an earlier wave
//! (spec restore 25.2, invariants 1 to 11 and 19). That is stricter than needed where the order is only wanted within a
//! namespace, and costs the latency of one request a type.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::Deserialize;

use super::actions::{Restoration, keeps_a_node_port};
use super::names::Names;
use super::priorities::{CRDS, Priorities};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::archive::spool::{ItemRef, Spool};
use crate::cluster::discovery::GroupResource;
use crate::select::namespaces::NamespaceFilter;
use crate::select::restore::RestoreFilter;

/// The type whose items are not created but ensured.
pub const NAMESPACES: &str = "namespaces";

const SERVICES: &str = "services";

/// A restore, planned. Costs 4 bytes an item and one bit an item of the archive beside its index: 1.3 MB for 300,000 items.
#[derive(Debug, Default)]
pub struct Plan {
    items: Vec<ItemRef>,
    waves: Vec<Wave>,
    /// One bit an item of the archive: whether it is planned.
    planned: Vec<u64>,
    /// Items that another one takes the place of, because their namespaces are restored into one.
    twins: HashMap<ItemRef, ItemRef>,
    /// Selected items among them, each with the one that is restored in its place.
    displaced: Vec<(ItemRef, ItemRef)>,
    /// Target namespaces that several are restored into, with their sources, sorted.
    merged: BTreeMap<String, Vec<String>>,
    unreadable: Vec<(ItemRef, String)>,
}

/// What goes at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The type.
    pub resource: GroupResource,
    /// Which part of the type, where it is parted.
    pub part: Part,
    range: Range<usize>,
}

/// A part of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Services with node ports of their own, before others can be given the same ones.
    FixedNodePorts,
    /// The other services.
    OtherServices,
}

/// An item of the plan with its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedItem<'a> {
    /// Its handle; `item.index()` is its number in the ledger.
    pub item: ItemRef,
    /// The number of its wave.
    pub wave: usize,
    /// Its type and source names.
    pub source: ItemPath<'a>,
    /// The namespace it is restored into.
    pub target: Option<&'a str>,
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Planning<'a> {
    /// The archive.
    pub archive: &'a Spool,
    /// The spec's filters.
    pub filter: &'a RestoreFilter,
    /// The spec's namespace lists, for Namespace items (spec restore 26, row 27).
    pub namespaces: &'a NamespaceFilter,
    /// Whether the spec has label selectors: then every listed item is read once.
    pub by_labels: bool,
    /// The order of the types.
    pub priorities: &'a Priorities,
    /// The mapping of namespaces.
    pub restore: &'a Restoration,
    /// What names of types mean.
    pub names: &'a Names<'a>,
}

impl Plan {
    /// Plans a restore. Reads the archive's services, and every listed item if there are label selectors.
    pub fn new(planning: Planning<'_>) -> Self {
        let mut plan = Self::default();
        plan.find_merged(&planning);
        let archived: Vec<GroupResource> = planning
            .archive
            .group_resources()
            .filter_map(|name| name.parse().ok())
            .collect();
        let resolve = |name: &str| planning.names.group_resource(name);
        let crds: Option<GroupResource> = CRDS.parse().ok();
        let order = planning.priorities.order(&archived, resolve);
        let others = order.into_iter().filter(|resource| Some(resource) != crds.as_ref());
        for resource in crds.clone().into_iter().chain(others) {
            plan.add_type(&planning, resource);
        }
        plan.planned = vec![0; planning.archive.items().len().div_ceil(64)];
        for item in &plan.items {
            plan.planned[item.index() / 64] |= 1 << (item.index() % 64);
        }
        plan
    }

    fn find_merged(&mut self, planning: &Planning<'_>) {
        let mut sources: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
        let occupied = planning
            .archive
            .group_resources()
            .flat_map(|resource| planning.archive.namespaces(resource, ItemCopy::Plain).flatten());
        // one with nothing in it is a source as well, and one that is left out is none
        let objects = planning.archive.items_in(NAMESPACES, ItemCopy::Plain, None);
        let all = occupied.chain(objects.map(|item| planning.archive.path(item).0.name));
        for source in all.filter(|source| planning.namespaces.includes(source)) {
            sources
                .entry(planning.restore.target(source))
                .or_default()
                .insert(source);
        }
        let merged = sources.into_iter().filter(|(_, sources)| sources.len() > 1);
        self.merged = merged
            .map(|(target, sources)| (target.to_owned(), sources.into_iter().map(String::from).collect()))
            .collect();
    }

    fn add_type(&mut self, planning: &Planning<'_>, resource: GroupResource) {
        let name = resource.to_string();
        let start = self.items.len();
        let mut scopes: Vec<(Option<&str>, Option<&str>)> = planning
            .archive
            .namespaces(&name, ItemCopy::Plain)
            .map(|source| (source.map(|source| planning.restore.target(source)), source))
            .filter(|(_, source)| planning.filter.listed(&name, *source).is_ok())
            .collect();
        scopes.sort_unstable();
        for same_target in scopes.chunk_by(|one, other| one.0 == other.0) {
            match same_target {
                [(_, source)] => {
                    for item in planning.archive.items_in(&name, ItemCopy::Plain, *source) {
                        if self.takes(planning, &name, item) {
                            self.items.push(item);
                        }
                    }
                }
                several => self.add_merged(planning, &name, several),
            }
        }
        self.add_waves(planning, resource, &name, start);
    }

    /// Items of several namespaces that go into one: of those with the same name, the one of the first namespace by name
    /// wins (invariant 20). One that is selected wins over those that are not.
    fn add_merged(&mut self, planning: &Planning<'_>, name: &str, scopes: &[(Option<&str>, Option<&str>)]) {
        let mut by_name: BTreeMap<&str, Vec<(bool, ItemRef)>> = BTreeMap::new();
        for (_, source) in scopes {
            for item in planning.archive.items_in(name, ItemCopy::Plain, *source) {
                let taken = self.takes(planning, name, item);
                by_name
                    .entry(planning.archive.path(item).0.name)
                    .or_default()
                    .push((taken, item));
            }
        }
        for candidates in by_name.into_values() {
            let (taken, winner) = candidates
                .iter()
                .find(|(taken, _)| *taken)
                .copied()
                .unwrap_or(candidates[0]);
            self.twins.extend(
                candidates
                    .iter()
                    .filter(|(_, item)| *item != winner)
                    .map(|(_, item)| (*item, winner)),
            );
            let others = candidates
                .iter()
                .filter(|(selected, item)| *selected && *item != winner);
            self.displaced.extend(others.map(|(_, item)| (*item, winner)));
            if taken {
                self.items.push(winner);
            }
        }
    }

    /// Whether a listed item is selected by its labels and, if it is a Namespace, by its name.
    fn takes(&mut self, planning: &Planning<'_>, resource: &str, item: ItemRef) -> bool {
        let name = planning.archive.path(item).0.name;
        if resource == NAMESPACES && !planning.namespaces.includes(name) {
            return false;
        }
        if !planning.by_labels {
            return true;
        }
        match labels_of(planning.archive, item) {
            Ok(labels) => planning.filter.labelled(resource, &labels).is_ok(),
            Err(error) => {
                self.unreadable.push((item, error));
                false
            }
        }
    }

    fn add_waves(&mut self, planning: &Planning<'_>, resource: GroupResource, name: &str, start: usize) {
        let end = self.items.len();
        if name != SERVICES {
            self.add_wave(resource, Part::Whole, start..end);
            return;
        }
        let preserve = planning.restore.preserve_node_ports;
        let is_fixed = |item: &ItemRef| {
            let bytes = planning.archive.read(*item).ok();
            let object = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            object.is_some_and(|object| keeps_a_node_port(&object, preserve))
        };
        let (fixed, others): (Vec<_>, Vec<_>) = self.items.drain(start..).partition(is_fixed);
        let middle = start + fixed.len();
        self.items.extend(fixed);
        self.items.extend(others);
        self.add_wave(resource.clone(), Part::FixedNodePorts, start..middle);
        self.add_wave(resource, Part::OtherServices, middle..end);
    }

    fn add_wave(&mut self, resource: GroupResource, part: Part, range: Range<usize>) {
        if !range.is_empty() {
            self.waves.push(Wave { resource, part, range });
        }
    }

    /// The waves in order. None is empty.
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }

    /// The items of a wave: by target namespace, then by name.
    pub fn items_of(&self, wave: &Wave) -> &[ItemRef] {
        &self.items[wave.range.clone()]
    }

    /// All planned items in order.
    pub fn in_order(&self) -> &[ItemRef] {
        &self.items
    }

    /// Whether an item is planned, as opposed to asked for by an action.
    pub fn contains(&self, item: ItemRef) -> bool {
        self.planned
            .get(item.index() / 64)
            .is_some_and(|bits| bits & 1 << (item.index() % 64) != 0)
    }

    /// How many items are planned; actions may ask for more.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is to be restored.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Everything in order, with its names: what a dry run shows.
    pub fn items<'a>(&'a self, archive: &'a Spool, restore: &'a Restoration) -> impl Iterator<Item = PlannedItem<'a>> {
        self.waves.iter().enumerate().flat_map(move |(wave, of)| {
            self.items_of(of).iter().map(move |item| {
                let (source, _) = archive.path(*item);
                PlannedItem {
                    item: *item,
                    wave,
                    source,
                    target: source.namespace.map(|namespace| restore.target(namespace)),
                }
            })
        })
    }

    /// Items that could not be read although their labels had to be known, each with the reason.
    pub fn unreadable(&self) -> &[(ItemRef, String)] {
        &self.unreadable
    }

    /// The item that is restored in the place of this one: itself, or its twin from another namespace.
    pub fn winner(&self, item: ItemRef) -> ItemRef {
        self.twins.get(&item).copied().unwrap_or(item)
    }

    /// The selected items that another one takes the place of, each with that one.
    pub fn displaced(&self) -> &[(ItemRef, ItemRef)] {
        &self.displaced
    }

    /// The namespaces of the backup that are restored into a target, if they are several.
    pub fn sources_of(&self, target: &str) -> Option<&[String]> {
        self.merged.get(target).map(Vec::as_slice)
    }
}

#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: Option<BTreeMap<String, Option<String>>>,
}

fn labels_of(archive: &Spool, item: ItemRef) -> Result<BTreeMap<String, String>, String> {
    let bytes = archive.read(item).map_err(|error| error.to_string())?;
    let labelled: Labelled = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let labels = labelled
        .metadata
        .and_then(|metadata| metadata.labels)
        .unwrap_or_default();
    Ok(labels
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::discovery::Discovery;
    use crate::restore::testing::{resource, spool};
    use crate::select::includes::Resolve;
    use crate::select::labels::Selector;
    use crate::select::restore::RestoreLists;

    /// A plan in words: `wave type source/name>target`.
    struct Case {
        included_namespaces: Vec<String>,
        selectors: Vec<Selector>,
        mapping: Vec<(&'static str, &'static str)>,
        priorities: Priorities,
    }

    impl Default for Case {
        fn default() -> Self {
            Self {
                included_namespaces: Vec::new(),
                selectors: Vec::new(),
                mapping: Vec::new(),
                priorities: "pods,services,-,zebras.x".parse().unwrap(),
            }
        }
    }

    impl Case {
        fn plan(&self, archive: &Spool) -> (Plan, Vec<String>) {
            let discovery = Discovery::from_resources([
                resource("v1", "namespaces", "Namespace", false, &[]),
                resource("v1", "pods", "Pod", true, &["po"]),
                resource("v1", "services", "Service", true, &[]),
            ]);
            let names = Names::new(&discovery, archive);
            let resolve: Resolve<'_> = &|name| names.resolve(name);
            let lists = RestoreLists {
                included_namespaces: &self.included_namespaces,
                include_cluster: Some(true),
                selectors: self.selectors.clone(),
                ..RestoreLists::default()
            };
            let filter = RestoreFilter::new(lists, resolve);
            let mapping = self
                .mapping
                .iter()
                .map(|(source, target)| ((*source).to_owned(), (*target).to_owned()));
            let restore = Restoration {
                namespace_mapping: mapping.collect(),
                ..Restoration::default()
            };
            let plan = Plan::new(Planning {
                archive,
                filter: &filter,
                namespaces: &NamespaceFilter::new(&self.included_namespaces, &[]),
                by_labels: !self.selectors.is_empty(),
                priorities: &self.priorities,
                restore: &restore,
                names: &names,
            });
            let words = plan.items(archive, &restore).map(|planned| {
                let source = planned.source;
                let namespace = source.namespace.unwrap_or_default();
                format!(
                    "{} {} {namespace}/{}>{}",
                    planned.wave,
                    source.group_resource,
                    source.name,
                    planned.target.unwrap_or_default()
                )
            });
            let words = words.collect();
            (plan, words)
        }
    }

    fn fixed_port() -> String {
        let applied = r#"{\"spec\":{\"ports\":[{\"nodePort\":30001}]}}"#;
        format!(
            r#"{{"metadata": {{"annotations": {{"kubectl.kubernetes.io/last-applied-configuration": "{applied}"}}}},
            "spec": {{"type": "NodePort", "ports": [{{"port": 1, "nodePort": 30001}}]}}}}"#
        )
    }

    #[test]
    fn types_are_waves_and_the_crds_are_the_first() {
        let archive = spool(&[
            ("zebras.x", None, "z", "{}"),
            ("apples.x", Some("a"), "b", "{}"),
            ("apples.x", Some("a"), "a", "{}"),
            ("pods", Some("b"), "p", "{}"),
            ("pods", Some("a"), "p", "{}"),
            (CRDS, None, "apples.x", "{}"),
            ("bananas.x", Some("a"), "b", "{}"),
        ]);
        let (plan, words) = Case::default().plan(&archive);
        assert_eq!(
            words,
            [
                "0 customresourcedefinitions.apiextensions.k8s.io /apples.x>",
                "1 pods a/p>a",
                "1 pods b/p>b",
                "2 apples.x a/a>a",
                "2 apples.x a/b>a",
                "3 bananas.x a/b>a",
                "4 zebras.x /z>",
            ]
        );
        assert_eq!(plan.len(), 7);
        assert!(archive.items().all(|item| plan.contains(item)));
        let again = Case::default().plan(&archive).1;
        assert_eq!(words, again);
    }

    #[test]
    fn the_crds_come_first_whatever_the_priorities_say() {
        let archive = spool(&[("pods", Some("a"), "p", "{}"), (CRDS, None, "c", "{}")]);
        let case = Case {
            priorities: format!("pods,{CRDS}").parse().unwrap(),
            ..Case::default()
        };
        assert!(case.plan(&archive).1[0].starts_with("0 customresourcedefinitions"));
    }

    #[test]
    fn services_with_ports_of_their_own_go_before_those_that_are_given_one() {
        let fixed = fixed_port();
        let archive = spool(&[
            (
                "services",
                Some("a"),
                "any",
                r#"{"spec": {"type": "NodePort", "ports": [{"port": 1, "nodePort": 30001}]}}"#,
            ),
            ("services", Some("b"), "fixed", &fixed),
            ("services", Some("c"), "broken", "{"),
        ]);
        let (plan, words) = Case::default().plan(&archive);
        assert_eq!(
            words,
            ["0 services b/fixed>b", "1 services a/any>a", "1 services c/broken>c"]
        );
        assert_eq!(plan.waves()[0].part, Part::FixedNodePorts);
    }

    #[test]
    fn of_two_namespaces_that_become_one_the_first_by_name_wins() {
        let archive = spool(&[
            ("pods", Some("b"), "same", "{}"),
            ("pods", Some("a"), "same", "{}"),
            ("pods", Some("b"), "only-b", "{}"),
            ("pods", Some("c"), "same", "{}"),
        ]);
        let case = Case {
            mapping: vec![("a", "x"), ("b", "x")],
            ..Case::default()
        };
        let (plan, words) = case.plan(&archive);
        assert_eq!(words, ["0 pods c/same>c", "0 pods b/only-b>x", "0 pods a/same>x"]);
        let find = |namespace| {
            archive
                .find(
                    &ItemPath {
                        group_resource: "pods",
                        namespace: Some(namespace),
                        name: "same",
                    },
                    ItemCopy::Plain,
                )
                .unwrap()
        };
        assert_eq!(plan.winner(find("b")), find("a"));
        assert_eq!(plan.winner(find("c")), find("c"));
        assert_eq!(plan.sources_of("x"), Some(&["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(plan.sources_of("c"), None);
    }

    #[test]
    fn an_item_that_is_selected_wins_over_a_twin_that_is_not() {
        let archive = spool(&[
            ("pods", Some("a"), "same", "{}"),
            ("pods", Some("b"), "same", r#"{"metadata": {"labels": {"app": "web"}}}"#),
        ]);
        let selector = crate::restore::request::checked(&crate::api::LabelSelector {
            match_labels: [("app".to_owned(), "web".to_owned())].into(),
            ..Default::default()
        });
        let case = Case {
            mapping: vec![("a", "b")],
            selectors: vec![selector.unwrap()],
            ..Case::default()
        };
        assert_eq!(case.plan(&archive).1, ["0 pods b/same>b"]);
    }

    #[test]
    fn labels_select_and_what_cannot_be_read_is_told() {
        let archive = spool(&[
            (
                "pods",
                Some("a"),
                "web",
                r#"{"metadata": {"labels": {"app": "web", "odd": null}}}"#,
            ),
            ("pods", Some("a"), "db", r#"{"metadata": {"labels": {"app": "db"}}}"#),
            ("pods", Some("a"), "bare", r#"{"metadata": {"labels": null}}"#),
            ("pods", Some("a"), "none", "{}"),
            ("pods", Some("a"), "broken", "{"),
        ]);
        let selector = crate::restore::request::checked(&crate::api::LabelSelector {
            match_labels: [("app".to_owned(), "web".to_owned())].into(),
            ..Default::default()
        });
        let case = Case {
            selectors: vec![selector.unwrap()],
            ..Case::default()
        };
        let (plan, words) = case.plan(&archive);
        assert_eq!(words, ["0 pods a/web>a"]);
        let [(broken, reason)] = plan.unreadable() else {
            panic!("{:?}", plan.unreadable())
        };
        assert_eq!(archive.path(*broken).0.name, "broken");
        assert!(reason.contains("EOF"), "{reason}");
    }

    #[test]
    fn namespace_items_obey_the_namespace_filter() {
        let archive = spool(&[
            (NAMESPACES, None, "a", "{}"),
            (NAMESPACES, None, "b", "{}"),
            ("pods", Some("b"), "p", "{}"),
        ]);
        let case = Case {
            included_namespaces: vec!["a".to_owned()],
            ..Case::default()
        };
        let (plan, words) = case.plan(&archive);
        assert_eq!(words, ["0 namespaces /a>"]);
        assert_eq!(archive.items().filter(|item| plan.contains(*item)).count(), 1);
    }
}
