//! Whether a volume's data is saved file by file, through a pod that mounts it (spec backup 12.3, 12.4). Pure.

use super::facts::{PodVolume, PodVolumes, Use};
use crate::api::annotations::{VOLUMES_TO_BACK_UP, VOLUMES_TO_EXCLUDE};
use crate::select::resource_policies::ActionType;

/// Types without data of their own, or not accessible to a node agent.
const NEVER: [&str; 5] = ["hostPath", "secret", "configMap", "projected", "downwardAPI"];

/// The volume in which old releases of Kubernetes mounted the token of the service account: a secret by another name.
const DEFAULT_TOKEN: &str = "default-token";

/// The rule of one backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// `spec.defaultVolumesToFsBackup`: every volume, but those a pod names; otherwise only those a pod names.
    pub(super) opt_out: bool,
    /// Whether claims are part of the backup; without them their data could not be restored.
    pub(super) claims: bool,
}

/// What is chosen for one volume of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Its files are to be saved.
    Files,
    /// It is of a kind that is never saved this way.
    Never,
    /// Claims are not part of the backup.
    NoClaims,
    /// A policy has another action.
    Policy(ActionType),
    /// The pod's annotations, or their absence, exclude it.
    OptedOut,
}

/// Why the files of a chosen volume cannot be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The pod does not run, so the volume is mounted nowhere.
    NotRunning,
    /// It is a block device.
    Device,
    /// No container mounts it, so the node has no directory of it.
    Unused,
    /// The PersistentVolume is a directory of the node, not accessible to a node agent.
    HostPath,
}

impl Obstacle {
    /// The text in logs and records.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NotRunning => "the pod is not running",
            Self::Device => "it is a block volume, which file system backup does not support",
            Self::Unused => "no container of the pod mounts it",
            Self::HostPath => "it is a hostPath volume, which file system backup does not support",
        }
    }
}

impl Rule {
    /// Chooses for one volume of a pod. `policy`: the action for it, if there is one.
    pub(super) fn choose(self, pod: &PodVolumes, volume: &PodVolume, policy: Option<ActionType>) -> Choice {
        if is_never(volume) {
            return Choice::Never;
        }
        if volume.claim().is_some() && !self.claims {
            return Choice::NoClaims;
        }
        match policy {
            Some(ActionType::FsBackup) => Choice::Files,
            Some(other) => Choice::Policy(other),
            None if self.is_asked(pod, &volume.name) => Choice::Files,
            None => Choice::OptedOut,
        }
    }

    /// Whether the annotations of a pod, or their absence, ask for the files of a volume.
    fn is_asked(self, pod: &PodVolumes, volume: &str) -> bool {
        if self.opt_out {
            pod.names_in(VOLUMES_TO_EXCLUDE).all(|name| name != volume)
        } else {
            pod.names_in(VOLUMES_TO_BACK_UP).any(|name| name == volume)
        }
    }

    /// Whether the pod itself names the volume to be saved.
    pub(super) fn is_named(self, pod: &PodVolumes, volume: &str) -> bool {
        !self.opt_out && self.is_asked(pod, volume)
    }

    /// Names in the annotation that are not volumes of the pod.
    pub(super) fn unknown(self, pod: &PodVolumes) -> impl Iterator<Item = &str> {
        pod.names_in(VOLUMES_TO_BACK_UP)
            .filter(move |name| !self.opt_out && pod.volumes().iter().all(|volume| volume.name != *name))
    }

    /// The claims with files that the pod saves, unless a policy overrides it: they need no snapshot.
    pub(super) fn claims_of(self, pod: &PodVolumes) -> impl Iterator<Item = &str> {
        pod.volumes()
            .iter()
            .filter(move |volume| self.choose(pod, volume, None) == Choice::Files && obstacle(pod, volume).is_none())
            .filter_map(PodVolume::claim)
    }
}

fn is_never(volume: &PodVolume) -> bool {
    volume
        .volume_type()
        .is_some_and(|found| NEVER.contains(&found.as_str()))
        || volume.name.starts_with(DEFAULT_TOKEN)
}

