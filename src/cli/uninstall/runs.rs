//! Cancels the runs in progress when Velero is removed. Without its server nothing would thaw frozen pods, abort uploads or release
//! the reserved names in the bucket. So the objects of these runs are deleted first, and the server cleans up. Its records are
//! ConfigMaps, which it deletes when it has finished.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, interval};

use crate::api::v1::{Backup, BackupPhase, Restore, RestorePhase};
use crate::cli::objects::{Kind, Objects, RequestError};
use crate::cli::server_lease::ServerLease;
use crate::cli::terminal;
use crate::controllers::freeze::{self, FreezeRecord};
use crate::controllers::run::record::{self, RecordedRun};
use crate::hook::Freeze;
use crate::store::layout::{backup_claim, backup_dir, restore_dir};

/// How long to wait for the server. It waits for running hooks, and a bucket may be slow.
const GRACE: Duration = Duration::from_mins(2);

/// Cancels all runs and waits until the server has cleaned up, at most two minutes and only while a server runs. Returns what is left,
/// as sentences. May be repeated.
pub(super) async fn cancel(client: &Client, namespace: &str) -> anyhow::Result<Vec<String>> {
    let records = Records {
        maps: Api::namespaced(client.clone(), namespace),
    };
    let (backups, restores) = (Objects::new(client, namespace), Objects::new(client, namespace));
    let mut lease = ServerLease::new(client, namespace);
    let mut seconds = interval(Duration::from_secs(1));
    let deadline = Instant::now() + GRACE;
    let mut is_announced = false;
    loop {
        seconds.tick().await;
        let cancelled = delete_unfinished(&backups, "Backup", is_unfinished_backup).await?
            + delete_unfinished(&restores, "Restore", is_unfinished_restore).await?;
        let left = records.left().await?;
        // A run that was cancelled just now may be about to write its record.
        let is_done = cancelled == 0 && left.is_empty();
        if is_done || Instant::now() >= deadline || !lease.may_answer().await? {
            if is_announced {
                terminal::println("")?;
            }
            return Ok(left);
        }
        if is_announced {
            terminal::print(".")?;
        } else {
            terminal::println(
                "Waiting for the server to clean up after runs in progress: frozen pods, uploads, reserved names",
            )?;
            is_announced = true;
        }
    }
}

