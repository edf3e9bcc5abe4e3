//! Makes the plan of a restore. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::archive::layout::ItemCopy;
use crate::archive::spool::{ItemHandle, Spool};
use crate::cluster::discovery::GroupResource;
use crate::restore::actions::keeps_a_node_port;
use crate::restore::plan::{NAMESPACES, Part, Plan};
use crate::restore::priorities::{CRDS, Priorities};
use crate::restore::request::RestoreContext;
use crate::restore::type_names::TypeNames;
use crate::select::namespaces::NamespaceFilter;
use crate::select::restore::RestoreFilter;

const SERVICES: &str = "services";

/// Makes a plan.
#[derive(Clone, Copy)]
pub struct Planner<'a> {
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
    pub restore: &'a RestoreContext,
    /// Resolves names of types.
    pub names: &'a TypeNames<'a>,
}

impl Planner<'_> {
    /// Plans a restore. Reads the archive's services, and every listed item if there are label selectors.
    pub fn plan(self) -> Plan {
        let mut plan = Plan {
            merged: self.merged(),
            ..Plan::default()
        };
        let archived: Vec<GroupResource> = self
            .archive
            .group_resources()
            .filter_map(|name| name.parse().ok())
            .collect();
        let resolve = |name: &str| self.names.group_resource(name);
        let crds: Option<GroupResource> = CRDS.parse().ok();
        let order = self.priorities.order(&archived, resolve);
        let others = order.into_iter().filter(|resource| Some(resource) != crds.as_ref());
        for resource in crds.clone().into_iter().chain(others) {
            self.add_type(&mut plan, resource);
        }
        plan.planned = vec![0; self.archive.items().len().div_ceil(64)];
        for item in &plan.items {
            plan.planned[item.index() / 64] |= 1 << (item.index() % 64);
        }
        plan
    }

    /// Target namespaces that several are restored into, with their sources, sorted.
    fn merged(&self) -> BTreeMap<String, Vec<String>> {
        let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let occupied = self
            .archive
            .group_resources()
            .flat_map(|resource| self.archive.namespaces(resource, ItemCopy::Plain).flatten());
        // an empty namespace is a source too, an excluded one is not
        let objects = self.archive.items_in(NAMESPACES, ItemCopy::Plain, None);
        let all = occupied.chain(objects.map(|item| self.archive.path(item).0.name));
        for source in all.filter(|source| self.namespaces.includes(source)) {
            sources.entry(self.restore.target(source)).or_default().insert(source);
        }
        let merged = sources.into_iter().filter(|(_, sources)| sources.len() > 1);
        merged
            .map(|(target, sources)| (target.to_owned(), sources.into_iter().map(String::from).collect()))
            .collect()
    }

    fn add_type(&self, plan: &mut Plan, resource: GroupResource) {
        let name = resource.to_string();
        let start = plan.items.len();
        let mut scopes: Vec<(Option<&str>, Option<&str>)> = self
            .archive
            .namespaces(&name, ItemCopy::Plain)
            .map(|source| (source.map(|source| self.restore.target(source)), source))
            .filter(|(_, source)| self.filter.listed(&name, *source).is_ok())
            .collect();
        scopes.sort_unstable();
        for same_target in scopes.chunk_by(|one, other| one.0 == other.0) {
            match same_target {
                [(_, source)] => {
                    for item in self.archive.items_in(&name, ItemCopy::Plain, *source) {
                        if self.takes(plan, &name, item) {
                            plan.items.push(item);
                        }
                    }
                }
                several => self.add_merged(plan, &name, several),
            }
        }
        self.add_waves(plan, resource, &name, start);
    }

    /// For items of several namespaces that are restored into one: of those with the same name, a selected one wins, and of several
    /// the one of the first namespace by name (invariant 20).
    fn add_merged(&self, plan: &mut Plan, name: &str, scopes: &[(Option<&str>, Option<&str>)]) {
        let mut by_name: BTreeMap<&str, Vec<(bool, ItemHandle)>> = BTreeMap::new();
        for (_, source) in scopes {
            for item in self.archive.items_in(name, ItemCopy::Plain, *source) {
                let taken = self.takes(plan, name, item);
                by_name
                    .entry(self.archive.path(item).0.name)
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
            plan.twins.extend(
                candidates
                    .iter()
                    .filter(|(_, item)| *item != winner)
                    .map(|(_, item)| (*item, winner)),
            );
            let others = candidates
                .iter()
                .filter(|(selected, item)| *selected && *item != winner);
            plan.displaced.extend(others.map(|(_, item)| (*item, winner)));
            if taken {
                plan.items.push(winner);
            }
        }
    }

    /// Whether a listed item is selected by its labels and, if it is a Namespace, by its name.
    fn takes(&self, plan: &mut Plan, resource: &str, item: ItemHandle) -> bool {
        let name = self.archive.path(item).0.name;
        if resource == NAMESPACES && !self.namespaces.includes(name) {
            return false;
        }
        if !self.by_labels {
            return true;
        }
        match labels_of(self.archive, item) {
            Ok(labels) => self.filter.labelled(resource, &labels).is_ok(),
            Err(error) => {
                plan.unreadable.push((item, error));
                false
            }
        }
    }

    fn add_waves(&self, plan: &mut Plan, resource: GroupResource, name: &str, start: usize) {
        let end = plan.items.len();
        if name != SERVICES {
            plan.add_wave(resource, Part::Whole, start..end);
            return;
        }
        let preserve = self.restore.preserve_node_ports;
        let is_fixed = |item: &ItemHandle| {
            let bytes = self.archive.read(*item).ok();
            let object = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            object.is_some_and(|object| keeps_a_node_port(&object, preserve))
        };
        let (fixed, others): (Vec<_>, Vec<_>) = plan.items.drain(start..).partition(is_fixed);
        let middle = start + fixed.len();
        plan.items.extend(fixed);
        plan.items.extend(others);
        plan.add_wave(resource.clone(), Part::FixedNodePorts, start..middle);
        plan.add_wave(resource, Part::OtherServices, middle..end);
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

fn labels_of(archive: &Spool, item: ItemHandle) -> Result<BTreeMap<String, String>, String> {
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
    use crate::archive::layout::ItemPath;
    use crate::cluster::discovery::Discovery;
    use crate::restore::plan::Part;
    use crate::restore::testing::{resource, spool};
    use crate::select::includes::Resolve;
    use crate::select::labels::Selector;
    use crate::select::restore::RestoreLists;

    /// A plan as text: `wave type source/name>target`.
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
            let names = TypeNames::new(&discovery, archive);
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
            let restore = RestoreContext {
                namespace_mapping: mapping.collect(),
                ..RestoreContext::default()
            };
            let plan = Planner {
                archive,
                filter: &filter,
                namespaces: &NamespaceFilter::new(&self.included_namespaces, &[]),
                by_labels: !self.selectors.is_empty(),
                priorities: &self.priorities,
                restore: &restore,
                names: &names,
            }
            .plan();
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
    fn the_crds_come_first_with_any_priorities() {
        let archive = spool(&[("pods", Some("a"), "p", "{}"), (CRDS, None, "c", "{}")]);
        let case = Case {
            priorities: format!("pods,{CRDS}").parse().unwrap(),
            ..Case::default()
        };
        assert!(case.plan(&archive).1[0].starts_with("0 customresourcedefinitions"));
    }

    #[test]
    fn services_with_fixed_ports_come_before_the_others() {
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
    fn of_two_namespaces_restored_into_one_the_first_by_name_wins() {
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
    fn a_selected_item_wins_over_an_unselected_twin() {
        let archive = spool(&[
            ("pods", Some("a"), "same", "{}"),
            ("pods", Some("b"), "same", r#"{"metadata": {"labels": {"app": "web"}}}"#),
        ]);
        let selector = Selector::from_api(&crate::api::LabelSelector {
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
    fn labels_select_and_unreadable_items_are_reported() {
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
        let selector = Selector::from_api(&crate::api::LabelSelector {
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
