//! A backup's spec, resolved for its cluster once, before the first item.

use std::sync::Arc;

use super::actions::{ActionTable, BackupItemAction, built_in};
use super::announce;
use super::namespaces::Alive;
use super::plan::Plan;
use super::reader::Reader;
use super::report::Fatal;
use super::request::Request;
use super::scope::Scope;
use super::selectors::{queries, selectors};
use super::types::Types;
use crate::cluster::discovery::{Discovery, GroupResource};
use crate::hook::SpecHooks;
use crate::select::backup::{ResourceFilter, Served, TypeLists, unknown_types, unused_orders};
use crate::select::includes::ResolvedType;
use crate::select::namespaces::{NamespaceFilter, NamespaceTracker};
use crate::telemetry::run_log::RunLog;

/// A backup that is ready to begin. It does not change.
pub(super) struct Prepared<'a> {
    pub(super) request: &'a Request,
    pub(super) discovery: &'a Discovery,
    /// The types that are served.
    pub(super) types: Types,
    pub(super) actions: ActionTable,
    /// The namespaces of the backup.
    pub(super) namespaces: NamespaceFilter,
    /// The label selectors to list with, each in query form; a lone `None` is a list of everything.
    pub(super) selectors: Vec<Option<String>>,
    /// Hooks that the spec asks for.
    pub(super) spec_hooks: SpecHooks,
    /// The types that are collected, and when.
    pub(super) plan: Plan,
}

/// Reads the namespaces of the cluster and the spec, logs what they mean, and plans the backup. The tracker decides later
/// which Namespace objects are saved.
pub(super) async fn prepare<'a>(
    request: &'a Request,
    discovery: &'a Discovery,
    log: &RunLog,
    more_actions: &[Arc<dyn BackupItemAction>],
    reader: &Reader,
) -> Result<(Prepared<'a>, NamespaceTracker), Fatal> {
    let spec = &request.spec;
    let namespaces = GroupResource::new("", "namespaces");
    let namespaces = discovery.preferred_version(&namespaces).ok_or(Fatal::NoNamespaces)?;
    let alive = Alive::read(reader, namespaces).await?;
    let filter = NamespaceFilter::new(&spec.included_namespaces, &spec.excluded_namespaces);
    let users_filter = alive.users_filter(spec);
    let scope = Scope::choose(filter.includes_everything(), |name| filter.includes(name), &alive.names);
    announce::filters(spec, log);
    announce::gaps(discovery, log);
    announce::volumes(request, log);
    alive.report(&filter, log);

    let resolve = |name: &str| {
        discovery.resolve(name).map(|resource| ResolvedType {
            name: resource.group_resource().to_string(),
            namespaced: resource.namespaced,
        })
    };
    let actions = built_in(request.every_version)
        .into_iter()
        .chain(more_actions.iter().cloned());
    let actions = ActionTable::new(actions, &resolve)?;
    let type_filter = ResourceFilter::new(TypeLists::from(spec), request.policies.lists(), &users_filter, &resolve);
    for entry in type_filter.misplaced() {
        log.warn(format!(
            "{entry} has no effect: it is in a list of types of the other scope (cluster-scoped, namespace-scoped)"
        ));
    }
    let served: Vec<String> = discovery
        .all()
        .iter()
        .map(|resource| resource.group_resource().to_string())
        .collect();
    let served = Served {
        types: &served,
        resolve: &resolve,
    };
    for warning in unknown_types(TypeLists::from(spec), request.policies.lists(), served) {
        log.warn(warning);
    }
    let types = Types::new(discovery, &type_filter, &actions);
    let considered = if request.every_version {
        discovery.all_versions()
    } else {
        discovery.preferred()
    };
    let plan = Plan::new(considered, &types, &scope, &spec.ordered_resources);
    for warning in unused_orders(&spec.ordered_resources, &plan.ordered(), served) {
        log.warn(warning);
    }
    let selectors = selectors(spec)?;
    let spec_hooks = SpecHooks::new(&spec.hooks, &resolve).map_err(Fatal::Hooks)?;
    for hook in spec_hooks.idle() {
        log.warn(format!(
            "Hook {hook:?} of the backup never runs: its resources exclude pods, and only pods have hooks"
        ));
    }
    let prepared = Prepared {
        request,
        discovery,
        types,
        actions,
        namespaces: filter,
        selectors: queries(&selectors),
        spec_hooks,
        plan,
    };
    Ok((prepared, NamespaceTracker::new(users_filter, selectors)))
}
