//! From an artifact to the run it belongs to, and to the location that holds it.

use std::sync::Arc;

use crate::api::v1::{Backup, BackupStorageLocation, Restore};
use crate::runtime::{ObjectRef, SharedWatch};

use super::absent::{Course, Missing};
use super::file::Artifact;

/// Finds the location of a requested file.
#[derive(Clone)]
pub struct Finder {
    /// The backups.
    pub backups: SharedWatch<Backup>,
    /// The restores.
    pub restores: SharedWatch<Restore>,
    /// The locations.
    pub locations: SharedWatch<BackupStorageLocation>,
    /// The namespace Velero lives in.
    pub namespace: String,
}

impl Finder {
    /// The location of a run's files.
    ///
    /// # Errors
    /// The run, its backup or its location is not there.
    pub fn location(&self, artifact: &Artifact) -> Result<Arc<BackupStorageLocation>, Missing> {
        let name = match artifact {
            Artifact::Backup(_, name) => name.clone(),
            Artifact::Restore(_, name) => {
                let restore = self.restores.get(&ObjectRef::new(name).within(&self.namespace));
                let restore = restore.ok_or_else(|| Missing::Restore(name.clone()))?;
                restore.spec.backup_name.clone()
            }
        };
        let backup = self.backups.get(&ObjectRef::new(&name).within(&self.namespace));
        let backup = backup.ok_or_else(|| Missing::Backup(name.clone()))?;
        let location = &backup.spec.storage_location;
        self.locations
            .get(&ObjectRef::new(location).within(&self.namespace))
            .ok_or_else(|| Missing::Location {
                location: location.clone(),
                backup: name,
            })
    }

    /// Why a run has no files yet, or never will; nothing if it may have some. In upstream's words.
    pub fn unwritten(&self, artifact: &Artifact) -> Option<String> {
        let (kind, name, phase) = match artifact {
            Artifact::Backup(_, name) => {
                let backup = self.backups.get(&ObjectRef::new(name).within(&self.namespace))?;
                let phase = backup.status.phase.as_ref()?.as_str().to_owned();
                ("backup", name, phase)
            }
            Artifact::Restore(_, name) => {
                let restore = self.restores.get(&ObjectRef::new(name).within(&self.namespace))?;
                let phase = restore.status.phase.as_ref()?.as_str().to_owned();
                ("restore", name, phase)
            }
        };
        wrote_nothing(kind, &phase)
            .then(|| format!("{kind} \"{name}\" is in phase \"{phase}\" and has not written any artifacts"))
    }

    /// How far the run itself is; nothing if it is not there.
    pub fn course(&self, artifact: &Artifact) -> Option<Course> {
        match artifact {
            Artifact::Backup(_, name) => {
                let backup = self.backups.get(&ObjectRef::new(name).within(&self.namespace))?;
                Some(Course {
                    phase: backup.status.phase().as_str().to_owned(),
                    validation_errors: backup.status.validation_errors.clone(),
                })
            }
            Artifact::Restore(_, name) => {
                let restore = self.restores.get(&ObjectRef::new(name).within(&self.namespace))?;
                Some(Course {
                    phase: restore.status.phase().as_str().to_owned(),
                    validation_errors: restore.status.validation_errors.clone(),
                })
            }
        }
    }
}

/// Whether a run of this kind has written no file in this phase. A run without a phase is not among upstream's.
fn wrote_nothing(kind: &str, phase: &str) -> bool {
    match phase {
        "New" | "FailedValidation" => true,
        "Queued" | "ReadyToStart" => kind == "backup",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_written_nothing_before_it_begins_or_if_it_was_refused() {
        for (phase, of_backup, of_restore) in [
            ("New", true, true),
            ("FailedValidation", true, true),
            ("Queued", true, false),
            ("ReadyToStart", true, false),
            ("", false, false),
            ("InProgress", false, false),
            ("Completed", false, false),
            ("Failed", false, false),
            ("OfALaterRelease", false, false),
        ] {
            assert_eq!(wrote_nothing("backup", phase), of_backup, "{phase}");
            assert_eq!(wrote_nothing("restore", phase), of_restore, "{phase}");
        }
    }
}
