//! The note in the run record that a backup is being sealed. It is written before the seal, so that a run that is cancelled later, while its
//! store is away, is not taken for one without a seal (decision 55).
//!
//! ```text
//!   died before the note: no seal        between note and seal: the bucket is looked at, and has none        after the seal: it has one
//! ```

use crate::controllers::context::Context;
use crate::controllers::run::RunId;
use crate::controllers::run::record::{Record, RecordError};

/// The part of the run record; its content is the time, for people.
const PART: &str = "sealing";

/// Notes that the backup is being sealed.
///
/// # Errors
/// See [`RecordError`]. May be repeated.
pub(super) async fn note(ctx: &Context, record: &mut Record) -> Result<(), RecordError> {
    let now = ctx.clock.now().to_string();
    record.save(ctx, PART, now.into_bytes()).await
}

/// The bucket was looked at, and has no seal: the next write of the record forgets the note.
pub(super) fn withdraw(record: &mut Record) {
    record.forget(PART);
}

/// Whether it is noted.
pub(super) fn is_noted(record: &Record) -> bool {
    record.part(PART).is_some()
}

/// Whether the bucket may have the seal of a run whose end is not recorded. A record that this release cannot read does not say that it has not.
///
/// # Errors
/// See [`RecordError`]. May be repeated.
pub(super) async fn may_be_sealed(ctx: &Context, id: &RunId) -> Result<bool, RecordError> {
    match Record::open(ctx, id, "").await {
        Ok(record) => Ok(is_noted(&record)),
        Err(RecordError::UnknownVersion { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}
