//! The CRDs of saved custom resources are saved too (spec backup 9.4).

use super::done::Key;
use super::run::{BackupRun, Stop};
use crate::telemetry::logrus::Level;

impl BackupRun<'_> {
    /// Saves the CRD of each saved type that has one, unless the user excluded CRDs.
    pub(super) async fn save_crds(&self) -> Result<(), Stop> {
        let Some(crds) = self.types.crds().filter(|type_| !type_.excluded) else {
            return Ok(());
        };
        let saved = self.state().saved_types.clone();
        // The API server refuses a CRD for a group without a dot.
        for type_ in saved.iter().filter(|type_| type_.group.contains('.')) {
            let name = format!("{}.{}", type_.resource, type_.group);
            if self.is_done(Key::new(&crds.group_resource, None, &name)) {
                continue;
            }
            match self.reader.get(&crds.resource, None, &name).await {
                Ok(Some(object)) => {
                    self.log.info(format!("Found associated CRD {name} to add to backup"));
                    self.save(crds, object, false).await?;
                }
                Ok(None) => {}
                Err(error) => {
                    self.state().failed += 1;
                    self.item_log
                        .line(Level::Error, crds, None, &name)
                        .error(&error)
                        .msg("Error getting CRD");
                }
            }
        }
        Ok(())
    }
}
