//! Label selectors as they are on the wire; `select::labels` evaluates them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::{nil, unset};

/// Selects objects by their labels: every pair and every expression must match. Empty selects everything.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LabelSelector {
    /// Labels an object must carry with exactly these values.
    #[serde(skip_serializing_if = "unset")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels, all of which must hold.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One condition on a label.
#[serde_with::apply(_ => #[serde(deserialize_with = "nil")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["key", "operator"]))]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: String,
    /// How the value is compared: In, NotIn, Exists or DoesNotExist.
    pub operator: String,
    /// Values for In and NotIn; empty for the others.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Vec<String>,
}

impl From<&LabelSelector> for meta::v1::LabelSelector {
    fn from(selector: &LabelSelector) -> Self {
        let expressions = selector
            .match_expressions
            .iter()
            .map(|term| meta::v1::LabelSelectorRequirement {
                key: term.key.clone(),
                operator: term.operator.clone(),
                values: (!term.values.is_empty()).then(|| term.values.clone()),
            });
        Self {
            match_labels: (!selector.match_labels.is_empty()).then(|| selector.match_labels.clone()),
            match_expressions: (!selector.match_expressions.is_empty()).then(|| expressions.collect()),
        }
    }
}
