//! The one way a status is written (decision 2).

use serde_json::Value;

use super::discovery::Resource;
use super::{ApiError, Cluster};

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusWrite {
    /// Nothing differs; no request was made.
    Unchanged,
    /// The object as the server has it now.
    Written(Value),
    /// Somebody was faster: look at the object again.
    Conflict,
}

/// Whether the served schema keeps `status.conditions` (decision 1); what would be pruned is not sent, or it would differ
/// for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// The schema has them.
    Kept,
    /// The schema lacks them: leave them out.
    Pruned,
}

/// Writes `wanted` as the status of the object `seen` (whole, as read from the server).
///
/// Only the difference is sent, guarded by the resource version, to `/status` where the type has that subresource.
/// May be repeated. An object that is gone is an error ([`ApiError::is_not_found`]).
pub async fn write_status(
    cluster: &Cluster,
    resource: &Resource,
    seen: &Value,
    wanted: &Value,
    conditions: Conditions,
) -> Result<StatusWrite, ApiError> {
    let _ = (cluster, resource, seen, wanted, conditions);
    todo!("skeleton")
}

/// Writes metadata, spec and status of `wanted` (a whole object) over `seen`, as [`write_status`] does: in one patch where
/// the type has no status subresource, else the status in a second one.
pub async fn write_object(
    cluster: &Cluster,
    resource: &Resource,
    seen: &Value,
    wanted: &Value,
    conditions: Conditions,
) -> Result<StatusWrite, ApiError> {
    let _ = (cluster, resource, seen, wanted, conditions);
    todo!("skeleton")
}
