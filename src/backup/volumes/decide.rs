//! Decides about the data of each volume when its pod, its claim and its object are processed.
//!
//! [`VolumeChoices::carry_files`] and [`VolumeChoices::carry_snapshot`] get the chosen volumes. Data will be saved there; for now
//! they only warn that this release does not do it yet (decision 22), one warning an object.

use std::error::Error;

use super::facts::{PodVolume, PodVolumes, VolumeObject};
use super::files::{self, Choice, Obstacle, Rule};
use super::policy::{PolicyDecision, VolumePolicies};
use super::record::{Approach, SavedVolume, VolumeRecords};
use super::snapshot::{Known, Snapshot};
use crate::backup::done::Key;
use crate::backup::facts::ClaimFacts;
use crate::backup::item::Item;
use crate::backup::objects::Objects;
use crate::backup::prepared::Prepared;
use crate::backup::tracker::Tracker;
use crate::backup::types::{KnownType, Type};
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::{Head, RawObject};
use crate::select::resource_policies::ActionType;
use crate::telemetry::logrus::Level;

/// Volumes of one pod with requested data that is not saved, and why: one line in the log.
#[derive(Default)]
struct Unsaved(Vec<String>);

impl Unsaved {
    fn add(&mut self, volume: &str, why: &str) {
        self.0.push(format!("{volume} ({why})"));
    }
}

/// Decides how the data of volumes is saved.
pub(in crate::backup) struct VolumeChoices<'a> {
    prepared: &'a Prepared<'a>,
    objects: &'a Objects<'a>,
    tracker: &'a Tracker<'a>,
    records: &'a VolumeRecords,
    rule: Rule,
    policies: VolumePolicies<'a>,
}

/// The claims with files that a pod saves, unless a policy overrides it. Called while pods are listed: a volume may be saved
/// before the last pod that mounts it.
pub(in crate::backup) fn claims_saved_by(
    prepared: &Prepared<'_>,
    pod: &RawObject,
) -> Result<Vec<Key>, serde_json::Error> {
    let facts: PodVolumes = serde_json::from_slice(&pod.json)?;
    let namespace = pod.head.namespace.as_deref();
    Ok(rule_of(prepared)
        .claims_of(&facts)
        .map(|name| Key::new(&claims(), namespace, name))
        .collect())
}

fn rule_of(prepared: &Prepared<'_>) -> Rule {
    let claims = prepared.types.get(&claims());
    Rule {
        opt_out: prepared.request.spec.default_volumes_to_fs_backup == Some(true),
        claims: claims.is_some_and(|claims| claims.included),
    }
}

impl<'a> VolumeChoices<'a> {
    pub(in crate::backup) fn new(
        prepared: &'a Prepared<'a>,
        objects: &'a Objects<'a>,
        tracker: &'a Tracker<'a>,
        records: &'a VolumeRecords,
    ) -> Self {
        Self {
            prepared,
            objects,
            tracker,
            records,
            rule: rule_of(prepared),
            policies: VolumePolicies::new(prepared, objects),
        }
    }

    /// A claim is skipped because of its label.
    pub(in crate::backup) fn claim_excluded_by_label(&self, claim: &Head) {
        self.records.skipped(
            claim.namespace.as_deref().unwrap_or_default(),
            &claim.name,
            Approach::Any,
            "item has label velero.io/exclude-from-backup=true",
        );
    }

    /// Decides about the volumes of a pod or a claim, before any action on it.
    pub(in crate::backup) async fn decide(&self, type_: &Type, item: &Item) -> Result<(), serde_json::Error> {
        match type_.known {
            KnownType::Pod => self.choose_files(type_, item).await,
            KnownType::Claim => self.claim_without_volume(type_, item),
            _ => Ok(()),
        }
    }

