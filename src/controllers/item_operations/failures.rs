//! Failed operations as lines of the run's log: from there they go to the results too (spec backup 22 F1, restore 26 row 10).

use crate::api::artifact::{ItemOperation, OperationPhase, ResourceIdentifier};
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

use super::kind::OperationSpec;

/// Writes an error line for each failed operation. Each has its id, so that no two are equal. Returns how many there are.
pub fn report<S: OperationSpec>(operations: &[ItemOperation<S>], log: &RunLog) -> i64 {
    let mut failed = 0;
    for ItemOperation { spec, status } in operations {
        if *status.phase() != OperationPhase::Failed {
            continue;
        }
        failed += 1;
        let item = spec.item();
        log.line(Level::Error)
            .field("resource", group_resource(item))
            .field("namespace", &*item.namespace)
            .field("name", &*item.name)
            .msg(format!(
                "Item operation `{}` failed: {}, plugin: {}",
                spec.id(),
                status.error,
                spec.action()
            ));
    }
    failed
}

fn group_resource(item: &ResourceIdentifier) -> String {
    if item.group.is_empty() {
        item.resource.clone()
    } else {
        format!("{}.{}", item.resource, item.group)
    }
}
