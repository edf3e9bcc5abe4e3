//! The parts of a run that all items share. Each owns its state and its locks.

use crate::archive::spool::ItemHandle;
use crate::cluster::objects::WriteOptions;
use crate::restore::archived::ArchivedItems;
use crate::restore::client::ThrottledClient;
use crate::restore::deps::EngineDeps;
use crate::restore::fatal::Fatal;
use crate::restore::in_flight::InFlight;
use crate::restore::journal::Journal;
use crate::restore::ledger::{Ledger, Severity, State};
use crate::restore::namespaces::Namespaces;
use crate::restore::prepared::Prepared;
use crate::restore::progress::{OnProgress, ProgressTracker};
use crate::restore::retry_queue::RetryQueue;
use crate::restore::tracker::Tracker;
use crate::restore::types::{ApiTypes, ServedTypes};
use crate::restore::wait_reason::RetryTimeouts;

/// The parts of a run.
pub(super) struct RunParts<'a> {
    /// The restore's spec, resolved.
    pub(super) prepared: &'a Prepared<'a>,
    /// The items of the archive.
    pub(super) archived: ArchivedItems<'a>,
    /// The cluster.
    pub(super) client: ThrottledClient,
    /// What the cluster serves.
    pub(super) types: ApiTypes<'a>,
    /// The target namespaces.
    pub(super) namespaces: Namespaces,
    /// The items that are being processed.
    pub(super) in_flight: InFlight<ItemHandle>,
    /// The states of the items.
    pub(super) tracker: Tracker<'a>,
}

impl<'a> RunParts<'a> {
    /// The parts of a run that begins, or resumes, with this ledger. `options` are those of every write.
    pub(super) fn new(
        prepared: &'a Prepared<'a>,
        deps: &'a EngineDeps<'a>,
        served: ServedTypes,
        ledger: Ledger,
        on_progress: &'a OnProgress<'a>,
        options: WriteOptions,
    ) -> Self {
        let request = prepared.request;
        let planned = prepared.plan.in_order().iter();
        let left = planned.filter(|item| ledger.state(**item) == State::Pending).count() as u64;
        Self {
            prepared,
            archived: ArchivedItems::new(&request.archive),
            client: ThrottledClient::new(deps.cluster.clone(), request.options.max_requests, options),
            types: ApiTypes::new(deps, &request.archive, served),
            namespaces: Namespaces::default(),
            in_flight: InFlight::default(),
            tracker: Tracker {
                prepared,
                journal: Journal::new(ledger, deps.sink, &deps.log),
                queue: RetryQueue::new(RetryTimeouts {
                    errors: request.options.resource_timeout,
                    deletions: request.options.terminating_timeout,
                }),
                progress: ProgressTracker::new(left, on_progress),
                log: &deps.log,
            },
        }
    }

    /// If CRDs were accepted since the last time, waits until their types are served.
    pub(super) async fn await_new_types(&self) {
        self.report_stale_types(self.types.await_expected().await);
    }

    /// Reads again what the cluster serves.
    pub(super) async fn refresh_types(&self) {
        self.report_stale_types(self.types.refresh().await);
    }

    fn report_stale_types(&self, refreshed: Result<(), Fatal>) {
        if let Err(error) = refreshed {
            let text = format!("read again what the API server serves: {error}");
            self.tracker.report(Some(""), Severity::Warning, text);
        }
    }
}
