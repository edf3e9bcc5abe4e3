//! JSON merge patches (RFC 7386): what has to be sent to turn one object into another.

use serde_json::Value;

/// The merge patch that turns `from` into `to`; `None` when they do not differ.
///
/// Merge patches cannot write a `null`, and API servers drop most of them, so a `null` field counts as absent on both sides.
pub fn diff(from: &Value, to: &Value) -> Option<Value> {
    let _ = (from, to);
    todo!("skeleton")
}
