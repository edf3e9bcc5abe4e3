//! Which types are collected, when, and from which lists (decision 10; spec backup 7).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::order::Ordered;
use super::scope::Scope;
use super::types::{KnownType, Type, Types};
use crate::cluster::discovery::{GroupResource, Resource};

/// Types with the same objects in two groups, and the groups. If both are collected, the first one in the order of discovery
/// wins; that is never `extensions`.
const COHABITING: [(&str, [&str; 2]); 5] = [
    ("deployments", ["extensions", "apps"]),
    ("daemonsets", ["extensions", "apps"]),
    ("replicasets", ["extensions", "apps"]),
    ("networkpolicies", ["extensions", "networking.k8s.io"]),
    ("events", ["", "events.k8s.io"]),
];

/// The types that a run collects.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Phase A: listed to the end and staged, then saved in item blocks. In discovery's order.
    pub(super) staged: Vec<Planned>,
    /// Phase B: saved as they are listed. In discovery's order.
    pub(super) streamed: Vec<Planned>,
    /// Whether Namespace objects are saved: last, because the other saved objects decide which.
    pub(super) namespaces: bool,
    /// Types that are not collected, and why.
    pub(super) left_out: Vec<(Resource, LeftOut)>,
}

/// A type to collect.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) type_: Arc<Type>,
    /// Where it is listed: cluster-wide, or in each of these namespaces.
    pub(super) scope: Scope,
    /// The items the user put first.
    pub(super) ordered: Option<Ordered>,
}

/// Why a type is not collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// The filters of the spec.
    Excluded,
    /// This type has the same objects.
    Cohabits(GroupResource),
}

impl Plan {
    /// Plans for the types in discovery's order, each in the versions that are to be saved. `scope`: where namespaced types
    /// are listed.
    pub(super) fn new(
        discovered: &[Resource],
        types: &Types,
        scope: &Scope,
        ordered_resources: &BTreeMap<String, String>,
    ) -> Self {
        let mut plan = Self::default();
        let mut met: Vec<GroupResource> = Vec::new();
        for resource in discovered {
            let Some(type_) = types.in_version(resource).filter(|type_| type_.included) else {
                plan.left_out.push((resource.clone(), LeftOut::Excluded));
                continue;
            };
            if let Some(twin) = twin(&type_.group_resource) {
                if met.contains(&twin) {
                    plan.left_out.push((resource.clone(), LeftOut::Cohabits(twin)));
                    continue;
                }
                met.push(type_.group_resource.clone());
            }
            if type_.known == KnownType::Namespace {
                plan.namespaces = true;
                continue;
            }
            let ordered = Ordered::of(ordered_resources, resource).filter(|_| type_.preferred);
            let together = matches!(type_.known, KnownType::Pod | KnownType::Claim | KnownType::Volume);
            let planned = Planned {
                type_,
                scope: if resource.namespaced {
                    scope.clone()
                } else {
                    Scope::Cluster
                },
                ordered,
            };
            if together || planned.ordered.is_some() {
                plan.staged.push(planned);
            } else {
                plan.streamed.push(planned);
            }
        }
        plan
    }
}

impl Plan {
    /// Plurals of the types that are collected in the user's order.
    pub(super) fn ordered(&self) -> Vec<&str> {
        let ordered = self.staged.iter().filter(|planned| planned.ordered.is_some());
        ordered.map(|planned| planned.type_.resource.plural.as_str()).collect()
    }
}

/// The type in another group that holds the same objects.
fn twin(resource: &GroupResource) -> Option<GroupResource> {
    let (_, groups) = COHABITING.iter().find(|(plural, _)| *plural == resource.resource)?;
    let [a, b] = groups;
    let other = match resource.group.as_str() {
        group if group == *a => b,
        group if group == *b => a,
        _ => return None,
    };
    Some(GroupResource::new(*other, &resource.resource))
}

#[cfg(test)]
mod tests;