    /// Chooses the volumes of a pod that are saved file by file.
    async fn choose_files(&self, type_: &Type, item: &Item) -> Result<(), serde_json::Error> {
        let pod: PodVolumes = item.read()?;
        let rule = self.rule;
        let mut unsaved = Unsaved::default();
        for name in rule.unknown(&pod) {
            unsaved.add(name, "the pod has no such volume");
        }
        let mut chosen = Vec::new();
        for volume in pod.volumes() {
            // For a volume that is never saved the PersistentVolume is not read.
            let decision = match rule.choose(&pod, volume, None) {
                Choice::Never | Choice::NoClaims => PolicyDecision::default(),
                choice => match self
                    .policies
                    .of_pod_volume(item.head(), volume, choice == Choice::Files)
                    .await
                {
                    Ok(decision) => decision,
                    Err(error) => {
                        self.cannot_decide(type_, item.head(), volume, &*error);
                        continue;
                    }
                },
            };
            let head = item.head();
            match rule.choose(&pod, volume, decision.policy) {
                Choice::Files => {
                    let host_path = decision.host_path.then_some(Obstacle::HostPath);
                    match files::obstacle(&pod, volume).or(host_path) {
                        Some(obstacle) => {
                            unsaved.add(&volume.name, obstacle.words());
                            self.not_by_files(head, volume, problem(head, obstacle.words()));
                        }
                        None if self.take(head, volume) => chosen.push(volume),
                        None => {}
                    }
                }
                Choice::Policy(ActionType::Custom) if volume.claim().is_none() => {
                    unsaved.add(
                        &volume.name,
                        "a resource policy assigns it to a plugin, which this release does not support yet",
                    );
                }
                Choice::Policy(action) => {
                    let reason = format!("matched action is '{}' in chosen resource policies", action.as_str());
                    self.not_by_files(head, volume, reason);
                }
                Choice::OptedOut => {
                    let reason = format!("opted out due to annotation in pod {}", head.name);
                    self.not_by_files(head, volume, reason);
                }
                Choice::Never | Choice::NoClaims if rule.is_named(&pod, &volume.name) => {
                    unsaved.add(
                        &volume.name,
                        "file system backup never saves its type, or the backup excludes claims",
                    );
                }
                Choice::Never | Choice::NoClaims => {}
            }
        }
        self.carry_files(item.head(), &chosen, &mut unsaved);
        if !unsaved.0.is_empty() {
            let Head { namespace, name, .. } = item.head();
            self.tracker
                .item_log
                .line(Level::Warning, type_, namespace.as_deref(), name)
                .msg(format!(
                    "The data of these volumes of the pod is not saved by file system backup: {}; the objects are saved",
                    unsaved.0.join(", ")
                ));
        }
        Ok(())
    }

    /// Will save the files of the chosen volumes. Not implemented yet: it reports them as not saved.
    fn carry_files(&self, pod: &Head, chosen: &[&PodVolume], unsaved: &mut Unsaved) {
        const NOT_YET: &str = "this release does not do that yet";
        for volume in chosen {
            unsaved.add(&volume.name, NOT_YET);
            self.not_by_files(pod, volume, problem(pod, NOT_YET));
        }
    }

    /// Takes a chosen volume for this pod, unless another pod has the claim.
    fn take(&self, pod: &Head, volume: &PodVolume) -> bool {
        let Some(claim) = volume.claim() else { return true };
        let key = Key::new(&claims(), pod.namespace.as_deref(), claim);
        self.records.take(key)
    }

    fn not_by_files(&self, pod: &Head, volume: &PodVolume, reason: String) {
        if let Some(claim) = volume.claim() {
            let namespace = pod.namespace.as_deref().unwrap_or_default();
            self.records.skipped(namespace, claim, Approach::PodVolume, reason);
        }
    }

