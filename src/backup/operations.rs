//! The operations that actions have started in a run. One list, which the workers only add to.

use parking_lot::Mutex;

use super::actions::StartedOperation;
use super::item::ItemRef;
use super::request::Request;
use super::types::Type;
use crate::api::artifact::{
    BackupItemOperation, BackupOperationSpec, OperationPhase, OperationStatus, ResourceIdentifier,
};
use crate::cluster::raw::Head;

/// The operations of a run, in the order in which they were started.
#[derive(Debug, Default)]
pub(super) struct Operations {
    started: Mutex<Vec<BackupItemOperation>>,
}

impl Operations {
    /// Adds an operation of an action on an item.
    pub(super) fn add(&self, request: &Request, action: &str, type_: &Type, head: &Head, started: StartedOperation) {
        let post = started.post_items.iter().map(identifier).collect();
        let operation = BackupItemOperation {
            spec: BackupOperationSpec {
                backup_name: request.name.clone(),
                backup_uid: request.uid.clone(),
                backup_item_action: action.to_owned(),
                resource_identifier: ResourceIdentifier {
                    group: type_.group_resource.group.clone(),
                    resource: type_.group_resource.resource.clone(),
                    namespace: head.namespace.clone().unwrap_or_default(),
                    name: head.name.clone(),
                },
                operation_id: started.id,
                post_operation_items: Some(post),
                ..BackupOperationSpec::default()
            },
            status: OperationStatus {
                phase: Some(OperationPhase::New),
                ..OperationStatus::default()
            },
        };
        let mut all = self.started.lock();
        // With every version of a type, an action sees an object several times; its operation is one.
        if !all.iter().any(|known| known.spec == operation.spec) {
            all.push(operation);
        }
    }

    pub(super) fn into_list(self) -> Vec<BackupItemOperation> {
        self.started.into_inner()
    }
}

fn identifier(item: &ItemRef) -> ResourceIdentifier {
    ResourceIdentifier {
        group: item.group_resource.group.clone(),
        resource: item.group_resource.resource.clone(),
        namespace: item.namespace.clone().unwrap_or_default(),
        name: item.name.clone(),
    }
}
