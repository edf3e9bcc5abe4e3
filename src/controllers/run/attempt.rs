//! One attempt at a run, from its log to its end.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{Instrument, Span, info_span};

use crate::controllers::context::Context;
use crate::runtime::operation::{AttemptEnd, Handle};
use crate::telemetry::run_log::RunLog;
use crate::telemetry::run_spans::RunSpans;
use crate::telemetry::trace::{TraceParent, fail};

use super::live_log::LiveLogs;
use super::record::Record;
use super::trace::{self, AttemptSpan};
use super::uploads::{UploadError, Uploads};
use super::{Retry, Retryable, RunId, open_log};

/// How long an interrupted attempt may take to record that its span has ended. Without that the next attempt exports it once more.
const RECORD_SPAN: Duration = Duration::from_secs(5);

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

    /// What began the run, if that was traced.
    fn trace(&self) -> Option<TraceParent>;

    /// The key of the log in the bucket; until it is there, the log is served from here.
    fn log_key(&self) -> String;

    /// Does the work. It may die after any line: it goes on from what it finds. Once [`Handle::cancelled`] fires it puts in order what it has
    /// begun and fails.
    fn attempt(
        &mut self,
        log: &RunLog,
        handle: &Handle<Self::Progress>,
    ) -> impl Future<Output = Result<Self::End, Self::Error>> + Send;

    /// Sets attributes of the attempt's span that tell how the run ended. None by default.
    fn describe(end: &Self::End, span: &Span) {
        let _ = (end, span);
    }

    /// The end of a run that its object cancels: everything that was begun is put in order. Called after an attempt, and again by the next
    /// attempt if it fails.
    fn cancelled(
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
    attempt: A,
    handle: Handle<A::Progress>,
) -> AttemptEnd<A::End> {
    let span = trace::attempt(attempt.id(), attempt.trace());
    let id = attempt.id().clone();
    let ended = async {
        let end = work(ctx, live_logs, attempt, handle).await;
        match &end {
            AttemptEnd::Final(end) => A::describe(end, &Span::current()),
            AttemptEnd::Retry(why) | AttemptEnd::Unavailable(why) => {
                fail(&Span::current(), "interrupted", why.clone());
                record_span_end(ctx, &id).await;
            }
        }
        RunSpans::note_unshown(&Span::current());
        end
    };
    ended.instrument(span).await
}

/// An interrupted attempt's span is exported when it ends, so the next attempt must not take it for lost.
async fn record_span_end(ctx: &Context, id: &RunId) {
    let Some(span) = AttemptSpan::current(ctx.clock.now()) else {
        return;
    };
    let recorded = async {
        let record = Record::open(ctx, id, "").await?;
        if record.exists() {
            Uploads::new(ctx, record)?.span_ends(&span).await?;
        }
        Ok::<_, UploadError>(())
    };
    match timeout(RECORD_SPAN, recorded).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the end of an attempt's span is not recorded"),
        Err(_) => tracing::debug!("the end of an attempt's span is not recorded in time"),
    }
}

async fn work<A: Attempt>(
    ctx: &Context,
    live_logs: &LiveLogs,
    mut attempt: A,
    handle: Handle<A::Progress>,
) -> AttemptEnd<A::End> {
    let id = attempt.id();
    let uid = id.uid.clone();
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
        Err(stopped) if ctx.cancels.is_requested(&uid) => {
            tracing::debug!(%uid, %stopped, "a run is cancelled");
            let cancelled = attempt.cancelled(&log, &handle).instrument(info_span!("cancel"));
            match cancelled.await {
                Ok(end) => AttemptEnd::Final(end),
                Err(error) if error.retry() == Retry::StoreUnavailable => AttemptEnd::Unavailable(error.to_string()),
                Err(error) => AttemptEnd::Retry(error.to_string()),
            }
        }
        Err(error) if handle.cancelled().is_cancelled() => AttemptEnd::Retry(error.to_string()),
        Err(error) => match error.retry() {
            Retry::Later => AttemptEnd::Retry(error.to_string()),
            Retry::StoreUnavailable => AttemptEnd::Unavailable(error.to_string()),
            Retry::Never => AttemptEnd::Final(attempt.failed(&log, error).await),
        },
    }
}