/// Deletes the unfinished runs of a kind and returns their number; 0 if the kind is not served.
async fn delete_unfinished<K: Kind>(
    objects: &Objects<K>,
    kind: &str,
    is_unfinished: fn(&K) -> bool,
) -> anyhow::Result<usize> {
    let all = match objects.list(None).await {
        Ok(listing) => listing.items,
        Err(error) if error.is_unserved() => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let mut deleted = 0;
    for object in all.iter().filter(|object| is_unfinished(object)) {
        // Already deleted, and held by a finalizer.
        if object.meta().deletion_timestamp.is_some() {
            continue;
        }
        let name = object.name_any();
        match objects.delete(&name).await {
            Ok(()) => {
                terminal::println(&format!("{kind} {name:?} has not finished, cancelling it."))?;
                deleted += 1;
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(deleted)
}

fn is_unfinished_backup(backup: &Backup) -> bool {
    matches!(
        backup.status.phase(),
        BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress
    )
}

fn is_unfinished_restore(restore: &Restore) -> bool {
    matches!(restore.status.phase(), RestorePhase::New | RestorePhase::InProgress)
}

/// The server's records of runs.
struct Records {
    maps: Api<ConfigMap>,
}

impl Records {
    /// What the server has not cleaned up yet, as sentences.
    async fn left(&self) -> Result<Vec<String>, RequestError> {
        let mut left = Vec::new();
        for map in self.labelled(freeze::LABEL).await? {
            match FreezeRecord::shown(&map) {
                Ok(freezes) => left.extend(freezes.iter().map(frozen)),
                Err(error) => left.push(format!(
                    "pods may still be frozen, and no server will thaw them: ConfigMap {:?} names them, and cannot be read: {error}",
                    map.name_any()
                )),
            }
        }
        let runs = self.labelled(record::LABEL).await?;
        left.extend(runs.iter().filter_map(RecordedRun::read).map(|run| unfinished(&run)));
        Ok(left)
    }

    async fn labelled(&self, label: &str) -> Result<Vec<ConfigMap>, RequestError> {
        let found = self.maps.list(&ListParams::default().labels(label)).await;
        Ok(found.map_err(|error| RequestError::of(error, "configmaps"))?.items)
    }
}

fn frozen(freeze: &Freeze) -> String {
    let Freeze { namespace, pod, thaw } = freeze;
    let commands: Vec<String> = thaw
        .iter()
        .map(|hook| format!("{:?} in container {:?}", hook.command, hook.container))
        .collect();
    format!(
        "pod {namespace}/{pod} may still be frozen, and no server will thaw it: run its post hooks manually: {}",
        commands.join(", ")
    )
}

fn unfinished(run: &RecordedRun) -> String {
    let RecordedRun { id, location } = run;
    let name = &id.name;
    if id.kind == "restore" {
        return format!(
            "restore {name:?} was not cleaned up: its files may remain below {:?} in storage location {location:?}",
            restore_dir(name)
        );
    }
    format!(
        "backup {name:?} was not cleaned up: its files remain in storage location {location:?}, and {:?} reserves its name; unless {:?} exists, delete {:?} before a backup of this name is created again",
        backup_claim(name),
        crate::store::layout::BackupFile::Metadata.key(name),
        backup_dir(name)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use crate::controllers::run::RunId;

    #[test]
    fn a_run_that_was_not_cleaned_up_is_named_with_what_to_do() {
        let freeze: Freeze = from_value(json!({"namespace": "shop", "pod": "db-0", "thaw": [{
            "source": "annotation", "name": "h", "phase": "post", "container": "db",
            "command": ["fsfreeze", "-u", "/data"], "on_error": "Fail", "timeout": {"secs": 30, "nanos": 0}}]}))
        .unwrap();
        assert_eq!(
            frozen(&freeze),
            r#"pod shop/db-0 may still be frozen, and no server will thaw it: run its post hooks manually: ["fsfreeze", "-u", "/data"] in container "db""#
        );
        let run = |kind: &str| RecordedRun {
            id: RunId {
                kind: kind.to_owned(),
                namespace: "velero".to_owned(),
                name: "b".to_owned(),
                uid: "u".into(),
            },
            location: "default".to_owned(),
        };
        assert!(unfinished(&run("backup")).contains(r#""backups/b/velero-claim.json" reserves its name"#));
        assert!(unfinished(&run("restore")).contains(r#"below "restores/b/" in storage location "default""#));
    }

    #[test]
    fn only_unfinished_runs_are_cancelled() {
        for (phase, unfinished) in [
            ("", true),
            ("New", true),
            ("Queued", true),
            ("ReadyToStart", true),
            ("InProgress", true),
            ("Completed", false),
            ("PartiallyFailed", false),
            ("Failed", false),
            ("FailedValidation", false),
            ("Deleting", false),
        ] {
            let mut backup = Backup::new("velero", "b");
            backup.status.phase = Some(BackupPhase::from(phase)).filter(|_| !phase.is_empty());
            assert_eq!(is_unfinished_backup(&backup), unfinished, "{phase}");
        }
        for (phase, unfinished) in [
            ("New", true),
            ("InProgress", true),
            ("Completed", false),
            ("Failed", false),
        ] {
            let mut restore = Restore::new("velero", "r");
            restore.status.phase = Some(RestorePhase::from(phase));
            assert_eq!(is_unfinished_restore(&restore), unfinished, "{phase}");
        }
    }
}
