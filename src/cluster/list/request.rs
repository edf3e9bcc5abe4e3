//! What a list is asked for, and what it yields.

use crate::cluster::discovery::Resource;
use crate::cluster::raw::RawObject;

/// What to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The type, with the version to read it in.
    pub resource: Resource,
    /// One namespace, or all (and nothing else for cluster-scoped types).
    pub namespace: Option<String>,
    /// Label selector in its query form.
    pub label_selector: Option<String>,
    /// Items of the first page; later pages follow the measured size. The default is 500.
    pub first_limit: u32,
}

/// What a list yields.
#[expect(clippy::large_enum_variant, reason = "nearly every event is an item")]
#[derive(Debug)]
pub enum ListEvent {
    /// One object.
    Item(RawObject),
    /// An item that is no object; the others go on.
    Unreadable {
        /// Its place in the list, from 0.
        position: u64,
        /// Its name when that could be read.
        name: Option<String>,
        /// Why it could not be read.
        error: String,
    },
    /// The first page was read to its end: how many items the whole list has, if the server reports it (not with selectors).
    FirstPage {
        /// Items of the first page and those after it.
        expected_total: Option<u64>,
    },
    /// The list starts over, or continues in a newer view: items seen before may come again.
    Restarted,
}

impl ListRequest {
    /// All objects of a type.
    pub fn all(resource: Resource) -> Self {
        Self {
            resource,
            namespace: None,
            label_selector: None,
            first_limit: 500,
        }
    }

    /// Only one namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only what a selector (in query form) matches; `None` is everything.
    #[must_use]
    pub fn selected_by(mut self, selector: Option<String>) -> Self {
        self.label_selector = selector;
        self
    }
}
