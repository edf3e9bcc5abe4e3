//! The actions of one restore, and the items that each of them is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::action::{ActionError, RestoreItemAction};
use crate::select::applies_to::ItemMatcher;
use crate::select::includes::Resolve;
use crate::select::labels::Selector;

/// The actions of one restore with their selectors resolved.
pub struct Actions {
    actions: Vec<(Arc<dyn RestoreItemAction>, ItemMatcher)>,
}

impl Actions {
    /// Resolves what each action applies to. Done again after discovery was read again: a type of a restored CRD is known only
    /// then (spec restore 26, row 36).
    pub fn resolve(actions: &[Arc<dyn RestoreItemAction>], resolve: Resolve<'_>) -> Result<Self, ActionError> {
        let resolved = |action: &Arc<dyn RestoreItemAction>| {
            let matcher = action
                .applies_to()
                .resolve(resolve)
                .map_err(|error| ActionError(format!("read what action `{}` applies to: {error}", action.name())))?;
            Ok((Arc::clone(action), matcher))
        };
        Ok(Self {
            actions: actions.iter().map(resolved).collect::<Result<_, _>>()?,
        })
    }

    /// The actions for items of a type in a target namespace, in order. Labels are checked for each item by
    /// [`Applicable::matches`].
    pub fn for_items<'a>(&'a self, resource: &str, target: Option<&str>) -> Vec<Applicable<'a>> {
        self.actions
            .iter()
            .filter(|(_, matcher)| matcher.is_for_type(resource) && matcher.is_for_namespace(target))
            .map(|(action, matcher)| Applicable {
                action: action.as_ref(),
                labels: matcher.labels(),
            })
            .collect()
    }
}

/// An action for items of a type, if their labels match.
#[derive(Clone, Copy)]
pub struct Applicable<'a> {
    /// The action.
    pub action: &'a dyn RestoreItemAction,
    labels: &'a Selector,
}

impl Applicable<'_> {
    /// Whether the action is for this object, by its labels after the earlier actions.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.is_everything() || self.labels.matches(&labels_of(object))
    }
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
