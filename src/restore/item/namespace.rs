//! The target namespaces of items: created once, or found ready (spec restore 7.6, 8.2).

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::{ItemContext, ItemRestore};
use crate::cluster::ApiError;
use crate::cluster::discovery::GroupResource;
use crate::cluster::objects;
use crate::restore::apply::TargetNamespace;
use crate::restore::ledger::State;
use crate::restore::namespaces::{self, NotMade, Obstacle, Readiness};
use crate::restore::object::existing;
use crate::restore::plan::NAMESPACES;
use crate::restore::processed::{End, Step, done, wait};
use crate::restore::retry::retry_reason;
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::WaitReason;

impl ItemRestore<'_> {
    /// A Namespace item is only ensured (spec restore 7.6).
    pub(super) async fn process_namespace(&mut self) -> End {
        let source = self.item.path.name;
        let name = self.ctx.parts.prepared.context.target(source);
        self.ensure(TargetNamespace { source, name }).await?;
        done(State::Dropped)
    }

    /// Ensures the target namespace of the item.
    pub(super) async fn ensure_own_namespace(&mut self) -> Step<()> {
        match (self.item.path.namespace, self.item.target) {
            (Some(source), Some(name)) => self.ensure(TargetNamespace { source, name }).await,
            _ => ControlFlow::Continue(()),
        }
    }

    async fn ensure(&self, namespace: TargetNamespace<'_>) -> Step<()> {
        let (ctx, parts) = (self.ctx, self.ctx.parts);
        let make = |may_be_ours| async move {
            let may_be_ours = may_be_ours || parts.tracker.journal.is_resumed();
            let made = ctx.make_namespace(namespace, may_be_ours).await;
            ctx.apply.namespace(parts, namespace, &made).await;
            made
        };
        match parts.namespaces.ensure(namespace.name, make).await {
            Readiness::Ready => ControlFlow::Continue(()),
            Readiness::Held(obstacle) => wait(WaitReason::Namespace(obstacle)),
            Readiness::Failed => done(State::NoNamespace),
        }
    }
}

impl ItemContext<'_> {
    /// Creates a namespace or finds it ready. `may_be_ours`: an earlier run, or a request with a lost answer, may have created
    /// it.
    async fn make_namespace(self, namespace: TargetNamespace<'_>, may_be_ours: bool) -> Result<(), NotMade> {
        let not_made = |error: ApiError| match retry_reason(&error) {
            Some(RetryReason::NamespaceTerminating) => NotMade::Held(Obstacle::Deletion),
            Some(_) => NotMade::Held(Obstacle::Error(error.message.into())),
            None => NotMade::Failed(error.message),
        };
        let (parts, target) = (self.parts, namespace.name);
        let (client, journal) = (&parts.client, &parts.tracker.journal);
        let types = parts.types.served();
        let resource = types
            .discovery
            .preferred_version(&GroupResource::new("", NAMESPACES))
            .ok_or_else(|| NotMade::Held(Obstacle::Error("the API server does not serve namespaces".into())))?;
        let wanted = namespaces::wanted(target, self.archived_namespace(namespace).await.as_ref());
        let Err(refused) = client.create(resource, None, objects::body(&wanted)).await else {
            journal.created_namespace(target);
            return Ok(());
        };
        // Admission runs before the check of the name, so the namespace may exist after any refusal by it. Any other error may
        // belong to a creation that was carried out.
        match retry_reason(&refused) {
            Some(reason) if !reason.hides_what_exists() => return Err(not_made(refused)),
            _ => {}
        }
        match client.get(resource, None, target).await {
            Ok(Some(live)) if namespaces::can_take_objects(&live) => {
                // It has no label of the restore, so its age decides.
                if may_be_ours && existing::is_not_older(&live, &parts.prepared.started) {
                    journal.created_namespace(target);
                }
                Ok(())
            }
            Ok(None) if self.apply.plan_refused_namespace(parts, namespace, &refused).await => Ok(()),
            Ok(None) | Err(_) if !refused.is_already_exists() => Err(not_made(refused)),
            Ok(_) => Err(NotMade::Held(Obstacle::Deletion)),
            Err(error) => Err(not_made(error)),
        }
    }

    /// The Namespace object that a target namespace is created from: of several sources, the first by name in the archive.
    async fn archived_namespace(self, namespace: TargetNamespace<'_>) -> Option<Value> {
        let archived = &self.parts.archived;
        let own = [namespace.source.to_owned()];
        let sources = self.parts.prepared.plan.sources_of(namespace.name).unwrap_or(&own);
        let find = |name: &String| archived.find_cluster_scoped(NAMESPACES, name);
        archived.json(sources.iter().find_map(find)?).await
    }
}
