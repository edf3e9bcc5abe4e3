//! The state that the steps of one run share.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::OnceLock;

use parking_lot::{Mutex, MutexGuard};

use super::actions::ActionTable;
use super::done::{Done, Key};
use super::item_log::ItemLog;
use super::packer::Packer;
use super::progress::Progress;
use super::reader::Reader;
use super::report::Fatal;
use super::request::Request;
use super::resource_list::ResourceList;
use super::staging::Staged;
use super::types::Types;
use super::volumes::Volumes;
use crate::cluster::discovery::{Discovery, GroupResource};
use crate::hook::{Runner, SpecHooks};
use crate::select::namespaces::{NamespaceFilter, NamespaceTracker};
use crate::telemetry::run_log::RunLog;

/// One run. Its steps borrow it and run concurrently, on one task; what they change is behind short locks that are
/// never held across an await.
pub(super) struct BackupRun<'a> {
    pub(super) request: &'a Request,
    pub(super) discovery: &'a Discovery,
    pub(super) log: &'a RunLog,
    pub(super) progress: &'a Progress,
    pub(super) reader: Reader,
    pub(super) types: Types,
    pub(super) actions: ActionTable,
    pub(super) namespaces: NamespaceFilter,
    pub(super) hooks: &'a Runner,
    /// Hooks that the spec asks for.
    pub(super) spec_hooks: SpecHooks,
    /// The label selectors to list with, each in query form; a lone `None` is a list of everything.
    pub(super) selectors: Vec<Option<String>>,
    pub(super) packer: Packer,
    pub(super) item_log: ItemLog<'a>,
    /// The objects that phase A staged, once it is complete.
    pub(super) staged: OnceLock<Staged>,
    pub(super) resource_list: Mutex<ResourceList>,
    pub(super) state: Mutex<State>,
}

/// The results of a run so far.
pub(super) struct State {
    pub(super) done: Done,
    pub(super) tracker: NamespaceTracker,
    pub(super) volumes: Volumes,
    /// Types with at least one object in the archive.
    pub(super) saved_types: BTreeSet<GroupResource>,
    pub(super) skipped: u64,
    pub(super) failed: u64,
    /// Lists without a first page yet.
    pub(super) lists_to_begin: usize,
    /// Pods with hooks that were run or are running.
    pub(super) hooked: HashSet<Key>,
}

/// Why a run cannot continue.
#[derive(Debug)]
pub(super) enum Stop {
    /// The archive's thread has ended; its error is the reason.
    Packer,
    /// An error of the run itself.
    Fatal(Fatal),
}

impl Stop {
    /// A temporary file failed.
    pub(super) fn scratch(error: io::Error) -> Self {
        Self::Fatal(Fatal::Scratch(error))
    }
}

impl<E: Into<Fatal>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

impl BackupRun<'_> {
    /// Locks the state.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Begins an item; false if it was begun before.
    pub(super) fn begin_item(&self, key: Key) -> bool {
        self.state().done.insert(key)
    }

    /// Whether an item was begun.
    pub(super) fn is_done(&self, key: Key) -> bool {
        self.state().done.contains(key)
    }

    /// A list returned its first page, or failed.
    pub(super) fn list_begun(&self) {
        let mut state = self.state();
        state.lists_to_begin = state.lists_to_begin.saturating_sub(1);
        if state.lists_to_begin == 0 {
            self.progress.complete();
        }
    }

    /// Adds a saved item to the resource list.
    pub(super) async fn list_name(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Stop> {
        let (full, scratch) = {
            let mut list = self.resource_list.lock();
            match list.add(api_version, kind, namespace, name) {
                None => return Ok(()),
                Some(full) => (full, list.scratch().to_owned()),
            }
        };
        let written = tokio::task::spawn_blocking(move || full.write(&scratch)).await;
        let file = written
            .map_err(io::Error::other)
            .and_then(|file| file)
            .map_err(Stop::scratch)?;
        self.resource_list.lock().add_run(file);
        Ok(())
    }
}
