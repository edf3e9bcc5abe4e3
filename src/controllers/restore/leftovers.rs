//! What a restore leaves behind that does not go on.

use crate::api::v1::{Restore, RestorePhase};
use crate::controllers::run::record::Record;
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{Recorded, RunId, RunState};
use crate::store::layout::restore_dir;
use crate::store::{Store, StoreError};

use super::ledger_record;
use super::reconcile::Restores;
use super::run::is_ended;

impl Recorded for Restores {
    fn state(restore: &Restore) -> RunState {
        match restore.status.phase() {
            RestorePhase::New | RestorePhase::InProgress => RunState::Running,
            // The record is the finalizer's too.
            phase if phase.is_waiting_for_operations() || phase.is_finalizing() => RunState::Running,
            _ => RunState::Ended,
        }
    }

    fn may_have_left_files(record: &Record) -> bool {
        // Without its end in the record, it was not the run that wrote its status.
        ledger_record::is_in_bucket(record) || !is_ended(record)
    }

    async fn put_in_order(
        store: &Store,
        run: &RunId,
        uploads: &Uploads<'_>,
        _state: RunState,
    ) -> Result<(), StoreError> {
        store.delete(&ledger_record::bucket_key(&run.name)).await?;
        uploads.sweep(store, &restore_dir(&run.name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_goes_on_until_its_end_is_recorded() {
        for (phase, state) in [
            ("InProgress", RunState::Running),
            ("WaitingForPluginOperationsPartiallyFailed", RunState::Running),
            ("Finalizing", RunState::Running),
            ("Completed", RunState::Ended),
            ("Failed", RunState::Ended),
        ] {
            let mut restore = Restore::new("velero", "r");
            restore.status.phase = Some(RestorePhase::from(phase));
            assert_eq!(Restores::state(&restore), state, "{phase}");
        }
    }
}
