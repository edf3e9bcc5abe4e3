//! Random scenes: small enough to read, with enough odd cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::restore::priorities::CRDS;
use crate::restore::tests::scene::{claim, crd, object, pod, volume};

/// A type of the objects in scenes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) resource: &'static str,
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
    pub(super) part: Part,
}

/// The part of the default order that a type is in (spec restore 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    High,
    Middle,
    Low,
}

const fn kind(
    resource: &'static str,
    api_version: &'static str,
    kind: &'static str,
    namespaced: bool,
    part: Part,
) -> Type {
    Type {
        resource,
        api_version,
        kind,
        namespaced,
        part,
    }
}

/// In the default order of a restore: copied from the spec, not from the code.
pub(super) const KINDS: [Type; 24] = [
    kind(
        CRDS,
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        false,
        Part::High,
    ),
    kind("namespaces", "v1", "Namespace", false, Part::High),
    kind(
        "storageclasses.storage.k8s.io",
        "storage.k8s.io/v1",
        "StorageClass",
        false,
        Part::High,
    ),
    kind("persistentvolumes", "v1", "PersistentVolume", false, Part::High),
    kind(
        "persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        true,
        Part::High,
    ),
    kind(
        "clusterroles.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        false,
        Part::High,
    ),
    kind(
        "roles.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "Role",
        true,
        Part::High,
    ),
    kind("serviceaccounts", "v1", "ServiceAccount", true, Part::High),
    kind(
        "rolebindings.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        true,
        Part::High,
    ),
    kind("secrets", "v1", "Secret", true, Part::High),
    kind("configmaps", "v1", "ConfigMap", true, Part::High),
    kind("limitranges", "v1", "LimitRange", true, Part::High),
    kind(
        "priorityclasses.scheduling.k8s.io",
        "scheduling.k8s.io/v1",
        "PriorityClass",
        false,
        Part::High,
    ),
    kind("resourcequotas", "v1", "ResourceQuota", true, Part::High),
    kind("pods", "v1", "Pod", true, Part::High),
    kind("replicasets.apps", "apps/v1", "ReplicaSet", true, Part::High),
    kind("endpoints", "v1", "Endpoints", true, Part::High),
    kind("services", "v1", "Service", true, Part::High),
    kind("deployments.apps", "apps/v1", "Deployment", true, Part::Middle),
    kind("gadgets.example.com", "example.com/v1", "Gadget", true, Part::Middle),
    kind(
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        false,
        Part::Middle,
    ),
    kind("widgets.example.com", "example.com/v1", "Widget", true, Part::Middle),
    kind(
        "clusters.cluster.x-k8s.io",
        "cluster.x-k8s.io/v1",
        "Cluster",
        true,
        Part::Low,
    ),
    kind(
        "packageinstalls.packaging.carvel.dev",
        "packaging.carvel.dev/v1",
        "PackageInstall",
        true,
        Part::Low,
    ),
];

/// The CRDs that may be in the archive, by number: plural and kind.
const CRD_NAMES: [(&str, &str); 2] = [("widgets", "Widget"), ("gadgets", "Gadget")];

pub(super) const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];

/// What is in the cluster under an item's name before the restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Absent,
    Equal,
    Different,
    /// It is being deleted, and gone after this many seconds.
    Leaving(u8),
}

/// An object of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its number in [`KINDS`].
    pub(super) kind: usize,
    namespace: usize,
    number: usize,
    /// What is special about objects of its type: the reclaim policy, the claim it mounts, its node port.
    pub(super) flavour: usize,
    before: Before,
}

/// What the API server answers to creations of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    TooMany,
    Unavailable,
    TimedOut,
    /// The answer is lost: the object is created.
    Lost,
    Conflict,
    Webhook,
    Quota,
    /// A final error.
    Invalid,
}

