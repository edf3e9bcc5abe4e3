//! The files of a restore in the bucket (spec restore 17).

use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{RunError, json_gz};
use crate::restore::ledger::Severity;
use crate::restore::report::{Report, recap};
use crate::store::Store;
use crate::store::layout::RestoreFile;
use crate::telemetry::run_log::RunLog;

/// Stores everything that the bucket has of a restore; the log ends with `last_line`. Repeating it writes the same again.
///
/// # Errors
/// See [`RunError`].
pub async fn put(
    store: &Store,
    uploads: &mut Uploads<'_>,
    name: &str,
    log: &RunLog,
    report: Report,
    last_line: &str,
) -> Result<(), RunError> {
    let empty: [(); 0] = [];
    for (file, content) in [
        (RestoreFile::Results, json_gz::write(&report.results)?),
        (RestoreFile::ResourceList, json_gz::write(&report.resources)?),
        (RestoreFile::ItemOperations, json_gz::write(&report.operations)?),
        (RestoreFile::VolumeInfo, json_gz::write(&empty)?),
    ] {
        store.put(&file.key(name), content).await?;
    }
    for (severity, line) in recap(&report.results) {
        match severity {
            Severity::Error => log.error(line),
            Severity::Warning => log.warn(line),
        }
    }
    log.info(last_line);
    Ok(uploads
        .put_file(store, &RestoreFile::Log.key(name), log.finish()?)
        .await?)
}
