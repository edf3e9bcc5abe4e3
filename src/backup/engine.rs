//! One run from its request to its report: select, collect, items, archive (design section 5).

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use futures::future::{Either, select};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::actions::{ActionTable, BackupItemAction, built_in};
use super::done::Done;
use super::item_log::ItemLog;
use super::namespaces::Alive;
use super::packer::{self, Packer};
use super::plan::Plan;
use super::progress::Progress;
use super::reader::Reader;
use super::report::{Fatal, Report};
use super::request::Request;
use super::resource_list::ResourceList;
use super::run::{BackupRun, State, Stop};
use super::scope::Scope;
use super::selectors::{queries, selectors};
use super::sink::ArchiveSink;
use super::staging::Collector;
use super::types::Types;
use super::volumes::{SkippedVolume, Volumes};
use crate::api::v1::BackupSpec;
use crate::cluster::Cluster;
use crate::cluster::discovery::{Discovery, GroupResource};
use crate::hook::{Runner, SpecHooks};
use crate::select::backup::{ResourceFilter, Served, TypeLists, unknown_types, unused_orders};
use crate::select::includes::ResolvedType;
use crate::select::namespaces::{NamespaceFilter, NamespaceTracker};
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

/// The dependencies of a run.
pub struct EngineDeps<'a> {
    /// The cluster to back up. Its client has no retry layer: each step retries its own requests.
    pub cluster: &'a Cluster,
    /// What the cluster serves.
    pub discovery: &'a Discovery,
    /// A directory for temporary files. They have no names, so nothing is left behind by any end of the run.
    pub scratch: &'a Path,
    /// The backup's log; its warnings and errors are the run's.
    pub log: &'a RunLog,
    /// Runs the hooks of pods. When the run has ended, some pods may still be frozen: the caller of the run must settle the
    /// runner.
    pub hooks: &'a Runner,
    /// The time of the archive's entries.
    pub now: Timestamp,
    /// Actions besides the built-in ones (plugins), in their order.
    pub actions: Vec<Arc<dyn BackupItemAction>>,
}

/// Runs a backup: its archive goes to `sink`, everything else is in the report.
///
/// Objects that cannot be saved are error lines in the log and do not end the run. It may be repeated: only the sink, scratch
/// and the log are written. A cancelled run ends with [`Fatal::Cancelled`] at its next wait; it may also be dropped. Pods that
/// are frozen then stay frozen until the [`Runner`] is settled.
pub async fn run<S: ArchiveSink>(
    request: &Request,
    deps: EngineDeps<'_>,
    sink: &mut S,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Report, Fatal> {
    // Boxed, or every caller's future would be as large as the state of a run.
    cancel
        .run_until_cancelled(Box::pin(uncancelled(request, deps, sink, progress)))
        .await
        .unwrap_or(Err(Fatal::Cancelled))
}

/// The results of a run besides the archive.
struct Made {
    state: State,
    resource_list: ResourceList,
}

async fn uncancelled<S: ArchiveSink>(
    request: &Request,
    deps: EngineDeps<'_>,
    sink: &mut S,
    progress: &Progress,
) -> Result<Report, Fatal> {
    let log = deps.log;
    let (packer, pieces) = packer::start(deps.now)?;
    let making = pin!(make(request, deps, progress, packer));
    let storing = pin!(pieces.into_sink(sink));
    let (made, archive_bytes) = match select(making, storing).await {
        Either::Left((Ok(made), storing)) => (made, storing.await?),
        Either::Left((Err(Stop::Fatal(fatal)), _)) => return Err(fatal),
        // The archive ends before the run only if it cannot be made or stored; its error is the reason.
        Either::Left((Err(Stop::Packer), storing)) => return Err(storing.await.err().unwrap_or_else(too_early)),
        Either::Right((stored, _)) => return Err(stored.err().unwrap_or_else(too_early)),
    };
    report(log, progress, made, archive_bytes).await
}

fn too_early() -> Fatal {
    Fatal::Archive("it ended before the backup did".to_owned())
}

/// Everything up to the last member of the archive.
async fn make(request: &Request, deps: EngineDeps<'_>, progress: &Progress, packer: Packer) -> Result<Made, Stop> {
    let EngineDeps {
        cluster,
        discovery,
        scratch,
        log,
        hooks,
        ..
    } = deps;
    let spec = &request.spec;
    let reader = Reader::new(cluster.clone());

    let namespaces = GroupResource::new("", "namespaces");
    let namespaces = discovery.preferred_version(&namespaces).ok_or(Fatal::NoNamespaces)?;
    let alive = Alive::read(&reader, namespaces).await?;
    let filter = NamespaceFilter::new(&spec.included_namespaces, &spec.excluded_namespaces);
    let users_filter = alive.users_filter(spec);
    let scope = Scope::choose(filter.includes_everything(), |name| filter.includes(name), &alive.names);
    announce_filters(spec, log);
    announce_gaps(discovery, log);
    announce_volumes(request, log);
    alive.report(&filter, log);

    let resolve = |name: &str| {
        discovery.resolve(name).map(|resource| ResolvedType {
            name: resource.group_resource().to_string(),
            namespaced: resource.namespaced,
        })
    };
    let actions = ActionTable::new(
        built_in(request.every_version).into_iter().chain(deps.actions),
        &resolve,
    );
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

    let run = BackupRun {
        request,
        discovery,
        log,
        progress,
        reader,
        types,
        actions,
        selectors: queries(&selectors),
        packer,
        item_log: ItemLog::new(log),
        staged: OnceLock::new(),
        resource_list: Mutex::new(ResourceList::new(scratch)),
        state: Mutex::new(State {
            done: Done::new(),
            tracker: NamespaceTracker::new(users_filter, selectors),
            volumes: Volumes::default(),
            saved_types: std::collections::BTreeSet::new(),
            skipped: 0,
            failed: 0,
            lists_to_begin: 0,
            hooked: std::collections::HashSet::new(),
        }),
        namespaces: filter,
        hooks,
        spec_hooks,
    };
    run.collect_and_save(&plan, scratch).await?;
    Ok(Made {
        state: run.state.into_inner(),
        resource_list: run.resource_list.into_inner(),
    })
}

impl BackupRun<'_> {
    /// The phases, in their order.
    async fn collect_and_save(&self, plan: &Plan, scratch: &Path) -> Result<(), Stop> {
        self.announce(plan);
        let collector = Collector::new(scratch).map_err(Stop::scratch)?;
        let staged = self.collect_staged(&plan.staged, collector).await?;
        let staged = self.staged.get_or_init(|| staged);
        self.log.info(format!(
            "Collected {} items of {} item blocks",
            staged.len(),
            staged.blocks.len()
        ));
        self.save_blocks(staged).await?;
        self.stream(&plan.streamed).await?;
        let namespaces = self.types.get(&GroupResource::new("", "namespaces"));
        if let Some(namespaces) = namespaces.filter(|_| plan.namespaces) {
            self.save_namespaces(namespaces).await?;
        }
        self.save_crds().await
    }
}