/// A scene.
#[derive(Clone)]
pub(super) struct Generated {
    items: Vec<Item>,
    /// Pairs of an item and another that it asks for.
    needs: Vec<(usize, usize)>,
    /// The item, the fault, how often.
    faults: Vec<(usize, FaultKind, u8)>,
    /// Source and target namespaces.
    mapping: Vec<(usize, usize)>,
    /// A namespace that the restore leaves out.
    excluded: Option<usize>,
    /// A target namespace that is being deleted, and gone after this many seconds.
    leaving: Option<(usize, u8)>,
    /// Types of the user's own order: high, low.
    order: Option<(Vec<usize>, Vec<usize>)>,
    /// Types without a CRD in the archive are served only after this many seconds.
    pub(super) unserved: Option<u8>,
    pub(super) update: bool,
    pub(super) requests: u32,
    delays: Vec<u8>,
}

pub(super) fn scenes() -> impl Strategy<Value = Generated> {
    let before = prop_oneof![
        8 => Just(Before::Absent),
        1 => Just(Before::Equal),
        1 => Just(Before::Different),
        1 => (1_u8..60).prop_map(Before::Leaving),
    ];
    let item = (0..KINDS.len(), 0..NAMESPACES.len(), 0_usize..3, 0_usize..3, before).prop_map(
        |(kind, namespace, number, flavour, before)| Item {
            kind,
            namespace,
            number,
            flavour,
            before,
        },
    );
    let fault_kind = prop_oneof![
        2 => Just(FaultKind::TooMany),
        1 => Just(FaultKind::Unavailable),
        1 => Just(FaultKind::TimedOut),
        2 => Just(FaultKind::Lost),
        1 => Just(FaultKind::Conflict),
        1 => Just(FaultKind::Webhook),
        1 => Just(FaultKind::Quota),
        1 => Just(FaultKind::Invalid),
    ];
    let types = || prop::collection::vec(1..KINDS.len(), 1..6);
    (
        prop::collection::vec(item, 1..28),
        prop::collection::vec((0_usize..28, 0_usize..28), 0..16),
        prop::collection::vec((0_usize..28, fault_kind, 1_u8..5), 0..6),
        prop::collection::vec((0..NAMESPACES.len(), 0..NAMESPACES.len()), 0..3),
        prop::option::weighted(0.15, 0..NAMESPACES.len()),
        prop::option::weighted(0.2, (0..NAMESPACES.len(), 1_u8..90)),
        prop::option::weighted(0.25, (types(), types())),
        prop::option::weighted(0.2, 1_u8..120),
        any::<bool>(),
        prop_oneof![Just(1_u32), 2_u32..10, Just(64)],
        prop::collection::vec(0_u8..120, 8),
    )
        .prop_map(
            |(items, needs, faults, mapping, excluded, leaving, order, unserved, update, requests, delays)| Generated {
                items,
                needs,
                faults,
                mapping,
                excluded,
                leaving,
                order,
                unserved,
                update,
                requests,
                delays,
            },
        )
}

impl Item {
    pub(super) fn kind(&self) -> &'static Type {
        &KINDS[self.kind]
    }

    pub(super) fn resource(&self) -> &'static str {
        self.kind().resource
    }

    /// Its namespace in the backup.
    pub(super) fn source(&self) -> Option<&'static str> {
        self.kind().namespaced.then(|| NAMESPACES[self.namespace])
    }

    /// The object that existed before; only for types with a simple comparison.
    pub(super) fn before(&self) -> Before {
        match self.resource() {
            "configmaps" | "secrets" | "deployments.apps" | "storageclasses.storage.k8s.io" | "resourcequotas" => {
                self.before
            }
            _ => Before::Absent,
        }
    }

    pub(super) fn name(&self) -> String {
        match self.resource() {
            CRDS => format!("{}.example.com", CRD_NAMES[self.number % CRD_NAMES.len()].0),
            "namespaces" => NAMESPACES[self.namespace].to_owned(),
            _ => format!("n{}", self.number),
        }
    }

    /// The object in the archive.
    pub(super) fn object(&self) -> Value {
        let (namespace, name) = (self.source().unwrap_or_default(), self.name());
        let other = format!("n{}", self.flavour);
        let mut object = match self.resource() {
            CRDS => {
                let (plural, kind) = CRD_NAMES[self.number % CRD_NAMES.len()];
                crd(plural, kind).1
            }
            "persistentvolumes" => {
                let policy = if self.flavour == 0 { "Delete" } else { "Retain" };
                volume(&name, policy, ("a", "n0")).1
            }
            "persistentvolumeclaims" => claim(namespace, &name, &other).1,
            "pods" => pod(namespace, &name, &[&other]).1,
            _ => object(self.kind().api_version, self.kind().kind, namespace, &name),
        };
        object["metadata"]["annotations"] = json!({"from": self.source().unwrap_or(&name)});
        if self.resource() == "services" {
            object["spec"] = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30_000 + self.number}]});
            if self.has_fixed_port() {
                let applied = json!({"spec": {"ports": [{"nodePort": 30_000 + self.number}]}}).to_string();
                object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(applied);
            }
        }
        object
    }

    pub(super) fn has_fixed_port(&self) -> bool {
        self.resource() == "services" && self.flavour == 0
    }

    /// What a built-in action asks for first, as type, source namespace and name.
    fn built_in_needs(&self) -> Option<(&'static str, Option<&'static str>, String)> {
        let other = format!("n{}", self.flavour);
        match self.resource() {
            "pods" => Some(("persistentvolumeclaims", self.source(), other)),
            "persistentvolumeclaims" => Some(("persistentvolumes", None, other)),
            _ => None,
        }
    }
}