    fn cannot_decide(&self, type_: &Type, pod: &Head, volume: &PodVolume, error: &(dyn Error + 'static)) {
        self.tracker
            .item_log
            .line(Level::Error, type_, pod.namespace.as_deref(), &pod.name)
            .error(error)
            .msg(format!(
                "Error deciding about the data of volume {} of the pod: its claim or its persistent volume cannot be read",
                volume.name
            ));
        self.not_by_files(pod, volume, problem(pod, &error.to_string()));
    }

    /// A claim without a volume is saved as an object. It is logged, because the user may expect data.
    fn claim_without_volume(&self, type_: &Type, item: &Item) -> Result<(), serde_json::Error> {
        let facts: ClaimFacts = item.read()?;
        if facts.bound_volume().is_some() {
            return Ok(());
        }
        let Head { namespace, name, .. } = item.head();
        let known = Known {
            policy: self.policies.of_claim(&PodVolume::default(), item.head()),
            bound: false,
            files: false,
            wanted: self.prepared.request.spec.snapshot_volumes,
        };
        let asked = match known.decide() {
            Snapshot::Policy(action) => action == ActionType::FsBackup,
            Snapshot::Unbound => self.snapshot_asked(known.policy).is_some(),
            Snapshot::Take | Snapshot::Files | Snapshot::NotWanted => false,
        };
        let lost = item.head().phase.as_deref() == Some("Lost");
        let level = if asked || lost { Level::Warning } else { Level::Info };
        let why = if lost {
            "its volume is gone"
        } else {
            "it is not bound to a volume"
        };
        self.tracker
            .item_log
            .line(level, type_, namespace.as_deref(), name)
            .msg(format!("The claim has no data to save: {why}; the object is saved"));
        Ok(())
    }

    /// Decides about the data of a PersistentVolume before its object goes into the archive.
    pub(in crate::backup) async fn volume_is_saved(
        &self,
        type_: &Type,
        head: &Head,
        json: &[u8],
    ) -> Result<(), serde_json::Error> {
        let facts: VolumeObject = serde_json::from_slice(json)?;
        let claim = facts.claim().filter(|_| !facts.is_released());
        let policy = match self.policies.of_volume(head, &facts).await {
            Ok(policy) => policy,
            Err(error) => {
                self.tracker
                    .item_log
                    .line(Level::Error, type_, None, &head.name)
                    .error(&*error)
                    .msg("Error deciding about the volume's data: its claim cannot be read");
                None
            }
        };
        let files = claim.is_some_and(|(namespace, name)| {
            let key = Key::new(&claims(), Some(namespace), name);
            self.objects.staged.saves_files_of(key)
        });
        let snapshot = Known {
            policy,
            bound: true,
            files,
            wanted: self.prepared.request.spec.snapshot_volumes,
        }
        .decide();
        self.carry_snapshot(type_, head, policy, snapshot);
        let volume = SavedVolume {
            claim: facts
                .claim()
                .map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
            reclaim_policy: facts.reclaim_policy().to_owned(),
            labels: head.labels.clone(),
            snapshot,
        };
        self.records.saved(&head.name, volume);
        Ok(())
    }

    /// Will take a snapshot of the volume. Not implemented yet: it warns if a snapshot is requested, and not merely allowed.
    fn carry_snapshot(&self, type_: &Type, head: &Head, policy: Option<ActionType>, snapshot: Snapshot) {
        let text = match snapshot {
            Snapshot::Take => match self.snapshot_asked(policy) {
                Some(by) => format!("{by} asks for a snapshot of the volume, which this release does not take yet"),
                None => return,
            },
            Snapshot::Policy(ActionType::Custom) => {
                "A resource policy assigns the volume to a plugin, which this release does not support yet".to_owned()
            }
            Snapshot::Policy(_) | Snapshot::Unbound | Snapshot::Files | Snapshot::NotWanted => return,
        };
        self.tracker
            .item_log
            .line(Level::Warning, type_, None, &head.name)
            .msg(format!("{text}; its data is not saved, only the objects"));
    }

    /// What requests a snapshot explicitly.
    fn snapshot_asked(&self, policy: Option<ActionType>) -> Option<&'static str> {
        let spec = &self.prepared.request.spec;
        if policy == Some(ActionType::Snapshot) {
            Some("A resource policy")
        } else if spec.snapshot_volumes == Some(true) {
            Some("spec.snapshotVolumes")
        } else if spec.snapshot_move_data == Some(true) {
            Some("spec.snapshotMoveData")
        } else if !spec.volume_snapshot_locations.is_empty() {
            Some("spec.volumeSnapshotLocations")
        } else {
            None
        }
    }
}

/// A reason in a volume's record, in upstream's form.
fn problem(pod: &Head, what: &str) -> String {
    let namespace = pod.namespace.as_deref().unwrap_or_default();
    format!(
        "encountered a problem with backing up the PVC of pod {namespace}/{}: {what}",
        pod.name
    )
}

fn claims() -> GroupResource {
    GroupResource::new("", "persistentvolumeclaims")
}
