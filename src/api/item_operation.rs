//! What an item action says about an operation that it has started: the answers of its `Progress` and `Cancel` (spec backup 11.1).

use super::Time;

/// How far an operation is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationProgress {
    /// Whether it has ended.
    pub completed: bool,
    /// Why it failed; empty if it did not.
    pub error: String,
    /// Units done.
    pub done: i64,
    /// Units in all.
    pub total: i64,
    /// What is counted, such as Bytes.
    pub units: String,
    /// The current step.
    pub description: String,
    /// When it began.
    pub started: Option<Time>,
    /// When it last moved.
    pub updated: Option<Time>,
}

/// The progress is not known, or the operation was not cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OperationError(pub String);

impl OperationError {
    /// The answer of an action that starts no operations.
    pub fn unknown(action: &str) -> Self {
        Self(format!("action `{action}` starts no operations"))
    }
}
