//! A restore's spec, resolved for its archive and its cluster once, before the first item.

use std::collections::BTreeMap;

use crate::archive::spool::ItemHandle;
use crate::cluster::discovery::Discovery;
use crate::restore::actions::Actions;
use crate::restore::deps::EngineDeps;
use crate::restore::fatal::Fatal;
use crate::restore::missing::Contents;
use crate::restore::object::existing::ExistingResourcePolicy;
use crate::restore::object::metadata::RestoreLabels;
use crate::restore::plan::Plan;
use crate::restore::planner::Planner;
use crate::restore::request::{Request, RestoreContext, unsupported};
use crate::restore::restore_item::RestoreItem;
use crate::restore::type_names::TypeNames;
use crate::restore::types::ServedTypes;
use crate::select::includes::IncludesExcludes;
use crate::select::namespaces::NamespaceFilter;
use crate::select::restore::{RestoreFilter, RestoreLists};

/// A restore that is ready to begin.
pub(super) struct Prepared<'a> {
    pub(super) request: &'a Request,
    pub(super) context: RestoreContext,
    /// The same for objects in the cluster, which are in target namespaces already.
    pub(super) unmapped: RestoreContext,
    /// The labels of every restored object.
    pub(super) labels: RestoreLabels,
    pub(super) policy: ExistingResourcePolicy,
    /// When the restore started, in the format of the API server.
    pub(super) started: String,
    pub(super) plan: Plan,
    pub(super) filter: RestoreFilter,
    /// The types that get their status restored.
    pub(super) restored_status: Option<IncludesExcludes>,
    /// Names in the spec that are not in the backup.
    pub(super) warnings: Vec<String>,
}

/// Reads what the cluster serves and the spec, and plans the restore. `is_resumed`: a restore that has begun is not refused, even
/// if another release accepted it.
pub(super) async fn prepare<'a>(
    request: &'a Request,
    deps: &EngineDeps<'_>,
    is_resumed: bool,
) -> Result<(Prepared<'a>, ServedTypes), Fatal> {
    let fields = unsupported(&request.spec);
    if !fields.is_empty() {
        return Err(Fatal::Unsupported(fields));
    }
    let discovery = Discovery::read(&deps.cluster).await?;
    let names = TypeNames::new(&discovery, &request.archive);
    let prepared = Prepared::new(request, &names, is_resumed)?;
    let actions = Actions::resolve(&deps.actions, &|name| names.resolve(name))?;
    Ok((prepared, ServedTypes { discovery, actions }))
}

impl<'a> Prepared<'a> {
    #[expect(clippy::result_large_err, reason = "made once a restore")]
    fn new(request: &'a Request, names: &TypeNames<'_>, is_resumed: bool) -> Result<Self, Fatal> {
        let spec = &request.spec;
        let selectors = request.selectors()?;
        let context = request.context();
        let resolve = |name: &str| names.resolve(name);
        let by_labels = !selectors.is_empty();
        let lists = RestoreLists {
            included_resources: &spec.included_resources,
            excluded_resources: &spec.excluded_resources,
            included_namespaces: &spec.included_namespaces,
            excluded_namespaces: &spec.excluded_namespaces,
            include_cluster: spec.include_cluster_resources,
            selectors,
        };
        let filter = RestoreFilter::new(lists, &resolve);
        let contents = Contents::of(&request.archive);
        let unknown = contents.unknown_sources(&spec.namespace_mapping);
        if !unknown.is_empty() && !is_resumed {
            return Err(Fatal::Refused(unknown));
        }
        let mut warnings = contents.warnings(spec, &resolve);
        let plan = Planner {
            archive: &request.archive,
            filter: &filter,
            namespaces: &NamespaceFilter::new(&spec.included_namespaces, &spec.excluded_namespaces),
            by_labels,
            priorities: &request.options.priorities,
            restore: &context,
            names,
        }
        .plan();
        if plan.is_empty()
            && plan.unreadable().is_empty()
            && warnings.is_empty()
            && request.archive.summary().has_resources
        {
            warnings
                .push("the filters of the restore select nothing of the backup: zero items to be restored".to_owned());
        }
        let restored_status = spec.restore_status.as_ref().map(|status| {
            IncludesExcludes::of_resources(&status.included_resources, &status.excluded_resources, &resolve)
        });
        Ok(Self {
            request,
            unmapped: RestoreContext {
                namespace_mapping: BTreeMap::new(),
                ..context.clone()
            },
            labels: RestoreLabels::new(&context.backup, &context.name),
            policy: ExistingResourcePolicy::of(&spec.existing_resource_policy),
            started: request.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            context,
            plan,
            filter,
            restored_status,
            warnings,
        })
    }

    /// An item by its names.
    pub(super) fn item(&self, handle: ItemHandle) -> RestoreItem<'_> {
        let (path, _) = self.request.archive.path(handle);
        RestoreItem {
            handle,
            path,
            target: path.namespace.map(|namespace| self.context.target(namespace)),
        }
    }

    /// The names of an item in messages.
    pub(super) fn id_of(&self, handle: ItemHandle) -> String {
        let RestoreItem { path, target, .. } = self.item(handle);
        match target {
            Some(namespace) => format!("{}/{namespace}/{}", path.group_resource, path.name),
            None => format!("{}/{}", path.group_resource, path.name),
        }
    }
}
