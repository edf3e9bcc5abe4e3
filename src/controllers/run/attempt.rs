//! One attempt at a run, from its log to its end.

use std::future::Future;

use crate::controllers::context::Context;
use crate::runtime::operation::{AttemptEnd, Handle};
use crate::telemetry::run_log::RunLog;

use super::live_log::LiveLogs;
use super::{Retry, Retryable, RunId, open_log};

/// What a kind decides about an attempt.
pub trait Attempt: Send {
    /// What it reports on the way.
    type Progress: Send + Sync;
    /// What is recorded of a run that is over.
    type End: Send;
    /// Why it failed.
    type Error: Retryable;

    /// The field of every line of its log, such as `backup`.
    const LOG_FIELD: &'static str;

    /// Which run it is of.
    fn id(&self) -> &RunId;

    /// The key of the log in the bucket; until it is there, the log is served from here.
    fn log_key(&self) -> String;

    /// Does the work. It may die after any line: it goes on from what it finds. Once [`Handle::cancelled`] fires it puts in order what it has
    /// begun and fails.
    fn attempt(
        &mut self,
        log: &RunLog,
        handle: &Handle<Self::Progress>,
    ) -> impl Future<Output = Result<Self::End, Self::Error>> + Send;

    /// The end of a run that cannot succeed any more. Stores the log if that can be done.
    fn failed(&mut self, log: &RunLog, error: Self::Error) -> impl Future<Output = Self::End> + Send;
}

/// Carries an attempt out.
pub async fn carry_out<A: Attempt>(
    ctx: &Context,
    live_logs: &LiveLogs,
    mut attempt: A,
    handle: Handle<A::Progress>,
) -> AttemptEnd<A::End> {
    let id = attempt.id();
    let log = match open_log(ctx, (A::LOG_FIELD, format!("{}/{}", id.namespace, id.name))) {
        Ok(log) => log,
        Err(error) => {
            return AttemptEnd::Retry(format!(
                "opening the log of the {} failed: {error}; check the space in the scratch directory",
                id.kind
            ));
        }
    };
    let _readable = live_logs.add(attempt.log_key(), log.clone());
    match attempt.attempt(&log, &handle).await {
        Ok(end) => AttemptEnd::Final(end),
        Err(error) if handle.cancelled().is_cancelled() => AttemptEnd::Retry(error.to_string()),
        Err(error) => match error.retry() {
            Retry::Later => AttemptEnd::Retry(error.to_string()),
            Retry::StoreUnavailable => AttemptEnd::Unavailable(error.to_string()),
            Retry::Never => AttemptEnd::Final(attempt.failed(&log, error).await),
        },
    }
}
