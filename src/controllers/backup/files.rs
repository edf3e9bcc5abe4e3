//! The files of a backup beside its archive and its seal (spec backup 16).

use crate::backup::Report;
use crate::controllers::run::uploads::Uploads;
use crate::controllers::run::{RunError, json_gz, put_log_and_results, results};
use crate::store::Store;
use crate::store::layout::BackupFile;
use crate::telemetry::run_log::RunLog;

/// Stores everything but archive and seal. Repeating it writes the same again.
///
/// # Errors
/// See [`RunError`].
pub async fn put(
    store: &Store,
    uploads: &mut Uploads<'_>,
    name: &str,
    log: &RunLog,
    report: Report,
) -> Result<(), RunError> {
    let none: Option<()> = None;
    for (file, content) in [
        (BackupFile::PodVolumeBackups, json_gz::write(&none)?),
        (BackupFile::VolumeSnapshots, json_gz::write(&none)?),
        (BackupFile::ItemOperations, json_gz::write(&report.operations)?),
        (BackupFile::VolumeInfo, json_gz::write(&report.volumes)?),
        (BackupFile::Results, json_gz::write(&results::of_log(log))?),
    ] {
        store.put(&file.key(name), content).await?;
    }
    uploads
        .put_file(store, &BackupFile::ResourceList.key(name), report.resource_list)
        .await?;
    let finished = log.finish()?;
    Ok(uploads.put_file(store, &BackupFile::Log.key(name), finished).await?)
}

/// Removes what a failed run has stored, and stores its results and its log. The lock of the name stays.
///
/// # Errors
/// See [`RunError`].
pub async fn put_failure(store: &Store, uploads: &mut Uploads<'_>, name: &str, log: &RunLog) -> Result<(), RunError> {
    for file in BackupFile::ALL {
        if file != BackupFile::Metadata {
            store.delete(&file.key(name)).await?;
        }
    }
    let keys = (&*BackupFile::Results.key(name), &*BackupFile::Log.key(name));
    put_log_and_results(store, uploads, keys, log).await
}