async fn report(log: &RunLog, progress: &Progress, made: Made, archive_bytes: u64) -> Result<Report, Fatal> {
    let Made { state, resource_list } = made;
    let resource_list = tokio::task::spawn_blocking(move || resource_list.finish());
    let resource_list = resource_list
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(Fatal::Scratch)?;
    let skipped = state.volumes.finish();
    for (name, warning) in skipped.iter().filter_map(SkippedVolume::warning) {
        log.line(Level::Warning)
            .field("resource", "persistentvolumes")
            .field("namespace", "")
            .field("name", name)
            .msg(warning);
    }
    if !skipped.is_empty() {
        log.info(SkippedVolume::summary(&skipped));
    }
    let saved = progress.now().saved;
    log.line(Level::Info)
        .field("progress", "")
        .msg(format!("Backed up a total of {saved} items"));
    if saved == 0 && state.failed == 0 {
        log.warn("the filters of the backup select nothing: zero items were backed up");
    }
    Ok(Report {
        saved,
        skipped: state.skipped,
        failed: state.failed,
        archive_bytes,
        resource_list,
        volumes: skipped.iter().map(SkippedVolume::info).collect(),
    })
}

fn announce_volumes(request: &Request, log: &RunLog) {
    log.info(format!(
        "Backing up all volumes using pod volume backup: {}",
        request.spec.default_volumes_to_fs_backup == Some(true)
    ));
    let Some(reference) = &request.spec.resource_policy else {
        return;
    };
    let policies = &request.policies;
    let lists = if policies.has_lists() {
        "; its lists of types are added to those of the spec"
    } else {
        ""
    };
    log.info(format!(
        "Resource policies of ConfigMap {}/{}: {} for volumes{lists}",
        request.namespace,
        reference.name,
        policies.volume_policies(),
    ));
}

/// Logs the filters, in upstream's words.
fn announce_filters(spec: &BackupSpec, log: &RunLog) {
    let list = |entries: &[String], empty: &str| match entries {
        [] => empty.to_owned(),
        entries => entries.join(", "),
    };
    log.info(format!(
        "Including namespaces: {}",
        list(&spec.included_namespaces, "*")
    ));
    log.info(format!(
        "Excluding namespaces: {}",
        list(&spec.excluded_namespaces, "<none>")
    ));
    if TypeLists::from(spec).is_old_style() {
        log.info(format!("Including resources: {}", list(&spec.included_resources, "*")));
        log.info(format!(
            "Excluding resources: {}",
            list(&spec.excluded_resources, "<none>")
        ));
        return;
    }
    for (what, included, excluded) in [
        (
            "namespace",
            &spec.included_namespace_scoped_resources,
            &spec.excluded_namespace_scoped_resources,
        ),
        (
            "cluster",
            &spec.included_cluster_scoped_resources,
            &spec.excluded_cluster_scoped_resources,
        ),
    ] {
        log.info(format!("Including {what}-scoped resources: {}", list(included, "*")));
        log.info(format!(
            "Excluding {what}-scoped resources: {}",
            list(excluded, "<none>")
        ));
    }
}

/// Warns of what will not be in the backup although it was not excluded.
fn announce_gaps(discovery: &Discovery, log: &RunLog) {
    for (group, reason) in discovery.failed_groups() {
        log.line(Level::Warning).field("error", reason).msg(format!(
            "API group {group} is not in the backup, because its types could not be read from the API server; check `kubectl get apiservices`"
        ));
    }
}

#[cfg(test)]
mod tests;
