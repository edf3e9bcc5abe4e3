//! Built-in actions, each a function on JSON.

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use super::action::{ActionError, AppliesTo, Input, Output, RestoreItemAction};
use crate::api::LabelSelector;

/// A built-in action: a function on the item, what is in the archive, and the restore.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) resources: &'static [&'static str],
    /// A label that the object must have.
    pub(super) label: Option<&'static str>,
    pub(super) execute: fn(&mut Value, &Input<'_>) -> Result<Output, ActionError>,
}

impl RestoreItemAction for BuiltIn {
    fn name(&self) -> &str {
        self.name
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo {
            included_resources: self.resources.iter().map(ToString::to_string).collect(),
            labels: self.label.map(exists).unwrap_or_default(),
            ..AppliesTo::default()
        }
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        ready((self.execute)(item, &input)).boxed()
    }

    fn is_pure(&self) -> bool {
        true
    }
}

fn exists(label: &str) -> LabelSelector {
    let requirement = crate::api::LabelSelectorRequirement {
        key: label.to_owned(),
        operator: "Exists".to_owned(),
        values: Vec::new(),
    };
    LabelSelector {
        match_expressions: vec![requirement],
        ..LabelSelector::default()
    }
}
