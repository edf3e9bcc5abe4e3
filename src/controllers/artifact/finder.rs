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
