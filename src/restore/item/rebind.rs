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
use super::super::object::changes;
use super::super::retry::RetryReason;
use super::super::retry_queue::Hold;
use super::{CLAIMS, Subject, Told, Wanted, unless_passing};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::cluster::discovery::GroupResource;

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
            Binding::Taken(reason) => return Ok(self.taken(subject, wanted, &reason, told)),
            Binding::BoundTo(uid) => {
                if let Some(claim) = binding::claim_of(&live) {
                    self.is_still_bound(subject, claim, &uid).await?;
                }
                return Ok(Looked::AsItWas(live));
            }
            Binding::Release(patch) => patch,
        };
        if !binding::claim_of(&wanted.item).is_some_and(|claim| self.restores_claim(claim)) {
            let reason = "it is Released, and its claim is not in the backup";
            return Ok(self.taken(subject, wanted, reason, told));
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

    fn taken(&self, subject: &Subject<'_>, wanted: &Wanted, reason: &str, told: &mut Told) -> Looked {
        let id = self.id_of(subject.item);
        let name = subject.path.name;
        let effect = match binding::claim_of(&wanted.item) {
            Some(claim) => format!(
                "claim {}/{} does not get it and stays Pending",
                claim.namespace, claim.name
            ),
            None => "it is left as it is".to_owned(),
        };
        told.warn(
            subject,
            format!("{id} already exists: {reason}: {effect}; check `kubectl get pv {name} -o yaml`"),
        );
        told.why = format!("it exists and is different: left as it is, because {reason}").into();
        Looked::Ended(State::Differs)
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
                Err(Hold::Error(RetryReason::Conflict, error))
            }
            // volumes are restored without the right to read claims too
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether the backup has a claim that becomes this one.
    fn restores_claim(&self, claim: Claim<'_>) -> bool {
        let mapping = &self.restoration.namespace_mapping;
        let sources = mapping.iter().filter(|(_, target)| *target == claim.namespace);
        let itself = iter::once(claim.namespace).filter(|namespace| !mapping.contains_key(*namespace));
        sources.map(|(source, _)| source.as_str()).chain(itself).any(|source| {
            let path = ItemPath {
                group_resource: CLAIMS,
                namespace: Some(source),
                name: claim.name,
            };
            self.request.archive.find(&path, ItemCopy::Plain).is_some()
        })
    }
}
