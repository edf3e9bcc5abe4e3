//! ServerStatusRequest: answers `velero version` and `velero plugin get`, then goes away (spec server-cli 6).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::time;
use crate::api::v1::{ServerStatusRequest, ServerStatusRequestPhase};
use crate::runtime::clock::later;
use crate::runtime::{Class, Classify, Controller, Manager, Next, Reconciler};

use super::watches::{BUCKET_WORKERS, Watches};
use super::write::{WriteError, Written};
use crate::controllers::context::Context;

/// How long an answered request stays to be read.
const KEPT: Duration = Duration::from_mins(1);

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer was not written, or the request not removed.
    #[error("answering the status request failed: {0}")]
    StatusNotWritten(#[from] WriteError),
}

impl Classify for Error {
    crate::runtime::reasons!(StatusNotWritten);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            Self::StatusNotWritten(_) => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct StatusRequests {
    ctx: Arc<Context>,
}

impl StatusRequests {
    /// A reconciler of status requests.
    pub fn new(ctx: Arc<Context>) -> Self {
        Self { ctx }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let reconciler = Self::new(Arc::clone(ctx));
        manager.control(Controller::new(reconciler, &watches.statuses).workers(BUCKET_WORKERS));
    }
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Answer,
    Keep(Timestamp),
    Remove,
}

fn step(seen: &ServerStatusRequest, now: Timestamp) -> Step {
    match (&seen.status.phase, &seen.status.processed_timestamp) {
        (Some(ServerStatusRequestPhase::Processed), Some(processed)) => {
            let end = later(processed.0, KEPT);
            if now >= end { Step::Remove } else { Step::Keep(end) }
        }
        _ => Step::Answer,
    }
}

impl Reconciler for StatusRequests {
    type Kind = ServerStatusRequest;
    type Error = Error;
    const NAME: &'static str = "server-status-request";
    const RESYNC: Duration = Duration::from_mins(5);

    async fn reconcile(&self, seen: Arc<ServerStatusRequest>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        match step(&seen, now) {
            Step::Keep(until) => Ok(Next::At(until)),
            Step::Remove => {
                self.ctx.writer.remove(&*seen).await?;
                Ok(Next::Resync)
            }
            Step::Answer => {
                let mut wanted = (*seen).clone();
                wanted.status.phase = Some(ServerStatusRequestPhase::Processed);
                wanted.status.processed_timestamp = Some(time(now));
                super::version::server().clone_into(&mut wanted.status.server_version);
                match self.ctx.writer.write(&*seen, &wanted).await? {
                    Written::Conflict => Ok(Next::After(Duration::from_secs(1))),
                    Written::Done | Written::Unchanged => Ok(Next::At(later(now, KEPT))),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_kept_a_minute_and_removed() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut seen = ServerStatusRequest::new("velero", "velero-cli-x");
        assert_eq!(step(&seen, at(0)), Step::Answer);
        seen.status.phase = Some(ServerStatusRequestPhase::Processed);
        seen.status.processed_timestamp = Some(time(at(100)));
        assert_eq!(step(&seen, at(159)), Step::Keep(at(160)));
        assert_eq!(step(&seen, at(160)), Step::Remove);
        seen.status.phase = Some(ServerStatusRequestPhase::from("Strange"));
        assert_eq!(step(&seen, at(0)), Step::Answer);
    }
}
