//! Pod volumes that were backed up or restored by the file system.

use std::collections::BTreeMap;

use super::Page;
use crate::api::ByteProgress;
use crate::api::v1::{PodVolumeBackup, PodVolumeRestore};

/// The shown fields of a PodVolumeBackup or PodVolumeRestore.
pub(super) struct PodVolume<'a> {
    /// `namespace/name`.
    pod: String,
    volume: &'a str,
    phase: &'a str,
    progress: &'a ByteProgress,
    incremental: i64,
    uploader: &'a str,
}

impl<'a> From<&'a PodVolumeBackup> for PodVolume<'a> {
    fn from(backup: &'a PodVolumeBackup) -> Self {
        let (spec, status) = (&backup.spec, &backup.status);
        Self {
            pod: format!("{}/{}", spec.pod.namespace, spec.pod.name),
            volume: &spec.volume,
            phase: phase_text(status.phase().as_str()),
            progress: &status.progress,
            incremental: status.incremental_bytes,
            uploader: spec.uploader_type.as_str(),
        }
    }
}

impl<'a> From<&'a PodVolumeRestore> for PodVolume<'a> {
    fn from(restore: &'a PodVolumeRestore) -> Self {
        let (spec, status) = (&restore.spec, &restore.status);
        Self {
            pod: format!("{}/{}", spec.pod.namespace, spec.pod.name),
            volume: &spec.volume,
            phase: phase_text(status.phase().as_str()),
            progress: &status.progress,
            incremental: 0,
            uploader: spec.uploader_type.as_str(),
        }
    }
}

fn phase_text(phase: &str) -> &str {
    if phase == "InProgress" { "In Progress" } else { phase }
}

/// The phases of a backup's volumes, in the order they are shown.
pub(super) const BACKUP_PHASES: &[&str] = &[
    "Completed",
    "Failed",
    "Canceled",
    "In Progress",
    "Canceling",
    "Prepared",
    "Accepted",
    "New",
];

/// The phases of a restore's volumes, in the order they are shown.
pub(super) const RESTORE_PHASES: &[&str] = &[
    "Completed",
    "Canceled",
    "Failed",
    "In Progress",
    "Prepared",
    "Accepted",
    "New",
];

impl PodVolume<'_> {
    /// The volume with its size or its progress.
    fn shown(&self) -> String {
        let (volume, total) = (self.volume, self.progress.total_bytes);
        match self.phase {
            "In Progress" if total != 0 => format!("{volume} ({:.2}%)", percent(self.progress)),
            "Completed" if self.incremental > 0 => {
                format!("{volume} (size: {total}, incremental size: {})", self.incremental)
            }
            "Completed" if total > 0 => format!("{volume} (size: {total})"),
            _ => volume.to_owned(),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage for people; bytes beyond 2^53 do not change it"
)]
fn percent(progress: &ByteProgress) -> f64 {
    progress.bytes_done as f64 / progress.total_bytes as f64 * 100.0
}

/// The volumes by phase, without empty phases.
pub(super) fn by_phase<'v, 'a>(
    volumes: &'v [PodVolume<'a>],
    phases: &[&'static str],
) -> Vec<(&'static str, Vec<&'v PodVolume<'a>>)> {
    let of = |phase: &'static str| {
        (
            phase,
            volumes
                .iter()
                .filter(|volume| volume.phase == phase)
                .collect::<Vec<_>>(),
        )
    };
    phases
        .iter()
        .map(|phase| of(phase))
        .filter(|(_, volumes)| !volumes.is_empty())
        .collect()
}

/// The volumes by pod, in the given order of pods.
pub(super) fn by_pod(volumes: &[&PodVolume<'_>]) -> Vec<(String, Vec<String>)> {
    let mut pods: Vec<(String, Vec<String>)> = Vec::new();
    for volume in volumes {
        match pods.iter_mut().find(|(pod, _)| *pod == volume.pod) {
            Some((_, shown)) => shown.push(volume.shown()),
            None => pods.push((volume.pod.clone(), vec![volume.shown()])),
        }
    }
    pods
}

/// The uploader, which is the same for all volumes of a run.
pub(super) fn uploader<'a>(volumes: &[PodVolume<'a>]) -> &'a str {
    volumes.first().map_or("", |volume| volume.uploader)
}

/// The lines below a heading: counts, or with details the volumes of each pod.
pub(super) fn pod_volumes(
    page: &mut Page<'_>,
    indent: &str,
    volumes: &[PodVolume<'_>],
    phases: &[&'static str],
    details: bool,
) {
    for (phase, volumes) in by_phase(volumes, phases) {
        if !details {
            page.line(format_args!("{indent}\t{phase}:\t{}", volumes.len()));
            continue;
        }
        page.line(format_args!("{indent}\t{phase}:"));
        let pods: BTreeMap<String, Vec<String>> = by_pod(&volumes).into_iter().collect();
        for (pod, mut shown) in pods {
            shown.sort();
            page.line(format_args!("{indent}\t\t{pod}: {}", shown.join(", ")));
        }
    }
}
