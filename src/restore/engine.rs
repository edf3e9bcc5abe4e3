//! One run of a restore: begin, wave after wave, retries, report.
//!
//! What happens if the process dies: every effect of a run can be repeated. Items are recorded in the ledger when they are
//! done. An item that was done and not recorded is processed again: an object with this restore's label that is not older than
//! the restore counts as created by it.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info_span};

use crate::cluster::objects::WriteOptions;
use crate::restore::apply::Live;
pub use crate::restore::deps::EngineDeps;
pub use crate::restore::fatal::Fatal;
use crate::restore::item::ItemContext;
use crate::restore::ledger::{Ledger, Message, Note, Severity, State};
use crate::restore::parts::RunParts;
use crate::restore::plan::{Part, Wave};
use crate::restore::prepared::prepare;
use crate::restore::progress::OnProgress;
use crate::restore::report::Report;
use crate::restore::request::Request;
use crate::restore::retries;
use crate::restore::standstill;
use crate::restore::waves::Waves;
use crate::telemetry::run_spans::{Sort, limited};

/// The interval between writes of the ledger.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs a restore. It can be cancelled, by the token or by dropping it, and resumed with the ledger; a second run over the same
/// archive is safe.
///
/// Errors of single items are in the report; an `Err` means that the run as a whole could not begin or was interrupted.
pub async fn run(
    request: &Request,
    deps: &EngineDeps<'_>,
    ledger: Ledger,
    on_progress: &OnProgress<'_>,
    cancel: &CancellationToken,
) -> Result<Report, Fatal> {
    let (prepared, served) = prepare(request, deps, ledger.is_resumed())
        .instrument(info_span!("prepare"))
        .await?;
    let parts = RunParts::new(&prepared, deps, served, ledger, on_progress, WriteOptions::default());
    let live = Live::default();
    let ctx = ItemContext::new(&parts, &live);
    // The first warnings read the archive, which takes a while if many objects are displaced by others.
    tokio::select! {
        () = cancel.cancelled() => return Err(Fatal::Cancelled),
        begun = begin(ctx) => begun?,
    }
    let waves = Waves::new(ctx);
    let ended = tokio::select! {
        () = cancel.cancelled() => Err(Fatal::Cancelled),
        () = restore(&waves) => Ok(()),
        () = keep_up(&parts) => Err(Fatal::Cancelled),
    };
    parts.tracker.journal.flush().await;
    ended?;
    Ok(report(&parts))
}

/// Once for each restore: reports the first warnings, and stores the ledger before the first effect.
async fn begin(ctx: ItemContext<'_>) -> Result<(), Fatal> {
    let journal = &ctx.parts.tracker.journal;
    if journal.is_resumed() {
        return Ok(());
    }
    report_oddities(ctx.parts);
    ctx.warn_of_displaced().await;
    journal.begin().await.map_err(Fatal::LedgerNotStored)
}

/// Reports the errors and warnings that are known before the first item.
fn report_oddities(parts: &RunParts<'_>) {
    let (prepared, tracker) = (parts.prepared, &parts.tracker);
    let summary = prepared.request.archive.summary();
    if !summary.has_resources {
        tracker.report(
            None,
            Severity::Warning,
            "the backup has no resources: zero items to be restored".to_owned(),
        );
    }
    for warning in &prepared.warnings {
        tracker.report(None, Severity::Warning, warning.clone());
    }
    for warning in &summary.warnings.messages {
        tracker.log.info(warning);
    }
    for (handle, reason) in prepared.plan.unreadable() {
        let item = prepared.item(*handle);
        let text = format!("error decoding {}: {reason}", item.path);
        let message = Message::new(Severity::Error, Some(item.target.unwrap_or_default()), text);
        let journal = &tracker.journal;
        journal.record(*handle, State::Unreadable, vec![message], Note::default());
    }
}

async fn restore(waves: &Waves<'_>) {
    let parts = waves.ctx.parts;
    let (prepared, tracker) = (parts.prepared, &parts.tracker);
    tracker.log.info(format!(
        "{} restore of backup {}/{}",
        if tracker.journal.is_resumed() {
            "Resuming"
        } else {
            "Starting"
        },
        prepared.request.namespace,
        prepared.context.backup
    ));
    tracker.report_progress();
    for wave in prepared.plan.waves() {
        announce(parts, wave);
        let items = prepared.plan.items_of(wave);
        let span = limited(
            Sort::Wave,
            || info_span!("wave", velero.resource = %wave.resource, velero.items = items.len()),
        );
        waves.restore_all(items).instrument(span).await;
        parts.await_new_types().await;
        retries::retry_due(waves).await;
    }
    let waiting = parts.tracker.queue.count_and_first(0).0;
    let span = if waiting == 0 {
        Span::none()
    } else {
        info_span!("wait for items", velero.items = waiting)
    };
    retries::drain(waves).instrument(span).await;
    // the last progress must not show a standstill that is over
    tracker.progress.set_standstill(None);
}

fn announce(parts: &RunParts<'_>, wave: &Wave) {
    let what = match wave.part {
        Part::Whole => "",
        Part::FixedNodePorts => ", those with fixed node ports",
        Part::OtherServices => ", the others",
    };
    let count = parts.prepared.plan.items_of(wave).len();
    let log = parts.tracker.log;
    log.info(format!("Restoring {count} items of resource '{}'{what}", wave.resource));
}

/// Runs concurrently with the waves: stores the ledger, and reports a standstill. Never ends.
async fn keep_up(parts: &RunParts<'_>) {
    loop {
        sleep(FLUSH).await;
        standstill::check(parts);
        parts.tracker.journal.flush().await;
    }
}

fn report(parts: &RunParts<'_>) -> Report {
    let (prepared, tracker) = (parts.prepared, &parts.tracker);
    let archive = &prepared.request.archive;
    let report = tracker
        .journal
        .read(|ledger| Report::new(ledger, archive, &prepared.context));
    tracker.progress.publish(report.progress.clone());
    report
}
