//! Running pods that label selectors exclude although they mount a claim of the backup. They are saved too, as upstream does
//! (spec backup 8): the copy of a claim is inconsistent if one pod writes to it while the other one is frozen.

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;

use futures::StreamExt;

use super::done::Key;
use super::facts::PodFacts;
use super::inclusion::check_object;
use super::run::{BackupRun, Stop};
use super::staging::{Collector, Related};
use super::types::{KnownType, Type};
use crate::cluster::discovery::GroupResource;
use crate::cluster::list::{ListEvent, ListRequest};
use crate::cluster::raw::RawObject;
use crate::telemetry::logrus::Level;

/// The claims of the backup, and the pods that are part of it already. Empty without label selectors: then all pods are.
#[derive(Debug, Default)]
pub(super) struct SharedPvcs {
    claims: HashSet<Key>,
    pods: HashSet<Key>,
    namespaces: BTreeSet<String>,
}

impl SharedPvcs {
    /// Notes a staged object that will be saved.
    pub(super) fn saw(&mut self, known: KnownType, object: &RawObject, key: Key, related: &Related) {
        let claims: &[Key] = match known {
            KnownType::Pod => {
                self.pods.insert(key);
                &related.with
            }
            KnownType::Claim => &[key],
            _ => &[],
        };
        if !claims.is_empty() {
            self.claims.extend(claims);
            self.namespaces.extend(object.head.namespace.clone());
        }
    }

    /// Whether a pod is still missing.
    fn misses(&self, pod: Key, facts: &PodFacts, claim: impl Fn(&str) -> Key) -> bool {
        !self.pods.contains(&pod) && facts.is_running() && facts.claims().any(|name| self.claims.contains(&claim(name)))
    }
}

impl BackupRun<'_> {
    /// Whether labels decide which objects are collected, so that pods that share a claim with a collected one may be excluded.
    pub(super) fn looks_for_sharing_pods(&self) -> bool {
        let by_labels = self.selectors.iter().all(Option::is_some);
        by_labels && self.types.get(&claims()).is_some_and(|claims| claims.included)
    }

    /// Stages the missing pods. Each may mount further claims, so a namespace is listed until none is missing.
    pub(super) async fn stage_sharing_pods(
        &self,
        pods: &Type,
        collector: &mut Collector,
        shared_pvcs: &mut SharedPvcs,
    ) -> Result<(), Stop> {
        for namespace in shared_pvcs.namespaces.clone() {
            while self
                .stage_sharing_pods_of(&namespace, pods, collector, shared_pvcs)
                .await?
            {}
        }
        Ok(())
    }

    /// One round over a namespace; returns whether a pod was missing.
    async fn stage_sharing_pods_of(
        &self,
        namespace: &str,
        pods: &Type,
        collector: &mut Collector,
        shared_pvcs: &mut SharedPvcs,
    ) -> Result<bool, Stop> {
        let mut found = false;
        let request = ListRequest::all(pods.resource.clone()).in_namespace(namespace);
        let mut list = pin!(self.reader.list(request));
        while let Some(event) = list.next().await {
            match event {
                Ok(ListEvent::Item(pod)) => {
                    if self.is_missing(pods, &pod, shared_pvcs) {
                        found = true;
                        self.progress.expect(1);
                        self.item_log
                            .line(Level::Info, pods, Some(namespace), &pod.head.name)
                            .msg("The pod is saved too, because it mounts a claim of the backup");
                        self.stage(collector, shared_pvcs, pods, &pod).await?;
                    }
                }
                Ok(ListEvent::FirstPage { .. } | ListEvent::Restarted | ListEvent::Unreadable { .. }) => {}
                Err(error) => self
                    .log
                    .line(Level::Error)
                    .field("resource", &*pods.name)
                    .field("namespace", namespace)
                    .error(&error)
                    .msg("Error listing the pods that may share a claim with those of the backup"),
            }
        }
        Ok(found)
    }

    fn is_missing(&self, pods: &Type, pod: &RawObject, shared_pvcs: &SharedPvcs) -> bool {
        let (namespace, claims) = (pod.head.namespace.as_deref(), claims());
        let key = Key::new(&pods.group_resource, namespace, &pod.head.name);
        serde_json::from_slice(&pod.json)
            .is_ok_and(|facts| shared_pvcs.misses(key, &facts, |name| Key::new(&claims, namespace, name)))
            && check_object(&pod.head, pods, &self.namespaces, false).is_ok()
    }
}

fn claims() -> GroupResource {
    GroupResource::new("", "persistentvolumeclaims")
}
