//! A location that cannot be used while operations run or while an object is finalized: the object waits, says so, and gives up after the
//! time of its operations (spec backup 22 B11).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::BackupStorageLocation;
use crate::api::{Condition, time};
use crate::controllers::context::Context;
use crate::controllers::run::RunId;
use crate::controllers::run::record::{Record, RecordError};
use crate::runtime::ObjectRef;
use crate::runtime::SharedWatch;
use crate::runtime::clock::later;

/// The condition of an object that waits for its location.
const BLOCKED: &str = "Blocked";

/// The part of the run record: since when, by stage. Conditions are no place for it: upstream's definitions prune them.
const PART: &str = "blocked";

/// Why an object cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// In one word.
    pub reason: &'static str,
    /// For the user.
    pub message: String,
    /// Nothing is left to wait for.
    pub is_final: bool,
}

impl Blocked {
    /// It may be over by itself, or once a user has mended it.
    pub fn now(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            is_final: false,
        }
    }
}

/// A location that can be read and written.
///
/// # Errors
/// Why it cannot.
pub fn usable(
    locations: &SharedWatch<BackupStorageLocation>,
    namespace: &str,
    name: &str,
) -> Result<Arc<BackupStorageLocation>, Blocked> {
    let Some(location) = locations.get(&ObjectRef::new(name).within(namespace)) else {
        return Err(Blocked::now(
            "LocationGone",
            format!("the storage location `{name}` is not there; create it again"),
        ));
    };
    if location.is_read_only() {
        return Err(Blocked::now(
            "LocationReadOnly",
            format!("the storage location `{name}` has become read-only; make it ReadWrite again"),
        ));
    }
    if !location.is_available() {
        return Err(Blocked::now(
            "LocationUnavailable",
            format!("the storage location `{name}` is unavailable; check `velero backup-location get`"),
        ));
    }
    Ok(location)
}

/// Shows what an object waits for. True if that is news.
pub fn show(conditions: &mut Vec<Condition>, blocked: &Blocked, now: Timestamp) -> bool {
    let (reason, message) = (blocked.reason, blocked.message.clone());
    condition::set(conditions, BLOCKED, ConditionStatus::True, reason, message, &time(now))
}

/// Nothing is waited for any more: the condition is there only once it was so.
pub fn release(conditions: &mut Vec<Condition>, now: Timestamp) {
    if condition::find(conditions, BLOCKED).is_some_and(|found| found.status == ConditionStatus::True) {
        condition::set(conditions, BLOCKED, ConditionStatus::False, "Released", "", &time(now));
    }
}

/// When an object that is blocked gives up. The time counts from when it was found blocked first in this stage: all its operations were
/// begun before that, so the time of each is over then.
///
/// # Errors
/// The run record was not read or written. May be repeated.
pub async fn deadline(
    ctx: &Context,
    id: &RunId,
    location: &str,
    stage: &str,
    limit: Duration,
) -> Result<Timestamp, RecordError> {
    let mut record = Record::open(ctx, id, location).await?;
    let mut since: BTreeMap<String, Timestamp> = match record.part(PART) {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| record.unreadable(PART, &error))?,
        None => BTreeMap::new(),
    };
    if let Some(since) = since.get(stage) {
        return Ok(later(*since, limit));
    }
    let now = ctx.clock.now();
    since.insert(stage.to_owned(), now);
    let content = serde_json::to_vec(&since).map_err(|error| record.unreadable(PART, &error))?;
    record.save(ctx, PART, content).await?;
    Ok(later(now, limit))
}
