//! Backup item actions: they edit an item before it is saved, and name other items that must be saved with it (spec backup 11).
//!
//! The built-in ones are plain Rust, one file each. A plugin becomes one more implementation of [`BackupItemAction`].

mod aggregation;
mod built_in;
mod claim;
mod crd;
mod pod;
mod service_account;

pub(super) use built_in::built_in;

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};

use super::item::{Item, ItemRef};
use super::reader::Reader;
use super::request::Request;
use crate::api::v1::Backup;
use crate::api::{OperationError, OperationProgress};
use crate::cluster::ApiError;
use crate::cluster::discovery::Discovery;
use crate::cluster::list::ListError;
use crate::cluster::raw::Head;
pub use crate::select::applies_to::AppliesTo;
use crate::select::applies_to::ItemMatcher;
use crate::select::includes::Resolve;
use crate::select::labels::SelectorError;
use crate::telemetry::run_log::RunLog;

/// An action on items while they are backed up.
pub trait BackupItemAction: Send + Sync {
    /// The registered name, with its domain: `velero.io/pod`.
    fn name(&self) -> &str;

    /// Which items it is for. Called once a run.
    fn applies_to(&self) -> AppliesTo;

    /// Reads an item, may edit it, and returns the items that must be saved with it; those are saved before it.
    ///
    /// An error fails the item. May be called for several items at a time. Dropping the future cancels it.
    ///
    /// It may start an operation that goes on after the item was saved. A run that was interrupted collects afresh and calls it again, so
    /// starting must be safe to repeat: derive the operation's id from the uids of the backup and the item, and find the work that is
    /// there already. Nothing is waited for here.
    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>>;

    /// How far an operation is that [`execute`](Self::execute) has started, in this process or in an earlier one. An error means that it is
    /// not known now: it is asked again until the operation's time is over.
    fn progress<'a>(
        &'a self,
        operation: &'a str,
        backup: &'a Backup,
    ) -> BoxFuture<'a, Result<OperationProgress, OperationError>> {
        let _ = (operation, backup);
        ready(Err(OperationError::unknown(self.name()))).boxed()
    }

    /// Ends an operation whose time is over. Called once or more often; an operation that has ended is success.
    fn cancel<'a>(&'a self, operation: &'a str, backup: &'a Backup) -> BoxFuture<'a, Result<(), OperationError>> {
        let _ = (operation, backup);
        ready(Ok(())).boxed()
    }
}

/// What an action can use.
pub struct ActionContext<'a> {
    /// The backup that is made.
    pub request: &'a Request,
    /// What the cluster serves.
    pub discovery: &'a Discovery,
    /// Reads from the cluster, with retries.
    pub reader: &'a Reader,
    /// The backup's log.
    pub log: &'a RunLog,
    /// Whether the operations of the backup have ended and the item is collected again. No operation may be started then.
    pub again: bool,
}

/// The result of an action, besides its edits of the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Items that must be saved too, unless they are in the archive already or the backup's filters exclude them.
    pub additional: Vec<ItemRef>,
    /// The operation that it has started.
    pub operation: Option<StartedOperation>,
}

/// An operation that goes on after its item was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartedOperation {
    /// The action's id of it, also a label value. The same for each execution on the same item of the same backup.
    pub id: String,
    /// The items to collect again once it has ended; the item itself is not among them unless it is named.
    pub post_items: Vec<ItemRef>,
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The item does not have the shape of its type.
    #[error("read the item: {0}")]
    Item(#[from] serde_json::Error),
    /// A read from the cluster failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A list failed.
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
    matcher: ItemMatcher,
}

