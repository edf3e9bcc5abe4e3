//! A persistent volume that outlived its claim is bound to the restored claim again, or the restore reports why not
//! (decision 40).
//!
//! What happens if the process dies after the patch: the volume waits for its claim by name, as a created one does, so the
//! resumed run finds it equal. The ledger has recorded that it was about to be changed.

use std::iter;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::context::{CLAIMS, ItemRestore, VOLUMES, Wanted};
use crate::archive::layout::ItemPath;
use crate::cluster::discovery::GroupResource;
use crate::restore::ledger::State;
use crate::restore::object::binding::{self, Binding, Claim};
use crate::restore::object::{changes, volume};
use crate::restore::processed::{Step, done, unless_transient, wait};
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::WaitReason;

/// The consequence for a volume without a claim.
const LEFT: &str = "it is left as it is";

/// A volume of the cluster after the check of its binding.
pub(super) enum Bound {
    /// It was not changed.
    AsItWas(Value),
    /// It was changed so that its claim can bind it again.
    GivenBack(Value),
}

impl ItemRestore<'_> {
    /// Makes a volume of the cluster available to its claim. Ends the pass if that is not possible.
    pub(super) async fn check_binding(&mut self, wanted: &Wanted, live: Value) -> Step<Bound> {
        let patch = match binding::decide(&live, &wanted.object) {
            Binding::Open => return ControlFlow::Continue(Bound::AsItWas(live)),
            Binding::Taken(reason) => {
                let effect = match binding::claim_of(&wanted.object) {
                    Some(claim) if self.restores_claim(claim).await => format!(
                        "claim {}/{} does not get it and stays Pending",
                        claim.namespace, claim.name
                    ),
                    _ => LEFT.to_owned(),
                };
                return self.taken(&reason, &effect);
            }
            Binding::BoundTo(uid) => {
                if let Some(claim) = binding::claim_of(&live) {
                    self.is_still_bound(claim, &uid).await?;
                }
                return ControlFlow::Continue(Bound::AsItWas(live));
            }
            Binding::Release(patch) => patch,
        };
        if let Some(reason) = self.why_not_given_back(&wanted.object).await? {
            return self.taken(&reason, LEFT);
        }
        let parts = self.ctx.parts;
        self.ctx.apply.before_change(parts, self.item).await;
        let name = self.item.path.name;
        let patched = parts.client.merge_patch(&wanted.resource, None, name, &patch).await;
        match unless_transient(patched)? {
            Ok(given_back) => {
                self.log("Its claim was deleted and it was kept: it is made available to the claim of the same name");
                self.messages.why = "its claim was deleted: it is made available to the claim of the same name".into();
                let claim = |volume: &Value| json!({"spec": {"claimRef": volume.pointer("/spec/claimRef")}});
                self.messages.changes = changes::between(&claim(&live), &claim(&given_back), false);
                ControlFlow::Continue(Bound::GivenBack(given_back))
            }
            Err(error) => {
                let text = format!(
                    "could not make {}, which is Released, available to its claim: {}",
                    self.id(),
                    error.message
                );
                self.messages.warn(text);
                done(State::Failed)
            }
        }
    }

    /// Ends the pass: the claim cannot get the volume, for this reason and with this effect.
    fn taken<T>(&mut self, reason: &str, effect: &str) -> Step<T> {
        let name = self.item.path.name;
        let text = format!("{reason}: {effect}; check `kubectl get pv {name} -o yaml`");
        self.messages.differs("PersistentVolume", name, &text);
        self.messages.why = format!("it exists and is different: left as it is, because {reason}").into();
        done(State::Differs)
    }

    /// Why a volume with a deleted claim is not bound to it again. `wanted`: the volume as it would be created.
    async fn why_not_given_back(&self, wanted: &Value) -> Step<Option<String>> {
        let because = |reason: String| ControlFlow::Continue(Some(reason));
        let Some(claim) = binding::claim_of(wanted) else {
            return because("it is Released, and in the backup it belongs to no claim".to_owned());
        };
        let name = format!("{}/{}", claim.namespace, claim.name);
        if !self.restores_claim(claim).await {
            return because(format!(
                "it is Released, and its claim {name} is not part of this restore"
            ));
        }
        let live = self.live_claim(claim).await?;
        let other = live.as_ref().and_then(volume::volume_of);
        let other = other.filter(|other| *other != self.item.path.name);
        ControlFlow::Continue(
            other.map(|other| format!("it is Released, and claim {name} exists with another volume, {other}")),
        )
    }

    /// Whether the cluster still has a volume that would be deleted with its claim by the backup's policy, and the claim of
    /// this restore gets it. Then `wanted` gets the policy `Retain`.
    pub(super) async fn outlives(&self, wanted: &mut Value) -> Step<bool> {
        let parts = self.ctx.parts;
        let types = parts.types.served();
        let volumes = types.discovery.preferred_version(&GroupResource::new("", VOLUMES));
        let Some(volumes) = volumes.filter(|_| binding::claim_of(wanted).is_some()) else {
            return ControlFlow::Continue(false);
        };
        let live = unless_transient(parts.client.get(volumes, None, self.item.path.name).await)?;
        let Some(kept) = live.ok().flatten().and_then(|live| binding::kept(&live, wanted)) else {
            return ControlFlow::Continue(false);
        };
        if self.why_not_given_back(&kept).await?.is_some() {
            return ControlFlow::Continue(false);
        }
        *wanted = kept;
        ControlFlow::Continue(true)
    }

    /// The claim of the cluster; nothing if it does not exist or cannot be read.
    async fn live_claim(&self, claim: Claim<'_>) -> Step<Option<Value>> {
        let parts = self.ctx.parts;
        let types = parts.types.served();
        let Some(claims) = types.discovery.preferred_version(&GroupResource::new("", CLAIMS)) else {
            return ControlFlow::Continue(None);
        };
        let live = parts.client.get(claims, Some(claim.namespace), claim.name).await;
        ControlFlow::Continue(unless_transient(live)?.ok().flatten())
    }

    /// Waits while the claim of a volume is being deleted: the volume is Released soon after.
    async fn is_still_bound(&self, claim: Claim<'_>, uid: &str) -> Step<()> {
        let parts = self.ctx.parts;
        let types = parts.types.served();
        let Some(claims) = types.discovery.preferred_version(&GroupResource::new("", CLAIMS)) else {
            return ControlFlow::Continue(());
        };
        let found = parts.client.get(claims, Some(claim.namespace), claim.name).await;
        match unless_transient(found)? {
            Ok(found) if !binding::holds(found.as_ref(), uid) => {
                let error = format!(
                    "persistent volume {} is bound to claim {}/{}, which is being deleted or gone, and is not Released yet",
                    self.item.path.name, claim.namespace, claim.name
                );
                wait(WaitReason::Error(RetryReason::Conflict, error))
            }
            // volumes are also restored without the right to read claims
            Ok(_) | Err(_) => ControlFlow::Continue(()),
        }
    }

    /// Whether this restore creates a claim of the backup that becomes this one, for this volume.
    async fn restores_claim(&self, claim: Claim<'_>) -> bool {
        let parts = self.ctx.parts;
        let (plan, mapping) = (&parts.prepared.plan, &parts.prepared.context.namespace_mapping);
        let sources = mapping.iter().filter(|(_, target)| *target == claim.namespace);
        let itself = iter::once(claim.namespace).filter(|namespace| !mapping.contains_key(*namespace));
        for source in sources.map(|(source, _)| source.as_str()).chain(itself) {
            let path = ItemPath {
                group_resource: CLAIMS,
                namespace: Some(source),
                name: claim.name,
            };
            let Some(item) = parts.archived.find(&path) else {
                continue;
            };
            // a volume that is not selected itself is an additional item of its claim
            let is_asked_for = !plan.contains(self.item.handle);
            if is_asked_for || self.ctx.is_to_come(plan.winner(item)) {
                return true;
            }
            if parts.prepared.filter.additional(CLAIMS, Some(source)).is_ok() && self.pod_brings(&path).await {
                return true;
            }
        }
        false
    }

    /// Whether a pod of this restore asks for a claim that is not selected itself.
    async fn pod_brings(&self, claim: &ItemPath<'_>) -> bool {
        let parts = self.ctx.parts;
        for item in parts.prepared.plan.in_order() {
            let path = parts.prepared.item(*item).path;
            if path.group_resource == "pods"
                && path.namespace == claim.namespace
                && let Some(pod) = parts.archived.json(*item).await
                && binding::mounts(&pod, claim.name)
            {
                return true;
            }
        }
        false
    }
}
