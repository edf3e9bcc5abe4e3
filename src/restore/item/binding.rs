//! A persistent volume that outlived its claim goes back to the claim that is restored, or the restore reports why not
//! (decision 40).
//!
//! What happens if the process dies after the patch: the volume waits for its claim by name, which is what a created one
//! does, so the resumed run finds it equal. The ledger has recorded that it was about to be changed.

use std::iter;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::context::{CLAIMS, ItemRestore, Wanted};
use crate::archive::layout::ItemPath;
use crate::cluster::discovery::GroupResource;
use crate::restore::ledger::State;
use crate::restore::object::binding::{self, Binding, Claim};
use crate::restore::object::changes;
use crate::restore::processed::{Step, done, unless_transient, wait};
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::WaitReason;

/// A volume of the cluster whose binding was checked.
pub(super) enum Bound {
    /// It was not changed.
    AsItWas(Value),
    /// It was given back to its claim.
    GivenBack(Value),
}

impl ItemRestore<'_> {
    /// Lets the claim of a volume of the cluster have the volume. Ends the pass if it cannot.
    pub(super) async fn check_binding(&mut self, wanted: &Wanted, live: Value) -> Step<Bound> {
        let patch = match binding::decide(&live, &wanted.object) {
            Binding::Open => return ControlFlow::Continue(Bound::AsItWas(live)),
            Binding::Taken(reason) => return self.taken(wanted, &reason),
            Binding::BoundTo(uid) => {
                if let Some(claim) = binding::claim_of(&live) {
                    self.is_still_bound(claim, &uid).await?;
                }
                return ControlFlow::Continue(Bound::AsItWas(live));
            }
            Binding::Release(patch) => patch,
        };
        if !binding::claim_of(&wanted.object).is_some_and(|claim| self.restores_claim(claim)) {
            return self.taken(wanted, "it is Released, and its claim is not in the backup");
        }
        let parts = self.ctx.parts;
        self.ctx.apply.before_change(parts, self.item).await;
        let name = self.item.path.name;
        let patched = parts.client.merge_patch(&wanted.resource, None, name, &patch).await;
        match unless_transient(patched)? {
            Ok(given_back) => {
                self.log("Its claim was deleted and it was kept: it is given back to the claim of the same name");
                self.messages.why = "its claim was deleted: it is given back to the claim of the same name".into();
                let claim = |volume: &Value| json!({"spec": {"claimRef": volume.pointer("/spec/claimRef")}});
                self.messages.changes = changes::between(&claim(&live), &claim(&given_back), false);
                ControlFlow::Continue(Bound::GivenBack(given_back))
            }
            Err(error) => {
                let text = format!(
                    "could not give {}, which is Released, back to its claim: {}",
                    self.id(),
                    error.message
                );
                self.messages.warn(text);
                done(State::Failed)
            }
        }
    }

    fn taken<T>(&mut self, wanted: &Wanted, reason: &str) -> Step<T> {
        let id = self.id();
        let name = self.item.path.name;
        let effect = match binding::claim_of(&wanted.object) {
            Some(claim) => format!(
                "claim {}/{} does not get it and stays Pending",
                claim.namespace, claim.name
            ),
            None => "it is left as it is".to_owned(),
        };
        self.messages.warn(format!(
            "{id} already exists: {reason}: {effect}; check `kubectl get pv {name} -o yaml`"
        ));
        self.messages.why = format!("it exists and is different: left as it is, because {reason}").into();
        done(State::Differs)
    }

    /// Waits while the claim that a volume is bound to goes away: the volume is Released a moment later.
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
            // volumes are restored without the right to read claims too
            Ok(_) | Err(_) => ControlFlow::Continue(()),
        }
    }

    /// Whether the backup has a claim that becomes this one.
    fn restores_claim(&self, claim: Claim<'_>) -> bool {
        let parts = self.ctx.parts;
        let mapping = &parts.prepared.context.namespace_mapping;
        let sources = mapping.iter().filter(|(_, target)| *target == claim.namespace);
        let itself = iter::once(claim.namespace).filter(|namespace| !mapping.contains_key(*namespace));
        sources.map(|(source, _)| source.as_str()).chain(itself).any(|source| {
            let path = ItemPath {
                group_resource: CLAIMS,
                namespace: Some(source),
                name: claim.name,
            };
            parts.archived.find(&path).is_some()
        })
    }
}