impl ActionTable {
    /// Resolves the items that each action is for.
    ///
    /// # Errors
    /// An action has a selector that is not valid.
    pub(super) fn new(
        actions: impl IntoIterator<Item = Arc<dyn BackupItemAction>>,
        resolve: Resolve<'_>,
    ) -> Result<Self, SelectorError> {
        let entry = |action: Arc<dyn BackupItemAction>| {
            let matcher = action.applies_to().resolve(resolve)?;
            Ok(Entry { action, matcher })
        };
        let entries = actions.into_iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// The actions for a type (`deployments.apps`), to be filtered by [`ActionTable::applicable`] for each item.
    pub(super) fn for_type(&self, name: &str) -> Vec<usize> {
        (0..self.entries.len())
            .filter(|at| self.entries[*at].matcher.is_for_type(name))
            .collect()
    }

    /// The action at this place, if it is for this item of its types.
    pub(super) fn applicable(&self, at: usize, head: &Head) -> Option<&dyn BackupItemAction> {
        let Entry { action, matcher } = &self.entries[at];
        let is_for_item = matcher.is_for_namespace(head.namespace.as_deref()) && matcher.labels().matches(&head.labels);
        is_for_item.then_some(&**action)
    }
}

impl std::fmt::Debug for ActionTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.entries.iter().map(|entry| entry.action.name()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::LabelSelector;
    use crate::select::includes::ResolvedType;

    /// An action for the given items.
    struct Stub(&'static str, AppliesTo);

    impl BackupItemAction for Stub {
        fn name(&self) -> &str {
            self.0
        }

        fn applies_to(&self) -> AppliesTo {
            self.1.clone()
        }

        fn execute<'a>(
            &'a self,
            _: &'a mut Item,
            _: &'a ActionContext<'a>,
        ) -> BoxFuture<'a, Result<Executed, ActionError>> {
            Box::pin(async { Ok(Executed::default()) })
        }
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn resolve(name: &str) -> Option<ResolvedType> {
        ["pods", "po"].contains(&name).then(|| ResolvedType {
            name: "pods".to_owned(),
            namespaced: true,
        })
    }

    #[test]
    fn an_action_is_offered_the_items_it_is_for() {
        let labels: LabelSelector = serde_json::from_value(json!({"matchLabels": {"app": "web"}})).unwrap();
        let cases = [
            ("all", AppliesTo::default(), [true, true, true]),
            ("pods", AppliesTo::types(&["po"]), [true, true, false]),
            (
                "all but pods",
                AppliesTo {
                    excluded_resources: texts(&["po"]),
                    ..AppliesTo::default()
                },
                [false, false, true],
            ),
            (
                "a namespace, so nothing of cluster scope",
                AppliesTo {
                    included_namespaces: texts(&["shop"]),
                    ..AppliesTo::default()
                },
                [true, false, false],
            ),
            (
                "all but a namespace, the same",
                AppliesTo {
                    excluded_namespaces: texts(&["shop"]),
                    ..AppliesTo::default()
                },
                [false, true, false],
            ),
            (
                "labels",
                AppliesTo {
                    labels: labels.clone(),
                    ..AppliesTo::default()
                },
                [true, false, false],
            ),
        ];
        let head = |namespace: Option<&str>, app: &str| Head {
            namespace: namespace.map(str::to_owned),
            labels: [("app".to_owned(), app.to_owned())].into(),
            ..Head::default()
        };
        let items = [
            ("pods", head(Some("shop"), "web")),
            ("pods", head(Some("other"), "db")),
            ("nodes", head(None, "db")),
        ];
        for (what, applies, expected) in cases {
            let table =
                ActionTable::new([Arc::new(Stub("a", applies)) as Arc<dyn BackupItemAction>], &resolve).unwrap();
            let offered = items.each_ref().map(|(type_, head)| {
                let actions = table.for_type(type_);
                actions.iter().any(|at| table.applicable(*at, head).is_some())
            });
            assert_eq!(offered, expected, "{what}");
        }
    }

    #[test]
    fn built_in_actions_run_in_upstreams_order_and_before_all_others() {
        let late: Arc<dyn BackupItemAction> = Arc::new(Stub("example.com/late", AppliesTo::default()));
        let table = ActionTable::new(built_in(false).into_iter().chain([late]), &resolve).unwrap();
        let names: Vec<&str> = table.entries.iter().map(|entry| entry.action.name()).collect();
        assert_eq!(
            names,
            [
                "velero.io/crd-remap-version",
                "velero.io/pod",
                "velero.io/pv",
                "velero.io/service-account",
                "example.com/late"
            ]
        );
        assert_eq!(table.for_type("pods"), [1, 4]);
    }
}
