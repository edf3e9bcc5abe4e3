//! The server's Deployment (spec server-cli 10.4; decisions 8, 23, 24).

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, HTTPGetAction, HostPathVolumeSource, PersistentVolumeClaimVolumeSource, PodOS,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecurityContext, Volume as PodVolume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::image::pull_policy;
use super::options::{ARTIFACTS_PORT, InstallOptions, METRICS_PORT, Volume};
use super::parts::{
    affinity, credential_variables, credentials_mount, credentials_volume, empty_dir, field, labels, metadata, mount,
    port, requirements, variable,
};
use crate::runtime;

/// The user and group of our image.
const IMAGE_USER: i64 = 65532;
/// The kubelet kills the server so long after its own grace period, so that the server can shut down completely.
const SHUTDOWN: Duration = Duration::from_secs(15);
/// The volume of a filesystem location.
const STORE: &str = "store";

pub(super) fn deployment(options: &InstallOptions) -> Deployment {
    Deployment {
        metadata: metadata(Some(&options.namespace), "velero"),
        spec: Some(DeploymentSpec {
            selector: LabelSelector {
                match_labels: Some(selector()),
                ..LabelSelector::default()
            },
            strategy: options.volume.as_ref().map(|_| DeploymentStrategy {
                // Two servers must not write to one directory during a change of the leader (decision 23).
                type_: Some("Recreate".to_owned()),
                ..DeploymentStrategy::default()
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels(options)),
                    annotations: Some(pod_annotations(options)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(options)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn selector() -> BTreeMap<String, String> {
    BTreeMap::from([("deploy".to_owned(), "velero".to_owned())])
}

fn pod_labels(options: &InstallOptions) -> BTreeMap<String, String> {
    let mut all = labels();
    all.extend(options.pod_labels.clone());
    // Last, so that no label of the user replaces the selector.
    all.extend(selector());
    all
}

fn pod_annotations(options: &InstallOptions) -> BTreeMap<String, String> {
    let scraped = [
        ("scrape", "true".to_owned()),
        ("port", METRICS_PORT.to_string()),
        ("path", "/metrics".to_owned()),
    ];
    let mut all: BTreeMap<String, String> = scraped
        .into_iter()
        .map(|(key, value)| (format!("prometheus.io/{key}"), value))
        .collect();
    all.extend(options.pod_annotations.clone());
    all
}

fn pod(options: &InstallOptions) -> PodSpec {
    let mut volumes = vec![empty_dir("plugins"), empty_dir("scratch")];
    volumes.extend(credentials_volume(options));
    volumes.extend(options.volume.as_ref().map(store_volume));
    let node = match &options.volume {
        Some(Volume::HostPath { node, .. }) => Some(node.as_str()),
        _ => None,
    };
    PodSpec {
        restart_policy: Some("Always".to_owned()),
        service_account_name: Some(options.service_account().to_owned()),
        os: Some(PodOS {
            name: "linux".to_owned(),
        }),
        affinity: Some(affinity(node)),
        termination_grace_period_seconds: i64::try_from((runtime::manager::GRACE + SHUTDOWN).as_secs()).ok(),
        priority_class_name: options.priority_class.clone(),
        security_context: options.volume.as_ref().map(owner),
        containers: vec![container(options)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// The owner of the volume. The kubelet gives a claim to the image's group. A directory of a node belongs to root.
fn owner(volume: &Volume) -> PodSecurityContext {
    match volume {
        Volume::Claim(_) => PodSecurityContext {
            fs_group: Some(IMAGE_USER),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            ..PodSecurityContext::default()
        },
        Volume::HostPath { .. } => PodSecurityContext {
            run_as_user: Some(0),
            ..PodSecurityContext::default()
        },
    }
}

fn container(options: &InstallOptions) -> Container {
    let mut args = vec!["server".to_owned(), options.features_flag()];
    args.extend(options.server.arguments());
    let url = options.artifacts.url.as_ref();
    args.extend(url.map(|url| format!("--artifact-url={}", url.as_str())));
    let mut env = vec![
        variable("VELERO_SCRATCH_DIR", "/scratch"),
        field("VELERO_NAMESPACE", "metadata.namespace"),
        variable("LD_LIBRARY_PATH", "/plugins"),
        // The identity in the leader election (decision 8): a restarted container of the same pod reacquires its lease.
        field("POD_NAME", "metadata.name"),
        field("POD_UID", "metadata.uid"),
        variable("CONTAINER_NAME", "velero"),
        // The image has no /tmp.
        variable("TMPDIR", "/scratch"),
    ];
    env.extend(credential_variables(options));
    if options.csi_early_frequent_polling {
        env.push(variable("CSI_SNAPSHOT_EARLY_FREQUENT_POLLING", "true"));
    }
    let mut mounts = vec![mount("plugins", "/plugins"), mount("scratch", "/scratch")];
    mounts.extend(credentials_mount(options));
    mounts.extend(options.volume.as_ref().map(|_| mount(STORE, options.mount_path())));
    Container {
        name: "velero".to_owned(),
        image: Some(options.image.clone()),
        image_pull_policy: Some(pull_policy(&options.image).to_owned()),
        command: Some(vec!["/velero".to_owned()]),
        args: Some(args),
        env: Some(env),
        ports: Some(vec![port("metrics", METRICS_PORT), port("artifacts", ARTIFACTS_PORT)]),
        resources: requirements(options.resources),
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            timeout_seconds: Some(5),
            failure_threshold: Some(6),
            ..probe("/healthz")
        }),
        // A short period, so that the pod is ready soon after its start.
        readiness_probe: Some(Probe {
            period_seconds: Some(1),
            timeout_seconds: Some(5),
            ..probe("/readyz")
        }),
        security_context: Some(security_context(options.volume.as_ref())),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("metrics".to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    }
}

fn store_volume(volume: &Volume) -> PodVolume {
    let mut store = PodVolume {
        name: STORE.to_owned(),
        ..PodVolume::default()
    };
    match volume {
        Volume::Claim(name) => {
            store.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: name.clone(),
                ..Default::default()
            });
        }
        Volume::HostPath { directory, .. } => {
            store.host_path = Some(HostPathVolumeSource {
                path: directory.clone(),
                type_: Some("DirectoryOrCreate".to_owned()),
            });
        }
    }
    store
}

/// The security context of the container: that of the pod security level `restricted`, except for a directory of the node.
fn security_context(volume: Option<&Volume>) -> SecurityContext {
    let on_host = matches!(volume, Some(Volume::HostPath { .. }));
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            // Without it root cannot write to a directory of another owner.
            add: on_host.then(|| vec!["DAC_OVERRIDE".to_owned()]),
        }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: (!on_host).then_some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}