/// The names of an item: type, source namespace and name.
type Identity = (usize, Option<&'static str>, String);

fn identity(item: &Item) -> Identity {
    (item.kind, item.source(), item.name())
}

impl Generated {
    /// The archive's items, each name once.
    pub(super) fn items(&self) -> Vec<Item> {
        let mut seen = BTreeSet::new();
        self.items
            .iter()
            .filter(|item| seen.insert(identity(item)))
            .copied()
            .collect()
    }

    /// What the test's action asks for, by numbers in [`Generated::items`].
    pub(super) fn asked(&self) -> Vec<(usize, usize)> {
        let count = self.items().len();
        let mut asked: Vec<_> = self
            .needs
            .iter()
            .map(|(one, other)| (one % count, other % count))
            .collect();
        // Namespaces are only ensured: no action gets them. CRDs come first, so they ask for nothing.
        asked.retain(|(one, other)| {
            let items = self.items();
            !["namespaces", CRDS].contains(&items[*one].resource()) && items[*other].resource() != "namespaces"
        });
        asked
    }

    /// All additional items of an item's actions, also by number.
    pub(super) fn needs(&self) -> Vec<(usize, usize)> {
        let items = self.items();
        let find = |(resource, source, name): (&str, Option<&str>, String)| {
            items
                .iter()
                .position(|other| other.resource() == resource && other.source() == source && other.name() == name)
        };
        let built_in = items
            .iter()
            .enumerate()
            .filter_map(|(number, item)| Some((number, find(item.built_in_needs()?)?)));
        let mut needs = self.asked();
        needs.extend(built_in);
        needs
    }

    pub(super) fn mapping(&self) -> BTreeMap<&'static str, &'static str> {
        let items = self.items();
        // Only of namespaces in the archive: other mappings are refused.
        let is_there = |name: &str| {
            let holds = |item: &Item| item.source() == Some(name);
            let is_it = |item: &Item| item.resource() == "namespaces" && item.name() == name;
            items.iter().any(|item| holds(item) || is_it(item))
        };
        self.mapping
            .iter()
            .map(|(from, to)| (NAMESPACES[*from], NAMESPACES[*to]))
            .filter(|(from, _)| is_there(from))
            .collect()
    }

    pub(super) fn excluded(&self) -> Option<&'static str> {
        self.excluded.map(|namespace| NAMESPACES[namespace])
    }

    pub(super) fn leaving(&self) -> Option<(&'static str, u8)> {
        self.leaving
            .map(|(namespace, seconds)| (NAMESPACES[namespace], seconds))
    }

    pub(super) fn faults(&self) -> Vec<(usize, FaultKind, u8)> {
        let items = self.items();
        self.faults
            .iter()
            .map(|(number, fault_kind, times)| (number % items.len(), *fault_kind, *times))
            .filter(|(number, fault_kind, _)| *fault_kind != FaultKind::Invalid || self.can_be_refused(&items, *number))
            .collect()
    }

    /// Whether an error only means that an item does not exist in the end.
    fn can_be_refused(&self, items: &[Item], number: usize) -> bool {
        let refused = &items[number];
        // also items that it displaces under a mapping
        let is_it = |item: &Item| item.kind == refused.kind && item.name() == refused.name();
        // the answer was lost: the object exists, and is found after the error
        let is_lost = |(other, fault_kind, _): &(usize, FaultKind, u8)| {
            *fault_kind == FaultKind::Lost && is_it(&items[other % items.len()])
        };
        // without a namespace all its items fail, and instances wait for their CRD until the timeout
        !["namespaces", CRDS].contains(&refused.resource())
            && !items.iter().any(|item| is_it(item) && item.before() != Before::Absent)
            && !self.faults.iter().any(is_lost)
    }

    /// The user's own order, as the flag has it.
    pub(super) fn priorities(&self) -> Option<String> {
        let (high, low) = self.order_lists()?;
        Some(format!("{},-,{}", high.join(","), low.join(",")))
    }

    fn order_lists(&self) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
        let (high, low) = self.order.as_ref()?;
        let mut seen = BTreeSet::new();
        let mut names = |list: &[usize]| -> Vec<&'static str> {
            list.iter()
                .filter(|kind| seen.insert(**kind))
                .map(|kind| KINDS[*kind].resource)
                .collect()
        };
        let (high, low) = (names(high), names(low));
        (!low.is_empty()).then_some((high, low))
    }

    /// The place of a type in the order of this scene.
    pub(super) fn rank(&self, kind: usize) -> usize {
        let Some((high, low)) = self.order_lists() else {
            return kind;
        };
        let mut middle: Vec<&str> = KINDS
            .iter()
            .map(|kind| kind.resource)
            .filter(|name| *name != CRDS && !high.contains(name) && !low.contains(name))
            .collect();
        middle.sort_unstable();
        let is_limit = |name: &&str| ["limitranges", "resourcequotas"].contains(name);
        let (limits, middle): (Vec<&str>, Vec<&str>) = middle.into_iter().partition(is_limit);
        let is_limited = |name: &&str| ["pods", "replicasets.apps", "deployments.apps"].contains(name);
        let at = high.iter().position(is_limited).unwrap_or(high.len());
        let (before, after) = (high[..at].to_vec(), high[at..].to_vec());
        let all: Vec<&str> = [vec![CRDS], before, limits, after, middle, low].concat();
        all.iter().position(|name| *name == KINDS[kind].resource).unwrap()
    }

    /// The latency of the API server for requests about an object.
    pub(super) fn delay(&self, text: &str) -> u64 {
        let hash = text.bytes().fold(7_usize, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        u64::from(self.delays[hash % self.delays.len()])
    }
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items();
        let named = |number: usize| match items[number].source() {
            Some(namespace) => format!("{}/{namespace}/{}", items[number].resource(), items[number].name()),
            None => format!("{}/{}", items[number].resource(), items[number].name()),
        };
        for (number, item) in items.iter().enumerate() {
            write!(f, "  {}", named(number))?;
            if matches!(
                item.resource(),
                "persistentvolumes" | "persistentvolumeclaims" | "pods" | "services"
            ) {
                write!(f, ", flavour {}", item.flavour)?;
            }
            if item.before() != Before::Absent {
                write!(f, ", in the cluster: {:?}", item.before())?;
            }
            writeln!(f)?;
        }
        for (one, other) in self.needs() {
            writeln!(f, "  {} needs {}", named(one), named(other))?;
        }
        for (number, fault_kind, times) in self.faults() {
            writeln!(f, "  creating {} meets {fault_kind:?} {times} times", named(number))?;
        }
        writeln!(
            f,
            "  mapping {:?}, excluded {:?}, leaving {:?}, unserved {:?}, order {:?}, update {}, {} requests at once, delays {:?}",
            self.mapping(),
            self.excluded(),
            self.leaving(),
            self.unserved,
            self.priorities(),
            self.update,
            self.requests,
            self.delays
        )
    }
}
