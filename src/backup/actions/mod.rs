//! Backup item actions: what is done with an item before it is saved, and which other items must come along
//! (spec backup 11).
//!
//! The built-in ones are plain Rust, one file each. A plugin becomes one more implementation of [`BackupItemAction`].

mod claim;
mod definition;
mod pod;
mod service_account;

use std::sync::Arc;

use futures::future::BoxFuture;

use super::item::{Item, ItemRef};
use super::reader::Reader;
use super::request::Request;
use crate::cluster::ApiError;
use crate::cluster::discovery::Discovery;
use crate::cluster::list::ListError;
use crate::cluster::raw::Head;
use crate::select::includes::{IncludesExcludes, Resolve};
use crate::select::labels::Selector;
use crate::telemetry::run_log::RunLog;

/// Something that is done with items while they are backed up.
pub trait BackupItemAction: Send + Sync {
    /// The registered name, with its domain: `velero.io/pod`.
    fn name(&self) -> &str;

    /// Which items it is for. Asked once a run.
    fn applies_to(&self) -> AppliesTo;

    /// Looks at an item, may edit it, and names the items that must be saved with it; those are saved before it.
    ///
    /// An error fails the item. May be called for several items at a time. Dropping the future cancels it.
    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>>;
}

/// Which items an action is for; empty lists and an empty selector mean all.
#[derive(Clone, Debug, Default)]
pub struct AppliesTo {
    /// Types as a person would write them.
    pub included_resources: Vec<String>,
    /// Types it is not for.
    pub excluded_resources: Vec<String>,
    /// Namespaces. Cluster-scoped items are offered only where the namespace lists hold nothing back.
    pub included_namespaces: Vec<String>,
    /// Namespaces it is not for.
    pub excluded_namespaces: Vec<String>,
    /// Labels of the item as the API server sent it.
    pub labels: Selector,
}

impl AppliesTo {
    /// All items of these types.
    pub fn types(names: &[&str]) -> Self {
        Self {
            included_resources: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::default()
        }
    }
}

/// What an action has at hand.
pub struct ActionContext<'a> {
    /// The backup that is made.
    pub request: &'a Request,
    /// What the cluster serves.
    pub discovery: &'a Discovery,
    /// Reads from the cluster, patiently.
    pub reader: &'a Reader,
    /// The backup's log.
    pub log: &'a RunLog,
}

/// What an action did, besides editing the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Items that must be saved too, unless they are in the archive already or the backup's filters put them out.
    pub additional: Vec<ItemRef>,
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The item is not what its type promises.
    #[error("read the item: {0}")]
    Item(#[from] serde_json::Error),
    /// Something else that it had to read from the cluster.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A list that it needed.
    #[error(transparent)]
    List(#[from] ListError),
}

/// The actions of a run, in the order they run.
#[derive(Default)]
pub(super) struct ActionTable {
    entries: Vec<Entry>,
}

struct Entry {
    action: Arc<dyn BackupItemAction>,
    resources: IncludesExcludes,
    namespaces: IncludesExcludes,
    labels: Selector,
}

/// The built-in actions, in upstream's order. Made anew for each run: some remember what they read. Where `every_version`
/// is saved anyway, no definition has to take the place of another version of it.
pub(super) fn built_in(every_version: bool) -> Vec<Arc<dyn BackupItemAction>> {
    let mut actions: Vec<Arc<dyn BackupItemAction>> = Vec::new();
    if !every_version {
        actions.push(Arc::new(definition::RemapDefinitionVersion));
    }
    actions.push(Arc::new(pod::PodAction));
    actions.push(Arc::new(claim::ClaimAction));
    actions.push(Arc::new(service_account::ServiceAccountAction::default()));
    actions
}

impl ActionTable {
    pub(super) fn new(actions: impl IntoIterator<Item = Arc<dyn BackupItemAction>>, resolve: Resolve<'_>) -> Self {
        let entries = actions
            .into_iter()
            .map(|action| {
                let applies = action.applies_to();
                Entry {
                    resources: IncludesExcludes::of_resources(
                        &applies.included_resources,
                        &applies.excluded_resources,
                        resolve,
                    ),
                    namespaces: IncludesExcludes::new(applies.included_namespaces, applies.excluded_namespaces),
                    labels: applies.labels,
                    action,
                }
            })
            .collect();
        Self { entries }
    }

    /// The actions for a type (`deployments.apps`), to be asked again for each item.
    pub(super) fn for_type(&self, name: &str) -> Vec<usize> {
        (0..self.entries.len())
            .filter(|at| self.entries[*at].resources.should_include(name))
            .collect()
    }

    /// The action at this place, if it is for this item of a type it is for.
    pub(super) fn applicable(&self, at: usize, head: &Head) -> Option<&dyn BackupItemAction> {
        let entry = &self.entries[at];
        let by_namespace = match &head.namespace {
            Some(namespace) => entry.namespaces.should_include(namespace),
            None => entry.namespaces.includes_everything(),
        };
        (by_namespace && entry.labels.matches(&head.labels)).then_some(&*entry.action)
    }
}

impl std::fmt::Debug for ActionTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.entries.iter().map(|entry| entry.action.name()))
            .finish()
    }
}
