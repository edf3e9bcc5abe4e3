//! Pods of jobs are left to the jobs (decision 40).

use serde_json::Value;

use super::super::engine::Run;
use super::super::ledger::State;
use super::super::object::job::{self, Fate};
use super::{Subject, Told};
use crate::archive::layout::{ItemCopy, ItemPath};

const JOBS: &str = "jobs.batch";

impl Run<'_> {
    /// `Some` if the item is a pod that a job controls, and is not restored for that.
    pub(super) async fn leave_to_job(&self, subject: &Subject<'_>, pod: &Value, told: &mut Told) -> Option<State> {
        if subject.path.group_resource != "pods" {
            return None;
        }
        let name = job::of_pod(pod)?;
        let why = match job::fate(pod, self.planned_job(subject, name).await.as_ref()) {
            Fate::Restored => return None,
            Fate::MadeAnew => format!("its job {name} makes another"),
            Fate::Ended(how) => format!("its job {name} {how}"),
            Fate::Alone => {
                let id = self.id_of(subject.item);
                told.warn(
                    subject,
                    format!(
                        "{id} belongs to job {name}, which is not restored: the pod is not restored either; check that the \
                         backup has the job and that the restore selects it"
                    ),
                );
                format!("its job {name} is not restored")
            }
        };
        self.log_item(subject.item, &format!("It is not restored: {why}"));
        told.why = why.into();
        Some(State::Skipped)
    }

    /// The job of this name, if the restore has it.
    async fn planned_job(&self, subject: &Subject<'_>, name: &str) -> Option<Value> {
        let path = ItemPath {
            group_resource: JOBS,
            namespace: subject.path.namespace,
            name,
        };
        let job = self.request.archive.find(&path, ItemCopy::Plain)?;
        let job = self.plan.winner(job);
        if !self.plan.contains(job) {
            return None;
        }
        serde_json::from_slice(&self.read_bytes(job).await.ok()?).ok()
    }
}
