//! Pods of jobs: the jobs create them again (decision 40).

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::ItemRestore;
use crate::archive::layout::ItemPath;
use crate::restore::ledger::State;
use crate::restore::object::job::{self, Fate};
use crate::restore::processed::{Step, done};

const JOBS: &str = "jobs.batch";

impl ItemRestore<'_> {
    /// Ends the pass if the item is a pod of a job that is not restored.
    pub(super) async fn leave_to_job(&mut self, pod: &Value) -> Step<()> {
        if self.group_resource() != "pods" {
            return ControlFlow::Continue(());
        }
        let Some(name) = job::of_pod(pod) else {
            return ControlFlow::Continue(());
        };
        let why = match job::fate(pod, self.planned_job(name).await.as_ref()) {
            Fate::Restored => return ControlFlow::Continue(()),
            Fate::Recreated => format!("its job {name} creates another"),
            Fate::Ended(how) => format!("its job {name} {how}"),
            Fate::Alone => {
                let text = format!(
                    "{} belongs to job {name}, which is not restored: the pod is not restored either; check that the \
                     backup has the job and that the restore selects it",
                    self.id()
                );
                self.messages.warn(text);
                format!("its job {name} is not restored")
            }
        };
        self.log(&format!("It is not restored: {why}"));
        self.messages.why = why.into();
        done(State::Skipped)
    }

    /// The job of this name, if the restore has it.
    async fn planned_job(&self, name: &str) -> Option<Value> {
        let (archived, plan) = (&self.ctx.parts.archived, &self.ctx.parts.prepared.plan);
        let job = plan.winner(archived.find(&ItemPath {
            group_resource: JOBS,
            namespace: self.item.path.namespace,
            name,
        })?);
        if !plan.contains(job) {
            return None;
        }
        archived.json(job).await
    }
}
