//! A persistent volume that outlived its claim goes back to the claim that is restored, or the restore says why not
//! (decision 40).
//!
//! What happens if the process dies after the patch: the volume waits for its claim by name, which is what a created one
//! does, so the next life finds it equal. The ledger knows that it was about to be changed.

use std::iter;

use serde_json::{Value, json};

use super::super::engine::Run;
use super::super::ledger::State;
use super::super::object::binding::{self, Binding, Claim};
use super::super::object::{changes, volume};
use super::super::parked::Hold;
use super::super::retry::Passing;
use super::{CLAIMS, Subject, Told, VOLUMES, Wanted, unless_passing};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::cluster::discovery::GroupResource;

/// What a volume that goes to no claim comes to.
const LEFT: &str = "it is left as it is";

/// What is known about a volume of the cluster when its binding was looked at.
pub(super) enum Looked {
    /// It can be compared.
    AsItWas(Value),
    /// It was given back to its claim, and can be compared.
    GivenBack(Value),
    /// Its claim cannot get it: the item ends so.
    Ended(State),
}

impl Run<'_> {
    /// Sees to it that the claim of a volume of the cluster can get the volume.
    pub(super) async fn look_at_binding(
        &self,
        subject: &Subject<'_>,
        wanted: &Wanted,
        live: Value,
        told: &mut Told,
    ) -> Result<Looked, Hold> {
        let patch = match binding::decide(&live, &wanted.item) {
            Binding::Open => return Ok(Looked::AsItWas(live)),
            Binding::Taken(reason) => {
                let effect = match binding::claim_of(&wanted.item) {
                    Some(claim) if self.restores_claim(subject, claim).await => format!(
                        "claim {}/{} does not get it and stays Pending",
                        claim.namespace, claim.name
                    ),
                    _ => LEFT.to_owned(),
                };
                return Ok(taken(subject, &reason, &effect, told));
            }
            Binding::BoundTo(uid) => {
                if let Some(claim) = binding::claim_of(&live) {
                    self.is_still_bound(subject, claim, &uid).await?;
                }
                return Ok(Looked::AsItWas(live));
            }
            Binding::Release(patch) => patch,
        };
        if let Some(reason) = self.why_not_given_back(subject, &wanted.item).await? {
            return Ok(taken(subject, &reason, LEFT, told));
        }
        if self.foresight.is_none() {
            self.intend_update(subject.item).await;
        }
        let patched = self
            .calls
            .merge_patch(&wanted.resource, None, subject.path.name, &patch);
        match unless_passing(patched.await)? {
            Ok(given_back) => {
                let text = "Its claim was deleted and it was kept: it is given back to the claim of the same name";
                self.log_item(subject.item, text);
                told.why = "its claim was deleted: it is given back to the claim of the same name".into();
                let claim = |volume: &Value| json!({"spec": {"claimRef": volume.pointer("/spec/claimRef")}});
                told.changes = changes::between(&claim(&live), &claim(&given_back), false);
                Ok(Looked::GivenBack(given_back))
            }
            Err(error) => {
                let id = self.id_of(subject.item);
                told.warn(
                    subject,
                    format!(
                        "could not give {id}, which is Released, back to its claim: {}",
                        error.message
                    ),
                );
                Ok(Looked::Ended(State::Failed))
            }
        }
    }

    /// Why a volume whose claim was deleted does not go back to it. `wanted`: the volume as it would be created.
    async fn why_not_given_back(&self, subject: &Subject<'_>, wanted: &Value) -> Result<Option<String>, Hold> {
        let Some(claim) = binding::claim_of(wanted) else {
            return Ok(Some(
                "it is Released, and in the backup it belongs to no claim".to_owned(),
            ));
        };
        let name = format!("{}/{}", claim.namespace, claim.name);
        if !self.restores_claim(subject, claim).await {
            return Ok(Some(format!(
                "it is Released, and its claim {name} is not part of this restore"
            )));
        }
        let live = self.live_claim(claim).await?;
        let other = live.as_ref().and_then(volume::volume_of);
        let other = other.filter(|other| *other != subject.path.name);
        Ok(other.map(|other| format!("it is Released, and claim {name} exists with another volume, {other}")))
    }

    /// Whether the cluster has a volume, which in the backup is to be deleted with its claim, that was kept all the same, and that the
    /// claim of this restore gets. Then `wanted` is kept as well.
    pub(super) async fn outlives(&self, subject: &Subject<'_>, wanted: &mut Value) -> Result<bool, Hold> {
        let world = self.world();
        let volumes = world.discovery.preferred_version(&GroupResource::new("", VOLUMES));
        let Some(volumes) = volumes.filter(|_| binding::claim_of(wanted).is_some()) else {
            return Ok(false);
        };
        let live = unless_passing(self.calls.get(volumes, None, subject.path.name).await)?;
        let Some(kept) = live.ok().flatten().and_then(|live| binding::kept(&live, wanted)) else {
            return Ok(false);
        };
        if self.why_not_given_back(subject, &kept).await?.is_some() {
            return Ok(false);
        }
        *wanted = kept;
        Ok(true)
    }

    /// The claim of the cluster; nothing also where it cannot be read.
    async fn live_claim(&self, claim: Claim<'_>) -> Result<Option<Value>, Hold> {
        let world = self.world();
        let Some(claims) = world.discovery.preferred_version(&GroupResource::new("", CLAIMS)) else {
            return Ok(None);
        };
        let live = self.calls.get(claims, Some(claim.namespace), claim.name).await;
        Ok(unless_passing(live)?.ok().flatten())
    }

    /// Waits while the claim that a volume is bound to goes away: the volume is Released a moment later.
    async fn is_still_bound(&self, subject: &Subject<'_>, claim: Claim<'_>, uid: &str) -> Result<(), Hold> {
        let world = self.world();
        let Some(claims) = world.discovery.preferred_version(&GroupResource::new("", CLAIMS)) else {
            return Ok(());
        };
        match unless_passing(self.calls.get(claims, Some(claim.namespace), claim.name).await)? {
            Ok(found) if !binding::holds(found.as_ref(), uid) => {
                let error = format!(
                    "persistent volume {} is bound to claim {}/{}, which is being deleted or gone, and is not Released yet",
                    subject.path.name, claim.namespace, claim.name
                );
                Err(Hold::Error(Passing::Conflict, error))
            }
            // volumes are restored without the right to read claims too
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether this restore brings a claim of the backup that becomes this one, for the volume that is looked at.
    async fn restores_claim(&self, subject: &Subject<'_>, claim: Claim<'_>) -> bool {
        let mapping = &self.restoration.namespace_mapping;
        let sources = mapping.iter().filter(|(_, target)| *target == claim.namespace);
        let itself = iter::once(claim.namespace).filter(|namespace| !mapping.contains_key(*namespace));
        for source in sources.map(|(source, _)| source.as_str()).chain(itself) {
            let path = ItemPath {
                group_resource: CLAIMS,
                namespace: Some(source),
                name: claim.name,
            };
            let Some(item) = self.request.archive.find(&path, ItemCopy::Plain) else {
                continue;
            };
            // a volume that is not selected itself is one that its claim asks for
            let is_asked_for = !self.plan.contains(subject.item);
            if is_asked_for || self.is_to_come(self.plan.winner(item)) {
                return true;
            }
            if self.filter.additional(CLAIMS, Some(source)).is_ok() && self.pod_brings(&path).await {
                return true;
            }
        }
        false
    }

    /// Whether a pod of this restore asks for a claim that is not selected itself.
    async fn pod_brings(&self, claim: &ItemPath<'_>) -> bool {
        for item in self.plan.in_order() {
            let (path, _) = self.request.archive.path(*item);
            if path.group_resource == "pods"
                && path.namespace == claim.namespace
                && let Some(pod) = self.read_json(*item).await
                && binding::mounts(&pod, claim.name)
            {
                return true;
            }
        }
        false
    }
}

/// The claim cannot get the volume, for this reason and with this effect.
fn taken(subject: &Subject<'_>, reason: &str, effect: &str, told: &mut Told) -> Looked {
    let name = subject.path.name;
    told.differs(
        subject,
        "PersistentVolume",
        &format!("{reason}: {effect}; check `kubectl get pv {name} -o yaml`"),
    );
    told.why = format!("it exists and is different: left as it is, because {reason}").into();
    Looked::Ended(State::Differs)
}
