//! The node agent's DaemonSet (spec server-cli 10.5), as upstream's. `velero install` refuses to install it, and `manifests/` has
//! none, until this release has a node agent.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec};
use k8s_openapi::api::core::v1::{
    Container, HostPathVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::image::pull_policy;
use super::options::{InstallOptions, METRICS_PORT, NodeAgentOptions};
use super::parts::{
    affinity, credential_variables, credentials_mount, credentials_volume, empty_dir, field, labels, metadata, mount,
    port, requirements, variable,
};

const NAME: &str = "node-agent";

pub(super) fn daemonset(options: &InstallOptions, agent: &NodeAgentOptions) -> DaemonSet {
    let name = BTreeMap::from([("name".to_owned(), NAME.to_owned())]);
    let mut pod_labels = labels();
    pod_labels.insert("role".to_owned(), NAME.to_owned());
    pod_labels.extend(options.pod_labels.clone());
    pod_labels.extend(name.clone());
    DaemonSet {
        metadata: metadata(Some(&options.namespace), NAME),
        spec: Some(DaemonSetSpec {
            selector: LabelSelector {
                match_labels: Some(name),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    annotations: Some(options.pod_annotations.clone()).filter(|map| !map.is_empty()),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(options, agent)),
            },
            ..DaemonSetSpec::default()
        }),
        ..DaemonSet::default()
    }
}

fn pod(options: &InstallOptions, agent: &NodeAgentOptions) -> PodSpec {
    let mut volumes = Vec::new();
    if agent.host_path {
        volumes.push(host_path("host-pods", &agent.kubelet_root, "pods"));
        volumes.push(host_path("host-plugins", &agent.kubelet_root, "plugins"));
    }
    volumes.push(empty_dir("scratch"));
    volumes.extend(credentials_volume(options));
    PodSpec {
        service_account_name: Some(options.service_account().to_owned()),
        affinity: Some(affinity(None)),
        priority_class_name: agent.priority_class.clone(),
        security_context: Some(PodSecurityContext {
            run_as_user: Some(0),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(options, agent)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn container(options: &InstallOptions, agent: &NodeAgentOptions) -> Container {
    let mut args = vec![NAME.to_owned(), "server".to_owned(), options.features_flag()];
    let configmaps = [
        ("node-agent-configmap", &agent.configmap),
        (
            "backup-repository-configmap",
            &options.server.backup_repository_configmap,
        ),
    ];
    args.extend(
        configmaps
            .iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(flag, name)| format!("--{flag}={name}")),
    );
    let mut env = vec![
        field("NODE_NAME", "spec.nodeName"),
        field("VELERO_NAMESPACE", "metadata.namespace"),
        variable("VELERO_SCRATCH_DIR", "/scratch"),
    ];
    env.extend(credential_variables(options));
    let mut mounts = Vec::new();
    if agent.host_path {
        mounts.push(shared_mount("host-pods", "/host_pods"));
        mounts.push(shared_mount("host-plugins", "/var/lib/kubelet/plugins"));
    }
    mounts.push(mount("scratch", "/scratch"));
    mounts.extend(credentials_mount(options));
    Container {
        name: NAME.to_owned(),
        image: Some(options.image.clone()),
        image_pull_policy: Some(pull_policy(&options.image).to_owned()),
        command: Some(vec!["/velero".to_owned()]),
        args: Some(args),
        env: Some(env),
        ports: Some(vec![port("metrics", METRICS_PORT)]),
        resources: requirements(agent.resources),
        security_context: Some(SecurityContext {
            privileged: Some(agent.privileged),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn host_path(name: &str, root: &str, directory: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        host_path: Some(HostPathVolumeSource {
            path: format!("{}/{directory}", root.trim_end_matches('/')),
            ..HostPathVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Propagates mounts that the kubelet makes after the pod has started.
fn shared_mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        mount_propagation: Some("HostToContainer".to_owned()),
        ..mount(name, path)
    }
}
