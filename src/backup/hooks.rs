//! Hooks of pods (spec backup 10): they run before the first object of a block is saved, and after the last.

use std::sync::Arc;

use super::done::Key;
use super::inclusion::check_object;
use super::run::{BackupRun, Stop};
use super::save::SaveOutcome;
use super::staging::Staged;
use super::types::{KnownType, Type};
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::{Head, RawObject};
use crate::hook::{Frozen, PodHooks};
use crate::telemetry::logrus::Level;

impl BackupRun<'_> {
    /// Whether hooks of the spec are for an object.
    pub(super) fn is_hooked_by_spec(&self, type_: &Type, head: &Head) -> bool {
        let namespace = head.namespace.as_deref().unwrap_or_default();
        type_.known == KnownType::Pod && self.spec_hooks.concern(namespace, &head.labels)
    }

    /// Runs the pre hooks of all pods of a block that are going to be saved.
    pub(super) async fn freeze_block(&self, staged: &Staged, block: usize) -> Vec<Frozen> {
        let mut pods = Vec::new();
        for &place in staged.blocks.get(block) {
            let (type_, key) = staged.identity(place);
            if !staged.is_hooked(place) || self.is_done(key) {
                continue;
            }
            // A pod that cannot be read gets its error line where it would be saved.
            if let Ok(pod) = staged.read(place).await {
                pods.extend(self.hooks_of(type_, &pod, false));
            }
        }
        self.freeze(pods).await
    }

    /// Saves a pod that another item asked for, with its own hooks around it.
    pub(super) async fn save_pod(&self, type_: &Arc<Type>, pod: RawObject, must: bool) -> Result<SaveOutcome, Stop> {
        let frozen = self
            .freeze(self.hooks_of(type_, &pod, must).into_iter().collect())
            .await;
        let outcome = if frozen.iter().any(|pod| pod.refused) {
            Ok(SaveOutcome::Failed)
        } else {
            self.save(type_, pod, must).await
        };
        self.hooks.thaw(frozen).await;
        outcome
    }

    /// The hooks of a pod, if it will be saved and they were not begun before.
    fn hooks_of(&self, type_: &Type, pod: &RawObject, must: bool) -> Option<PodHooks> {
        check_object(&pod.head, type_, &self.namespaces, must).ok()?;
        // An object that is not a pod gets its error line where it would be saved.
        let hooks = PodHooks::of(&self.spec_hooks, pod).ok()??;
        self.state().hooked.insert(key_of(&hooks, type_)).then_some(hooks)
    }

    /// Runs pre hooks. A pod with a failed pre hook counts as begun, so that it is not saved.
    async fn freeze(&self, pods: Vec<PodHooks>) -> Vec<Frozen> {
        if pods.is_empty() {
            return Vec::new();
        }
        let frozen = self.hooks.freeze(pods).await;
        let pods = GroupResource::new("", "pods");
        if let Some(type_) = self.types.get(&pods) {
            for Frozen { pod, .. } in frozen.iter().filter(|frozen| frozen.refused) {
                self.begin_item(key_of(pod, type_));
                self.state().failed += 1;
                self.item_log
                    .line(Level::Error, type_, Some(&pod.namespace), &pod.name)
                    .msg("Error backing up item: a pre hook of the pod failed, so it is not saved");
            }
        }
        frozen
    }
}

fn key_of(pod: &PodHooks, type_: &Type) -> Key {
    Key::new(&type_.group_resource, Some(&pod.namespace), &pod.name)
}
