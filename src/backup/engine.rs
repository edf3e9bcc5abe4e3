//! One run from its request to its report: select, collect, items, archive (design section 5).

use std::pin::pin;

use futures::future::{Either, select};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use super::collect::collect;
use super::counts::Totals;
use super::crds::save_crds;
use super::deps::EngineDeps;
use super::lists::Lists;
use super::namespace_objects::{CollectedNamespaces, save_namespaces};
use super::objects::Objects;
use super::operations::Operations;
use super::packer::{self, Packer};
use super::prepared::prepare;
use super::progress::Progress;
use super::reader::Reader;
use super::report::{Fatal, Report};
use super::request::Request;
use super::save::{ItemSaver, Round};
use super::save_blocks::save_blocks;
use super::sink::ArchiveSink;
use super::stop::Stop;
use super::stream::save_streamed;
use super::tracker::Tracker;
use super::volumes::{SkippedVolume, VolumeRecords};
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

/// Runs a backup: its archive goes to `sink`, everything else is in the report.
///
/// Objects that cannot be saved are error lines in the log and do not end the run. It may be repeated: only the sink, scratch
/// and the log are written. A cancelled run ends with [`Fatal::Cancelled`] at its next wait; it may also be dropped. Pods that
/// are frozen then stay frozen until the [`Runner`](crate::hook::Runner) is settled.
pub async fn run<S: ArchiveSink>(
    request: &Request,
    deps: EngineDeps<'_>,
    sink: &mut S,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Report, Fatal> {
    // Boxed, or every caller's future would be as large as the state of a run.
    cancel
        .run_until_cancelled(Box::pin(uncancelled(request, deps, sink, progress)))
        .await
        .unwrap_or(Err(Fatal::Cancelled))
}

async fn uncancelled<S: ArchiveSink>(
    request: &Request,
    deps: EngineDeps<'_>,
    sink: &mut S,
    progress: &Progress,
) -> Result<Report, Fatal> {
    let log = deps.log;
    let (packer, pieces) = packer::start(deps.now)?;
    let making = pin!(make(request, &deps, progress, packer));
    let storing = pin!(pieces.into_sink(sink));
    let (results, archive_bytes) = match select(making, storing).await {
        Either::Left((Ok(results), storing)) => (results, storing.await?),
        Either::Left((Err(Stop::Fatal(fatal)), _)) => return Err(fatal),
        // The archive ends before the run only if it cannot be made or stored; its error is the reason.
        Either::Left((Err(Stop::Packer), storing)) => return Err(storing.await.err().unwrap_or_else(too_early)),
        Either::Right((stored, _)) => return Err(stored.err().unwrap_or_else(too_early)),
    };
    report(log, results, archive_bytes).await
}

pub(super) fn too_early() -> Fatal {
    Fatal::Archive("it ended before the backup did".to_owned())
}

/// The results of a run besides the archive.
struct Results<'a> {
    tracker: Tracker<'a>,
    volumes: VolumeRecords,
    operations: Operations,
}

/// Everything up to the last member of the archive.
async fn make<'a>(
    request: &'a Request,
    deps: &EngineDeps<'a>,
    progress: &'a Progress,
    packer: Packer,
) -> Result<Results<'a>, Stop> {
    let reader = Reader::new(deps.cluster.clone());
    let (prepared, namespaces) = prepare(request, deps.discovery, deps.log, &deps.actions, &reader)
        .instrument(info_span!("prepare"))
        .await?;
    let results = Results {
        tracker: Tracker::new(deps.log, progress, deps.scratch),
        volumes: VolumeRecords::default(),
        operations: Operations::default(),
    };
    let round = Round::First {
        hooks: deps.hooks,
        operations: &results.operations,
    };
    let namespaces = CollectedNamespaces::new(namespaces);
    let lists = Lists::new(&prepared, &reader, &results.tracker, &namespaces);
    lists.announce();
    let objects = Objects {
        reader: &reader,
        staged: collect(&lists, deps.scratch).await?,
    };
    let saver = ItemSaver::new(&prepared, &objects, &results.tracker, &round, &results.volumes, packer);
    save_blocks(&saver).await?;
    save_streamed(&saver, &lists).await?;
    save_namespaces(&saver, &namespaces).await?;
    save_crds(&saver).await?;
    Ok(results)
}

async fn report(log: &RunLog, results: Results<'_>, archive_bytes: u64) -> Result<Report, Fatal> {
    let Results {
        tracker,
        volumes,
        operations,
    } = results;
    let Tracker {
        counts, resource_list, ..
    } = tracker;
    let resource_list = tokio::task::spawn_blocking(move || resource_list.finish());
    let resource_list = resource_list
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(Fatal::Scratch)?;
    let volumes = volumes.finish();
    for (name, warning) in volumes.iter().filter_map(SkippedVolume::warning) {
        log.line(Level::Warning)
            .field("resource", "persistentvolumes")
            .field("namespace", "")
            .field("name", name)
            .msg(warning);
    }
    if !volumes.is_empty() {
        log.info(SkippedVolume::summary(&volumes));
    }
    let Totals { saved, skipped, failed } = counts.totals();
    log.line(Level::Info)
        .field("progress", "")
        .msg(format!("Backed up a total of {saved} items"));
    if saved == 0 && failed == 0 {
        log.warn("the filters of the backup select nothing: zero items were backed up");
    }
    Ok(Report {
        saved,
        skipped,
        failed,
        archive_bytes,
        resource_list,
        volumes: volumes.iter().map(SkippedVolume::info).collect(),
        operations: operations.into_list(),
    })
}

#[cfg(test)]
mod tests;
