//! Which items an action is for (spec backup 11, spec restore 14).

use super::includes::{IncludesExcludes, Resolve};
use super::labels::{Selector, SelectorError};
use crate::api::LabelSelector;

/// Which items an action is for, as it says itself; empty lists and an empty selector mean all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliesTo {
    /// Types, in any form that users may write.
    pub included_resources: Vec<String>,
    /// Excluded types.
    pub excluded_resources: Vec<String>,
    /// Namespaces: the item's in a backup, the target in a restore.
    pub included_namespaces: Vec<String>,
    /// Excluded namespaces.
    pub excluded_namespaces: Vec<String>,
    /// Labels of the item: as the API server sent it in a backup, after the earlier actions in a restore.
    pub labels: LabelSelector,
}

impl AppliesTo {
    /// All items of these types.
    pub fn types(names: &[&str]) -> Self {
        Self {
            included_resources: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The same with the types that this cluster serves.
    ///
    /// # Errors
    /// The selector is not valid.
    pub fn resolve(self, resolve: Resolve<'_>) -> Result<ItemMatcher, SelectorError> {
        Ok(ItemMatcher {
            resources: IncludesExcludes::of_resources(&self.included_resources, &self.excluded_resources, resolve),
            namespaces: IncludesExcludes::new(self.included_namespaces, self.excluded_namespaces),
            labels: Selector::from_api(&self.labels)?,
        })
    }
}

/// Finds the items that an action is for.
#[derive(Debug)]
pub struct ItemMatcher {
    resources: IncludesExcludes,
    namespaces: IncludesExcludes,
    labels: Selector,
}

impl ItemMatcher {
    /// Whether it is for items of this type (`deployments.apps`).
    pub fn is_for_type(&self, name: &str) -> bool {
        self.resources.should_include(name)
    }

    /// Whether it is for items of this namespace. Cluster-scoped items match only if the namespace lists exclude nothing.
    pub fn is_for_namespace(&self, namespace: Option<&str>) -> bool {
        match namespace {
            Some(namespace) => self.namespaces.should_include(namespace),
            None => self.namespaces.includes_everything(),
        }
    }

    /// The labels of the items.
    pub fn labels(&self) -> &Selector {
        &self.labels
    }
}
