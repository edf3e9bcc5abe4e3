//! Hooks of pods (spec backup 10): they run before the first object of a block is saved, and after the last.

use std::collections::HashSet;

use parking_lot::Mutex;

use super::done::Key;
use super::inclusion::check_object;
use super::objects::Objects;
use super::prepared::Prepared;
use super::tracker::Tracker;
use super::types::Type;
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::RawObject;
use crate::hook::{Frozen, PodHooks, Runner};

/// Runs the hooks of pods, each pod's once.
pub(super) struct BlockHooks<'a> {
    /// `None` where no hooks run.
    runner: Option<&'a Runner>,
    prepared: &'a Prepared<'a>,
    objects: &'a Objects<'a>,
    tracker: &'a Tracker<'a>,
    /// Pods with hooks that were run or are running.
    begun: Mutex<HashSet<Key>>,
}

impl<'a> BlockHooks<'a> {
    pub(super) fn new(
        runner: Option<&'a Runner>,
        prepared: &'a Prepared<'a>,
        objects: &'a Objects<'a>,
        tracker: &'a Tracker<'a>,
    ) -> Self {
        Self {
            runner,
            prepared,
            objects,
            tracker,
            begun: Mutex::default(),
        }
    }

    /// Runs the pre hooks of all pods of a block that are going to be saved.
    pub(super) async fn freeze_block(&self, block: usize) -> Vec<Frozen> {
        let staged = &self.objects.staged;
        let mut pods = Vec::new();
        for &place in staged.blocks.get(block) {
            let (type_, key) = staged.identity(place);
            if !staged.is_hooked(place) || self.tracker.done.contains(key) {
                continue;
            }
            // A pod that cannot be read gets its error line where it would be saved.
            if let Ok(pod) = staged.read(place).await {
                pods.extend(self.hooks_of(type_, &pod, false));
            }
        }
        self.freeze(pods).await
    }

    /// Runs the pre hooks of a pod that another item asked for.
    pub(super) async fn freeze_pod(&self, type_: &Type, pod: &RawObject, must: bool) -> Vec<Frozen> {
        self.freeze(self.hooks_of(type_, pod, must).into_iter().collect()).await
    }

    /// Runs the post hooks.
    pub(super) async fn thaw(&self, frozen: Vec<Frozen>) {
        if let Some(runner) = self.runner {
            runner.thaw(frozen).await;
        }
    }

    /// The hooks of a pod, if it will be saved and they were not begun before.
    fn hooks_of(&self, type_: &Type, pod: &RawObject, must: bool) -> Option<PodHooks> {
        check_object(&pod.head, type_, &self.prepared.namespaces, must).ok()?;
        // An object that is not a pod gets its error line where it would be saved.
        let hooks = PodHooks::of(&self.prepared.spec_hooks, pod).ok()??;
        self.begun.lock().insert(key_of(&hooks, type_)).then_some(hooks)
    }

    /// Runs pre hooks. A pod with a failed pre hook counts as begun, so that it is not saved.
    async fn freeze(&self, pods: Vec<PodHooks>) -> Vec<Frozen> {
        let Some(runner) = self.runner.filter(|_| !pods.is_empty()) else {
            return Vec::new();
        };
        let frozen = runner.freeze(pods).await;
        let pods = GroupResource::new("", "pods");
        if let Some(type_) = self.prepared.types.get(&pods) {
            for Frozen { pod, .. } in frozen.iter().filter(|frozen| frozen.refused) {
                self.tracker.done.insert(key_of(pod, type_));
                self.tracker
                    .failed(type_, Some(&pod.namespace), &pod.name)
                    .msg("Error backing up item: a pre hook of the pod failed, so it is not saved");
            }
        }
        frozen
    }
}

fn key_of(pod: &PodHooks, type_: &Type) -> Key {
    Key::new(&type_.group_resource, Some(&pod.namespace), &pod.name)
}
