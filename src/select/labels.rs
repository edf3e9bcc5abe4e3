//! Label selectors.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// A checked label selector. An empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<String>,
}

/// A selector the API would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// An operator that is none of In, NotIn, Exists, DoesNotExist.
    #[error("{0:?} is not a valid label selector operator")]
    Operator(String),
}

impl Selector {
    /// Checks a selector as it stands in a spec.
    pub fn new(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let _ = selector;
        todo!("skeleton")
    }

    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether these labels are selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let _ = labels;
        todo!("skeleton")
    }

    /// The form of a query parameter; `None` when everything is selected.
    pub fn to_query(&self) -> Option<String> {
        todo!("skeleton")
    }
}
