//! The namespaces that items go into: made once, or found usable (spec restore 7.6, 8.2).

use serde_json::Value;
use tokio::time::Instant;

use super::super::engine::Run;
use super::super::ledger::{Severity, State};
use super::super::namespaces::{self, Known, LOOK_AGAIN, Obstacle, Readiness};
use super::super::object::existing;
use super::super::plan::NAMESPACES;
use super::super::retry::{RetryReason, Verdict, verdict};
use super::super::retry_queue::Hold;
use super::Subject;
use crate::api::restore_plan::PlannedAction;
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::cluster::ApiError;
use crate::cluster::discovery::GroupResource;
use crate::cluster::objects;

impl Run<'_> {
    /// A Namespace item is only made sure of (spec restore 7.6).
    pub(super) async fn process_namespace(&self, subject: &Subject<'_>) -> Result<State, Hold> {
        let source = subject.path.name;
        match self.ensure_namespace(source, self.restoration.target(source)).await {
            Readiness::Ready => Ok(State::Dropped),
            Readiness::Held(obstacle) => Err(Hold::Namespace(obstacle)),
            Readiness::Failed => Ok(State::NoNamespace),
        }
    }

    /// Makes sure of a target namespace, once for all who need it.
    pub(super) async fn ensure_namespace(&self, source: &str, target: &str) -> Readiness {
        let slot = self.namespaces.slot(target);
        let mut known = slot.lock().await;
        if let Some(answer) = known.answer(Instant::now()) {
            return answer;
        }
        let may_be_ours = known.may_be_ours() || self.ledger().is_resumed();
        let (now_known, answer) = match self.make_namespace(source, target, may_be_ours).await {
            Ok(()) => (Known::Ready, Readiness::Ready),
            Err(Unmade::Held(obstacle)) => (
                Known::Held(Instant::now() + LOOK_AGAIN, obstacle.clone()),
                Readiness::Held(obstacle),
            ),
            Err(Unmade::Failed(error)) => {
                let text = format!("error creating namespace {target}: {error}");
                if self.foresight.is_some() {
                    self.foretell_namespace(source, target, PlannedAction::Deny, text).await;
                } else {
                    self.say(None, Severity::Error, text);
                }
                (Known::Failed, Readiness::Failed)
            }
        };
        *known = now_known;
        self.foretell_readiness(source, target, answer.clone()).await;
        answer
    }

    /// Creates a namespace or finds it usable. `may_be_ours`: an earlier life, or a call whose answer was lost, may have
    /// created it.
    async fn make_namespace(&self, source: &str, target: &str, may_be_ours: bool) -> Result<(), Unmade> {
        let undecided = |error: ApiError| match verdict(&error) {
            Verdict::Park(RetryReason::NamespaceTerminating) => Unmade::Held(Obstacle::Deletion),
            Verdict::Park(_) => Unmade::Held(Obstacle::Error(error.message.into())),
            Verdict::Final => Unmade::Failed(error.message),
        };
        let world = self.world();
        let resource = world
            .discovery
            .preferred_version(&GroupResource::new("", NAMESPACES))
            .ok_or_else(|| Unmade::Held(Obstacle::Error("the API server does not serve namespaces".into())))?;
        let wanted = namespaces::wanted(target, self.archived_namespace(source, target).await.as_ref());
        let Err(refused) = self.calls.create(resource, None, objects::body(&wanted)).await else {
            self.ledger().created_namespace(target);
            return Ok(());
        };
        // Admission is asked before the name is looked at: whatever it says about a creation, the namespace may be there.
        // Any other answer may be that to a creation that was carried out.
        match verdict(&refused) {
            Verdict::Park(passing) if !passing.hides_what_exists() => return Err(undecided(refused)),
            _ => {}
        }
        match self.calls.get(resource, None, target).await {
            Ok(Some(live)) if namespaces::can_take_objects(&live) => {
                // It carries no label of ours, so its age has to tell.
                if may_be_ours && existing::is_not_older(&live, &self.started) {
                    self.ledger().created_namespace(target);
                }
                Ok(())
            }
            Ok(None) if refused.is_dry_run_unsupported() => {
                let reason = RetryReason::DryRun.to_string();
                self.foretell_namespace(source, target, PlannedAction::Unknown, reason)
                    .await;
                self.ledger().created_namespace(target);
                Ok(())
            }
            Ok(None) | Err(_) if !refused.is_already_exists() => Err(undecided(refused)),
            Ok(_) => Err(Unmade::Held(Obstacle::Deletion)),
            Err(error) => Err(undecided(error)),
        }
    }

    /// The Namespace object to model a target namespace on: of several sources, the first by name that the archive has.
    async fn archived_namespace(&self, source: &str, target: &str) -> Option<Value> {
        let own = [source.to_owned()];
        let sources = self.plan.sources_of(target).unwrap_or(&own);
        let find = |name: &String| {
            let path = ItemPath {
                group_resource: NAMESPACES,
                namespace: None,
                name,
            };
            self.request.archive.find(&path, ItemCopy::Plain)
        };
        let bytes = self.read_bytes(sources.iter().find_map(find)?).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Somebody was told that the namespace is on its way out: what is known about it does not hold any more.
    pub(super) async fn doubt_namespace(&self, target: &str) {
        let slot = self.namespaces.slot(target);
        let mut known = slot.lock().await;
        if *known == Known::Ready {
            *known = Known::Nothing;
        }
    }
}

/// Why a namespace was not made.
enum Unmade {
    /// It may be later.
    Held(Obstacle),
    /// It never will.
    Failed(String),
}