/// Why the files of a volume cannot be saved, judging by the pod alone.
pub(super) fn obstacle(pod: &PodVolumes, volume: &PodVolume) -> Option<Obstacle> {
    if !pod.is_running() {
        return Some(Obstacle::NotRunning);
    }
    match pod.use_of(&volume.name) {
        Use::Mounted => None,
        Use::Device => Some(Obstacle::Device),
        Use::Unused => Some(Obstacle::Unused),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn pod(phase: &str, annotations: &Value, volumes: &Value) -> PodVolumes {
        from_value(json!({
            "metadata": {"annotations": annotations},
            "spec": {"volumes": volumes, "containers": [{
                "volumeMounts": [{"name": "data"}, {"name": "logs"}, {"name": "host"}, {"name": "default-token-x"}],
                "volumeDevices": [{"name": "disk"}]}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    fn volumes() -> Value {
        json!([
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "logs", "emptyDir": {}},
            {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}},
            {"name": "spare", "persistentVolumeClaim": {"claimName": "spare"}},
            {"name": "host", "hostPath": {"path": "/"}},
            {"name": "key", "secret": {"secretName": "k"}},
            {"name": "conf", "configMap": {"name": "c"}},
            {"name": "all", "projected": {}},
            {"name": "self", "downwardAPI": {}},
            {"name": "default-token-x", "emptyDir": {}},
        ])
    }

    fn chosen(rule: Rule, annotations: &Value) -> Vec<&'static str> {
        let pod = pod("Running", annotations, &volumes());
        let names = [
            "data",
            "logs",
            "disk",
            "spare",
            "host",
            "key",
            "conf",
            "all",
            "self",
            "default-token-x",
        ];
        assert_eq!(pod.volumes().len(), names.len());
        names
            .into_iter()
            .zip(pod.volumes())
            .filter(|(_, volume)| rule.choose(&pod, volume, None) == Choice::Files)
            .map(|(name, _)| name)
            .collect()
    }

    const IN: Rule = Rule {
        opt_out: false,
        claims: true,
    };
    const OUT: Rule = Rule {
        opt_out: true,
        claims: true,
    };

    #[test]
    fn without_policies_the_annotation_of_the_mode_decides() {
        let backup = |names: &str| json!({VOLUMES_TO_BACK_UP: names});
        let exclude = |names: &str| json!({VOLUMES_TO_EXCLUDE: names});
        let table: [(Rule, Value, &[&str]); 11] = [
            (IN, json!({}), &[]),
            (IN, backup(""), &[]),
            (IN, backup("data"), &["data"]),
            (IN, backup("logs,data"), &["data", "logs"]),
            (IN, backup("logs, data"), &["logs"]),
            (IN, exclude("data"), &[]),
            (IN, backup("host,key,default-token-x"), &[]),
            (OUT, json!({}), &["data", "logs", "disk", "spare"]),
            (OUT, exclude("data,disk"), &["logs", "spare"]),
            (OUT, backup("data"), &["data", "logs", "disk", "spare"]),
            (Rule { claims: false, ..OUT }, json!({}), &["logs"]),
        ];
        for (rule, annotations, expected) in table {
            assert_eq!(chosen(rule, &annotations), expected, "{rule:?} {annotations}");
        }
    }

    #[test]
    fn a_policy_wins_over_annotations_but_not_for_unsupported_types() {
        use ActionType::{Custom, FsBackup, Skip, Snapshot};
        let pod = pod("Running", &json!({VOLUMES_TO_BACK_UP: "data,host"}), &volumes());
        let of = |name: &str| pod.volumes().iter().find(|volume| volume.name == name).unwrap();
        let table = [
            ("data", None, Choice::Files),
            ("data", Some(FsBackup), Choice::Files),
            ("data", Some(Skip), Choice::Policy(Skip)),
            ("data", Some(Snapshot), Choice::Policy(Snapshot)),
            ("data", Some(Custom), Choice::Policy(Custom)),
            ("logs", None, Choice::OptedOut),
            ("logs", Some(FsBackup), Choice::Files),
            ("host", Some(FsBackup), Choice::Never),
            ("conf", Some(FsBackup), Choice::Never),
        ];
        for (volume, policy, expected) in table {
            assert_eq!(IN.choose(&pod, of(volume), policy), expected, "{volume} {policy:?}");
        }
        let no_claims = Rule { claims: false, ..IN };
        assert_eq!(no_claims.choose(&pod, of("data"), Some(FsBackup)), Choice::NoClaims);
    }

    #[test]
    fn only_a_mounted_directory_of_a_running_pod_can_be_read() {
        let table = [
            ("Running", "data", None),
            ("Running", "disk", Some(Obstacle::Device)),
            ("Running", "spare", Some(Obstacle::Unused)),
            ("Pending", "data", Some(Obstacle::NotRunning)),
            ("Succeeded", "disk", Some(Obstacle::NotRunning)),
        ];
        for (phase, volume, expected) in table {
            let pod = pod(phase, &json!({}), &volumes());
            let volume = pod.volumes().iter().find(|found| found.name == volume).unwrap();
            assert_eq!(obstacle(&pod, volume), expected, "{phase} {}", volume.name);
        }
    }

    #[test]
    fn a_claim_needs_no_snapshot_only_if_the_pod_can_save_its_files() {
        let claims = |rule: Rule, phase: &str| -> Vec<String> {
            let pod = pod(phase, &json!({VOLUMES_TO_BACK_UP: "data,disk"}), &volumes());
            rule.claims_of(&pod).map(str::to_owned).collect()
        };
        assert_eq!(claims(IN, "Running"), ["data"]);
        assert_eq!(claims(OUT, "Running"), ["data"]);
        // Upstream saves neither files nor a snapshot of these (spec backup 22 D5).
        assert_eq!(claims(OUT, "Pending"), [""; 0]);
        assert_eq!(claims(Rule { claims: false, ..IN }, "Running"), [""; 0]);
    }

    #[test]
    fn names_without_a_volume_are_found() {
        let pod = pod("Running", &json!({VOLUMES_TO_BACK_UP: "data,nowhere"}), &volumes());
        assert_eq!(IN.unknown(&pod).collect::<Vec<_>>(), ["nowhere"]);
        assert_eq!(OUT.unknown(&pod).count(), 0);
        assert!(IN.is_named(&pod, "data") && !OUT.is_named(&pod, "data"));
    }
}
