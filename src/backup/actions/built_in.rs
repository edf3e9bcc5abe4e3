//! The built-in actions.

use std::sync::Arc;

use super::{BackupItemAction, claim, crd, pod, service_account};

/// The built-in actions, in upstream's order. Made anew for each run: some remember what they read. Where `every_version`
/// is saved anyway, no CRD has to take the place of another version of it.
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
