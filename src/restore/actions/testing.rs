//! Archives for the tests of actions, and helpers that run one.

use std::collections::HashMap;

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::{Value, json};

use super::action::{ActionError, Input, Lookup, Output, RestoreItemAction};
use crate::api::annotations::{SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_UID};
use crate::cluster::discovery::GroupResource;
use crate::restore::item_id::ItemId;
use crate::restore::object::{metadata, token};
use crate::restore::request::RestoreContext;

/// An archive of these objects.
#[derive(Default)]
pub(super) struct Archive {
    archived: HashMap<ItemId, Value>,
}

impl Archive {
    /// An archive of these secrets.
    pub(super) fn of(secrets: impl IntoIterator<Item = Value>) -> Self {
        let id = |secret: &Value| {
            let field = |key| metadata::field(secret, key).unwrap();
            ItemId::namespaced(GroupResource::new("", "secrets"), field("namespace"), field("name"))
        };
        Self {
            archived: secrets.into_iter().map(|secret| (id(&secret), secret)).collect(),
        }
    }
}

impl Lookup for Archive {
    fn archived<'a>(&'a self, item: &'a ItemId) -> BoxFuture<'a, Option<Value>> {
        ready(self.archived.get(item).cloned()).boxed()
    }
}

/// A token that the controller made.
pub(super) fn generated(namespace: &str, account: &str, name: &str) -> Value {
    let annotations = json!({(SERVICE_ACCOUNT_NAME): account, (SERVICE_ACCOUNT_UID): "1"});
    json!({"metadata": {"name": name, "namespace": namespace, "annotations": annotations}, "type": token::TYPE})
}

/// A token made by hand.
pub(super) fn made_by_hand(namespace: &str, account: &str, name: &str) -> Value {
    let mut secret = generated(namespace, account, name);
    secret["metadata"]["managedFields"] = json!([{"manager": "kubectl", "fieldsV1": {"f:type": {}}}]);
    secret
}

pub(super) fn mapped(pairs: &[(&str, &str)]) -> RestoreContext {
    let pair = |(source, target): &(&str, &str)| ((*source).to_owned(), (*target).to_owned());
    RestoreContext {
        namespace_mapping: pairs.iter().map(pair).collect(),
        ..RestoreContext::default()
    }
}

/// Runs an action on an object that is in the archive as it is.
pub(super) fn run(
    action: &dyn RestoreItemAction,
    restore: &RestoreContext,
    archive: &Archive,
    object: &Value,
) -> (Value, Result<Output, ActionError>) {
    let mut item = object.clone();
    let input = Input {
        original: object,
        namespace: metadata::field(object, "namespace"),
        restore,
        lookup: archive,
    };
    let output = futures::executor::block_on(action.execute(&mut item, input));
    (item, output)
}

/// The object after an action, with nothing else in the archive.
#[track_caller]
pub(super) fn changed(action: &dyn RestoreItemAction, object: &Value) -> Value {
    let (item, output) = run(action, &RestoreContext::default(), &Archive::default(), object);
    assert_eq!(output, Ok(Output::default()));
    item
}
