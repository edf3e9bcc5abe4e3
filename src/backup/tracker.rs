//! Records the outcome of each item in the counts, the resource list and the log.

use std::path::Path;

use super::counts::Counts;
use super::done::Done;
use super::inclusion::PassedOver;
use super::item_log::ItemLog;
use super::progress::Progress;
use super::resource_list::ResourceList;
use super::stop::Stop;
use super::types::Type;
use crate::cluster::raw::Head;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// Records the outcomes of items.
pub(super) struct Tracker<'a> {
    /// The items that were begun.
    pub(super) done: Done,
    pub(super) counts: Counts<'a>,
    /// The names of the saved items.
    pub(super) resource_list: ResourceList,
    pub(super) item_log: ItemLog<'a>,
    /// The backup's log.
    pub(super) log: &'a RunLog,
}

impl<'a> Tracker<'a> {
    /// A tracker of a run that begins. `scratch` is a directory for temporary files.
    pub(super) fn new(log: &'a RunLog, progress: &'a Progress, scratch: &Path) -> Self {
        Self {
            done: Done::new(),
            counts: Counts::new(progress),
            resource_list: ResourceList::new(scratch),
            item_log: ItemLog::new(log),
            log,
        }
    }

    /// An item goes into the archive, with this version and kind.
    pub(super) async fn saved(&self, type_: &Type, head: &Head, api_version: &str, kind: &str) -> Result<(), Stop> {
        let namespace = head.namespace.as_deref();
        self.resource_list
            .add(api_version, kind, namespace, &head.name)
            .await
            .map_err(Stop::scratch)?;
        let progress = self.counts.saved(&type_.group_resource);
        self.item_log.saved(progress, kind, type_, namespace, &head.name);
        Ok(())
    }

    /// An item is skipped on purpose.
    pub(super) fn skipped(&self, type_: &Type, head: &Head, why: PassedOver) {
        self.counts.skipped();
        // A cluster-wide list has the objects of other namespaces too; they are not worth a line each.
        let level = if why == PassedOver::Namespace {
            Level::Debug
        } else {
            Level::Info
        };
        self.item_log
            .line(level, type_, head.namespace.as_deref(), &head.name)
            .msg(why.words());
    }

    /// An item cannot be saved. Returns the error line, which the caller completes.
    #[track_caller]
    pub(super) fn failed(&self, type_: &Type, namespace: Option<&str>, name: &str) -> Line<'a> {
        self.counts.failed();
        self.item_log.line(Level::Error, type_, namespace, name)
    }
}
