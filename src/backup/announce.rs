//! The first lines of a run's log: what the spec selects, and what is missing although it was not excluded.

use super::request::Request;
use crate::api::v1::BackupSpec;
use crate::cluster::discovery::Discovery;
use crate::select::backup::TypeLists;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

/// Logs the filters, in upstream's words.
pub(super) fn filters(spec: &BackupSpec, log: &RunLog) {
    let list = |entries: &[String], empty: &str| match entries {
        [] => empty.to_owned(),
        entries => entries.join(", "),
    };
    log.info(format!(
        "Including namespaces: {}",
        list(&spec.included_namespaces, "*")
    ));
    log.info(format!(
        "Excluding namespaces: {}",
        list(&spec.excluded_namespaces, "<none>")
    ));
    if TypeLists::from(spec).is_old_style() {
        log.info(format!("Including resources: {}", list(&spec.included_resources, "*")));
        log.info(format!(
            "Excluding resources: {}",
            list(&spec.excluded_resources, "<none>")
        ));
        return;
    }
    for (what, included, excluded) in [
        (
            "namespace",
            &spec.included_namespace_scoped_resources,
            &spec.excluded_namespace_scoped_resources,
        ),
        (
            "cluster",
            &spec.included_cluster_scoped_resources,
            &spec.excluded_cluster_scoped_resources,
        ),
    ] {
        log.info(format!("Including {what}-scoped resources: {}", list(included, "*")));
        log.info(format!(
            "Excluding {what}-scoped resources: {}",
            list(excluded, "<none>")
        ));
    }
}

/// Warns of what will not be in the backup although it was not excluded.
pub(super) fn gaps(discovery: &Discovery, log: &RunLog) {
    for (group, reason) in discovery.failed_groups() {
        log.line(Level::Warning).field("error", reason).msg(format!(
            "API group {group} is not in the backup, because its types could not be read from the API server; check `kubectl get apiservices`"
        ));
    }
}

/// Logs how the data of volumes is saved.
pub(super) fn volumes(request: &Request, log: &RunLog) {
    log.info(format!(
        "Backing up all volumes using pod volume backup: {}",
        request.spec.default_volumes_to_fs_backup == Some(true)
    ));
    let Some(reference) = &request.spec.resource_policy else {
        return;
    };
    let policies = &request.policies;
    let lists = if policies.has_lists() {
        "; its lists of types are added to those of the spec"
    } else {
        ""
    };
    log.info(format!(
        "Resource policies of ConfigMap {}/{}: {} for volumes{lists}",
        request.namespace,
        reference.name,
        policies.volume_policies(),
    ));
}
