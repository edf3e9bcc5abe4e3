//! Decides about the data of each volume when its pod, its claim and its object are processed.
//!
//! [`BackupRun::carry_files`] and [`BackupRun::carry_snapshot`] get the chosen volumes. Data will be saved there; for now they only
//! warn that this release does not do it yet (decision 22), one warning an object.

use std::error::Error;

use super::facts::{PodVolume, PodVolumes, VolumeObject};
use super::files::{self, Choice, Obstacle, Rule};
use super::record::{Approach, PolicyDecision, SavedVolume};
use super::snapshot::{Known, Snapshot};
use crate::backup::done::Key;
use crate::backup::facts::ClaimFacts;
use crate::backup::item::Item;
use crate::backup::run::BackupRun;
use crate::backup::types::{KnownType, Type};
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::{Head, RawObject};
use crate::select::resource_policies::{ActionType, ClaimTraits};
use crate::telemetry::logrus::Level;

type ReadFailed = Box<dyn Error + Send + Sync>;

/// The policy and the type of the PersistentVolume behind a pod's volume.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    policy: Option<ActionType>,
    host_path: bool,
}

/// Volumes of one pod with requested data that is not saved, and why: one line in the log.
#[derive(Default)]
struct Unsaved(Vec<String>);

impl Unsaved {
    fn add(&mut self, volume: &str, why: &str) {
        self.0.push(format!("{volume} ({why})"));
    }
}

