//! The built-in actions.

use std::sync::Arc;

use super::{BackupItemAction, claim, crd, pod, service_account};

/// The built-in actions, in upstream's order. New ones for each run, because some keep what they read. With `every_version` no CRD
/// has to be replaced by another version of it.
pub(in crate::backup) fn built_in(every_version: bool) -> Vec<Arc<dyn BackupItemAction>> {
    let mut actions: Vec<Arc<dyn BackupItemAction>> = Vec::new();
    if !every_version {
        actions.push(Arc::new(crd::RemapCrdVersion));
    }
    actions.push(Arc::new(pod::PodAction));
    actions.push(Arc::new(claim::ClaimAction));
    actions.push(Arc::new(service_account::ServiceAccountAction::default()));
    actions
}
