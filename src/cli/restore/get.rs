//! `velero restore get`.

use crate::api::v1::Restore;
use crate::cli::get::Gettable;

impl Gettable for Restore {
    const PLURAL: &'static str = "restores";

    /// A restore that is being deleted has this in its phase, in every format, as upstream.
    fn prepare(&mut self) {
        if self.metadata.deletion_timestamp.is_some() {
            let phase = self.status.phase.as_ref().map_or("", |phase| phase.as_str());
            self.status.phase = Some(format!("{phase} (Deleting)").as_str().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_that_is_being_deleted_has_it_in_its_phase() {
        let mut restore = Restore::new("velero", "r");
        restore.status.phase = Some("Completed".into());
        restore.prepare();
        assert_eq!(restore.status.phase().as_str(), "Completed");
        restore.metadata.deletion_timestamp = Some(crate::api::time(jiff::Timestamp::UNIX_EPOCH));
        restore.prepare();
        assert_eq!(restore.status.phase().as_str(), "Completed (Deleting)");
    }
}
