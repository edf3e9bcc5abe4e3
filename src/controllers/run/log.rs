//! The file of a run's log.

use std::io;
use std::sync::Arc;

use crate::controllers::context::Context;
use crate::telemetry::run_log::RunLog;

/// Begins a log in the scratch directory; `field` stands on every line, such as `backup=velero/nightly`.
///
/// # Errors
/// The file cannot be made.
pub fn open(ctx: &Context, field: (&'static str, String)) -> io::Result<RunLog> {
    let clock = Arc::clone(&ctx.clock);
    Ok(RunLog::create(
        tempfile::tempfile_in(&ctx.scratch)?,
        ctx.settings.log_format,
        ctx.settings.log_level,
        vec![field],
        Arc::new(move || clock.now()),
    ))
}
