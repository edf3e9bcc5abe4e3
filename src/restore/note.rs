//! What the ledger has of an item besides its state and its messages.

use serde::{Deserialize, Serialize};

/// Facts about an item that are not in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The name that the server gave it, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `apiVersion/Kind`, if it is not that of the first item of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its object existed and is about to be changed. A resumed run that finds it equal then counts it as changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub updating: bool,
    /// It has a message of its own that it differs. In the record the field keeps its first name.
    #[serde(rename = "told", default, skip_serializing_if = "std::ops::Not::not")]
    pub reported: bool,
    /// Operations that actions have started on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<NotedOperation>,
}

/// An operation that an action has started on an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedOperation {
    /// The action's name.
    pub action: String,
    /// The action's id of it.
    pub id: String,
}

impl Note {
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}
