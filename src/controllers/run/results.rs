//! From the messages of a run's log to its results file (spec backup 16.3, 16.6).

use crate::api::artifact::{MessageSet, Results};
use crate::telemetry::run_log::{Messages, RunLog, Scope};

/// The results of a run whose log is its only source: a backup's.
pub fn of_log(log: &RunLog) -> Results {
    Results {
        errors: set(log.errors()),
        warnings: set(log.warnings()),
    }
}

fn set(messages: Messages) -> MessageSet {
    let mut set = MessageSet::default();
    for (scope, texts) in messages.by_scope {
        match scope {
            Scope::Velero => set.velero.extend(texts),
            Scope::Cluster => set.cluster.extend(texts),
            Scope::Namespace(namespace) => set.namespaces.entry(namespace).or_default().extend(texts),
        }
    }
    if messages.dropped > 0 {
        set.velero.push(format!(
            " message: /{} more messages are in the log only",
            messages.dropped
        ));
    }
    set
}
