//! The volume policies' decisions (spec backup 12.1). A volume, its claim and its pods get the same one, and cost one read.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::facts::{PodVolume, VolumeObject};
use crate::backup::done::Key;
use crate::backup::facts::ClaimFacts;
use crate::backup::objects::{Objects, ReadFailed};
use crate::backup::prepared::Prepared;
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::{Head, RawObject};
use crate::select::resource_policies::{ActionType, ClaimTraits};

/// The policies' decision about a volume, and whether its PersistentVolume is a hostPath.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PolicyDecision {
    pub(super) policy: Option<ActionType>,
    pub(super) host_path: bool,
}

/// Decides by the policies of the backup.
pub(super) struct VolumePolicies<'a> {
    prepared: &'a Prepared<'a>,
    objects: &'a Objects<'a>,
    /// By PersistentVolume.
    decisions: Mutex<HashMap<Key, PolicyDecision>>,
}

impl<'a> VolumePolicies<'a> {
    pub(super) fn new(prepared: &'a Prepared<'a>, objects: &'a Objects<'a>) -> Self {
        Self {
            prepared,
            objects,
            decisions: Mutex::default(),
        }
    }

    /// The decision about a pod's volume; for one with a claim, that about the PersistentVolume behind it. `always`: the
    /// PersistentVolume is read even without policies.
    pub(super) async fn of_pod_volume(
        &self,
        pod: &Head,
        volume: &PodVolume,
        always: bool,
    ) -> Result<PolicyDecision, ReadFailed> {
        let policies = &self.prepared.request.policies;
        let Some(claim) = volume.claim() else {
            return Ok(PolicyDecision {
                policy: policies.action_for(&volume.traits(None)).map(|action| action.kind),
                host_path: false,
            });
        };
        if !always && !policies.has_volume_policies() {
            return Ok(PolicyDecision::default());
        }
        let Some(claim) = self.read_claim(pod.namespace.as_deref(), claim).await? else {
            return Ok(PolicyDecision::default());
        };
        let facts: ClaimFacts = serde_json::from_slice(&claim.json)?;
        if let Some(name) = facts.bound_volume() {
            if let Some(decision) = self.decided(name) {
                return Ok(decision);
            }
            if let Some(object) = self.read(&volumes(), None, name).await? {
                let facts: VolumeObject = serde_json::from_slice(&object.json)?;
                return Ok(self.decide(name, &facts, Some(&claim.head)));
            }
        }
        // Not bound, or its volume is gone: only the pod and the claim are known.
        Ok(PolicyDecision {
            policy: self.of_claim(volume, &claim.head),
            host_path: false,
        })
    }

    /// The action for a claim by itself, and the volume of a pod that mounts it.
    pub(super) fn of_claim(&self, volume: &PodVolume, claim: &Head) -> Option<ActionType> {
        let traits = volume.traits(Some(traits_of(claim)));
        let action = self.prepared.request.policies.action_for(&traits);
        action.map(|action| action.kind)
    }

    /// The action for a PersistentVolume.
    pub(super) async fn of_volume(&self, head: &Head, facts: &VolumeObject) -> Result<Option<ActionType>, ReadFailed> {
        let policies = &self.prepared.request.policies;
        if !policies.has_volume_policies() {
            return Ok(None);
        }
        if let Some(decision) = self.decided(&head.name) {
            return Ok(decision.policy);
        }
        let mut claim = None;
        if policies.look_at_claims()
            && let Some((namespace, name)) = facts.claim()
        {
            claim = self.read_claim(Some(namespace), name).await?;
        }
        // A claim of that name may be a newer one with another volume.
        let own = |claim: &&RawObject| {
            serde_json::from_slice::<ClaimFacts>(&claim.json)
                .is_ok_and(|claim| claim.bound_volume() == Some(head.name.as_str()))
        };
        let claim = claim.as_ref().filter(own);
        Ok(self.decide(&head.name, facts, claim.map(|claim| &claim.head)).policy)
    }

    /// Decides about a PersistentVolume with its claim, and keeps the decision for the next caller.
    fn decide(&self, name: &str, volume: &VolumeObject, claim: Option<&Head>) -> PolicyDecision {
        let action = self
            .prepared
            .request
            .policies
            .action_for(&volume.traits(claim.map(traits_of)));
        let decision = PolicyDecision {
            policy: action.map(|action| action.kind),
            host_path: volume.is_host_path(),
        };
        self.decisions.lock().insert(key_of(name), decision);
        decision
    }

    fn decided(&self, name: &str) -> Option<PolicyDecision> {
        self.decisions.lock().get(&key_of(name)).copied()
    }

    async fn read_claim(&self, namespace: Option<&str>, name: &str) -> Result<Option<RawObject>, ReadFailed> {
        let claims = GroupResource::new("", "persistentvolumeclaims");
        self.read(&claims, namespace, name).await
    }

    async fn read(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<RawObject>, ReadFailed> {
        match self.prepared.types.get(resource) {
            Some(type_) => self.objects.get(type_, namespace, name).await,
            None => Ok(None),
        }
    }
}

fn volumes() -> GroupResource {
    GroupResource::new("", "persistentvolumes")
}

fn key_of(volume: &str) -> Key {
    Key::new(&volumes(), None, volume)
}

fn traits_of(claim: &Head) -> ClaimTraits<'_> {
    ClaimTraits {
        labels: &claim.labels,
        phase: claim.phase.as_deref().unwrap_or_default(),
    }
}
