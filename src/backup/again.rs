//! Collects single items again, once the operations of actions on them have ended (spec backup 14.3).

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use jiff::Timestamp;

use super::actions::BackupItemAction;
use super::engine::too_early;
use super::item::ItemRef;
use super::objects::Objects;
use super::packer::{self, Packer};
use super::prepared::prepare;
use super::progress::Progress;
use super::reader::Reader;
use super::report::Fatal;
use super::request::Request;
use super::save::{ItemSaver, Round};
use super::sink::ArchiveSink;
use super::staging::Collector;
use super::stop::Stop;
use super::tracker::Tracker;
use super::volumes::VolumeRecords;
use crate::cluster::Cluster;
use crate::cluster::discovery::Discovery;
use crate::telemetry::logrus::{Format, Level};
use crate::telemetry::run_log::RunLog;

/// What collecting again works with; the fields are those of [`EngineDeps`](super::EngineDeps).
pub struct AgainDeps<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What the cluster serves.
    pub discovery: &'a Discovery,
    /// A directory for temporary files.
    pub scratch: &'a Path,
    /// The log of the items.
    pub log: &'a RunLog,
    /// The time of the archive's entries.
    pub now: Timestamp,
    /// Actions besides the built-in ones.
    pub actions: Vec<Arc<dyn BackupItemAction>>,
}

/// Saves these items as they are now, with what their actions add, into an archive of their own.
///
/// Filters do not apply. No hook runs, and an action that starts an operation fails its item. An item that is gone is a warning in the log,
/// one that cannot be saved an error. Returns the number of items saved. It may be repeated and dropped.
///
/// # Errors
/// See [`Fatal`]; the sink then holds no valid archive.
pub async fn collect_again<S: ArchiveSink>(
    request: &Request,
    deps: AgainDeps<'_>,
    items: &[ItemRef],
    sink: &mut S,
) -> Result<u64, Fatal> {
    let (packer, pieces) = packer::start(deps.now)?;
    // Boxed, or every caller's future would be as large as the state of a run.
    let making = Box::pin(make(request, &deps, items, packer));
    let storing = pin!(pieces.into_sink(sink));
    match select(making, storing).await {
        Either::Left((Ok(saved), storing)) => {
            storing.await?;
            Ok(saved)
        }
        Either::Left((Err(Stop::Fatal(fatal)), _)) => Err(fatal),
        Either::Left((Err(Stop::Packer), storing)) => Err(storing.await.err().unwrap_or_else(too_early)),
        Either::Right((stored, _)) => Err(stored.err().unwrap_or_else(too_early)),
    }
}

async fn make(request: &Request, deps: &AgainDeps<'_>, items: &[ItemRef], packer: Packer) -> Result<u64, Stop> {
    let reader = Reader::new(deps.cluster.clone());
    // What the spec means was logged when the backup was made.
    let quiet = quiet(deps)?;
    let (prepared, _) = prepare(request, deps.discovery, &quiet, &deps.actions, &reader).await?;
    let (progress, _) = Progress::new();
    let tracker = Tracker::new(deps.log, &progress, deps.scratch);
    let volumes = VolumeRecords::default();
    let collector = Collector::new(deps.scratch).map_err(Stop::scratch)?;
    let objects = Objects {
        reader: &reader,
        staged: collector.finish().await.map_err(Stop::scratch)?,
    };
    let saver = ItemSaver::new(&prepared, &objects, &tracker, &Round::Again, &volumes, packer);
    for item in items {
        saver.save_named(item, true).await?;
    }
    Ok(tracker.counts.totals().saved)
}

fn quiet(deps: &AgainDeps<'_>) -> Result<RunLog, Stop> {
    let now = deps.now;
    let file = tempfile::tempfile_in(deps.scratch).map_err(Stop::scratch)?;
    Ok(RunLog::create(
        file,
        Format::Text,
        Level::Error,
        Vec::new(),
        Arc::new(move || now),
    ))
}