impl BackupRun<'_> {
    fn files_rule(&self) -> Rule {
        let claims = self.types.get(&claims());
        Rule {
            opt_out: self.request.spec.default_volumes_to_fs_backup == Some(true),
            claims: claims.is_some_and(|claims| claims.included),
        }
    }

    /// The claims with files that a pod saves, unless a policy overrides it. Called while pods are listed: a volume may be saved
    /// before the last pod that mounts it.
    pub(in crate::backup) fn claims_saved_by(&self, pod: &RawObject) -> Result<Vec<Key>, serde_json::Error> {
        let facts: PodVolumes = serde_json::from_slice(&pod.json)?;
        let namespace = pod.head.namespace.as_deref();
        Ok(self
            .files_rule()
            .claims_of(&facts)
            .map(|name| Key::new(&claims(), namespace, name))
            .collect())
    }

    /// Decides about the volumes of a pod or a claim, before any action on it.
    pub(in crate::backup) async fn decide_volumes(&self, type_: &Type, item: &Item) -> Result<(), serde_json::Error> {
        match type_.known {
            KnownType::Pod => self.choose_files(type_, item).await,
            KnownType::Claim => self.claim_without_volume(type_, item),
            _ => Ok(()),
        }
    }

    /// Chooses the volumes of a pod that are saved file by file.
    async fn choose_files(&self, type_: &Type, item: &Item) -> Result<(), serde_json::Error> {
        let pod: PodVolumes = item.read()?;
        let rule = self.files_rule();
        let mut unsaved = Unsaved::default();
        for name in rule.unknown(&pod) {
            unsaved.add(name, "the pod has no such volume");
        }
        let mut chosen = Vec::new();
        for volume in pod.volumes() {
            // For a volume that is never saved the PersistentVolume is not read.
            let behind = match rule.choose(&pod, volume, None) {
                Choice::Never | Choice::NoClaims => Behind::default(),
                choice => match self.behind(item.head(), volume, choice == Choice::Files).await {
                    Ok(behind) => behind,
                    Err(error) => {
                        self.cannot_decide(type_, item.head(), volume, &*error);
                        continue;
                    }
                },
            };
            let head = item.head();
            match rule.choose(&pod, volume, behind.policy) {
                Choice::Files => {
                    let host_path = behind.host_path.then_some(Obstacle::HostPath);
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
            self.item_log
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
        self.state().volumes.take(key)
    }

    fn not_by_files(&self, pod: &Head, volume: &PodVolume, reason: String) {
        if let Some(claim) = volume.claim() {
            let namespace = pod.namespace.as_deref().unwrap_or_default();
            let mut state = self.state();
            state.volumes.skipped(namespace, claim, Approach::PodVolume, reason);
        }
    }

    fn cannot_decide(&self, type_: &Type, pod: &Head, volume: &PodVolume, error: &(dyn Error + 'static)) {
        self.item_log
            .line(Level::Error, type_, pod.namespace.as_deref(), &pod.name)
            .error(error)
            .msg(format!(
                "Error deciding about the data of volume {} of the pod: its claim or its persistent volume cannot be read",
                volume.name
            ));
        self.not_by_files(pod, volume, problem(pod, &error.to_string()));
    }

    /// Reads the PersistentVolume behind a pod's volume. `always`: even without policies.
    async fn behind(&self, pod: &Head, volume: &PodVolume, always: bool) -> Result<Behind, ReadFailed> {
        let policies = &self.request.policies;
        let Some(claim) = volume.claim() else {
            return Ok(Behind {
                policy: policies.action_for(&volume.traits(None)).map(|action| action.kind),
                host_path: false,
            });
        };
        if !always && !policies.has_volume_policies() {
            return Ok(Behind::default());
        }
        let Some(claim) = self.read(&claims(), pod.namespace.as_deref(), claim).await? else {
            return Ok(Behind::default());
        };
        let facts: ClaimFacts = serde_json::from_slice(&claim.json)?;
        if let Some(name) = facts.bound_volume() {
            if let Some(PolicyDecision { policy, host_path }) = self.state().volumes.decision(volume_key(name)) {
                return Ok(Behind { policy, host_path });
            }
            if let Some(object) = self.read(&volumes(), None, name).await? {
                let facts: VolumeObject = serde_json::from_slice(&object.json)?;
                let PolicyDecision { policy, host_path } = self.decide_policy(name, &facts, Some(&claim.head));
                return Ok(Behind { policy, host_path });
            }
        }
        // Not bound, or its volume is gone: only the pod and the claim are known.
        let action = policies.action_for(&volume.traits(Some(of_claim(&claim.head))));
        Ok(Behind {
            policy: action.map(|action| action.kind),
            host_path: false,
        })
    }

    /// The policies' decision about a PersistentVolume with its claim, cached for the next caller.
    fn decide_policy(&self, name: &str, volume: &VolumeObject, claim: Option<&Head>) -> PolicyDecision {
        let action = self.request.policies.action_for(&volume.traits(claim.map(of_claim)));
        let decision = PolicyDecision {
            policy: action.map(|action| action.kind),
            host_path: volume.is_host_path(),
        };
        self.state().volumes.record_decision(volume_key(name), decision);
        decision
    }

    async fn read(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<RawObject>, ReadFailed> {
        let Some(type_) = self.types.get(resource) else {
            return Ok(None);
        };
        self.fetch(type_, Key::new(resource, namespace, name), namespace, name)
            .await
    }

    /// A claim without a volume is saved as an object. It is logged, because the user may expect data.
    fn claim_without_volume(&self, type_: &Type, item: &Item) -> Result<(), serde_json::Error> {
        let facts: ClaimFacts = item.read()?;
        if facts.bound_volume().is_some() {
            return Ok(());
        }
        let Head { namespace, name, .. } = item.head();
        let none = PodVolume::default();
        let action = self
            .request
            .policies
            .action_for(&none.traits(Some(of_claim(item.head()))));
        let known = Known {
            policy: action.map(|action| action.kind),
            bound: false,
            files: false,
            wanted: self.request.spec.snapshot_volumes,
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
        self.item_log
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
        let policy = match self.policy_of_volume(head, &facts).await {
            Ok(policy) => policy,
            Err(error) => {
                self.item_log
                    .line(Level::Error, type_, None, &head.name)
                    .error(&*error)
                    .msg("Error deciding about the volume's data: its claim cannot be read");
                None
            }
        };
        let files = claim.is_some_and(|(namespace, name)| {
            let key = Key::new(&claims(), Some(namespace), name);
            self.staged.get().is_some_and(|staged| staged.saves_files_of(key))
        });
        let snapshot = Known {
            policy,
            bound: true,
            files,
            wanted: self.request.spec.snapshot_volumes,
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
        self.state().volumes.saved(&head.name, volume);
        Ok(())
    }

    async fn policy_of_volume(&self, head: &Head, facts: &VolumeObject) -> Result<Option<ActionType>, ReadFailed> {
        let policies = &self.request.policies;
        if !policies.has_volume_policies() {
            return Ok(None);
        }
        if let Some(decision) = self.state().volumes.decision(volume_key(&head.name)) {
            return Ok(decision.policy);
        }
        let mut claim = None;
        if policies.look_at_claims()
            && let Some((namespace, name)) = facts.claim()
        {
            claim = self.read(&claims(), Some(namespace), name).await?;
        }
        // A claim of that name may be a newer one with another volume.
        let own = |claim: &&RawObject| {
            serde_json::from_slice::<ClaimFacts>(&claim.json)
                .is_ok_and(|claim| claim.bound_volume() == Some(head.name.as_str()))
        };
        let claim = claim.as_ref().filter(own);
        Ok(self
            .decide_policy(&head.name, facts, claim.map(|claim| &claim.head))
            .policy)
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
        self.item_log
            .line(Level::Warning, type_, None, &head.name)
            .msg(format!("{text}; its data is not saved, only the objects"));
    }

    /// What requests a snapshot explicitly.
    fn snapshot_asked(&self, policy: Option<ActionType>) -> Option<&'static str> {
        let spec = &self.request.spec;
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

fn of_claim(head: &Head) -> ClaimTraits<'_> {
    ClaimTraits {
        labels: &head.labels,
        phase: head.phase.as_deref().unwrap_or_default(),
    }
}

fn claims() -> GroupResource {
    GroupResource::new("", "persistentvolumeclaims")
}

fn volumes() -> GroupResource {
    GroupResource::new("", "persistentvolumes")
}

fn volume_key(name: &str) -> Key {
    Key::new(&volumes(), None, name)
}
