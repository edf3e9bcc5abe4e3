//! The files of a run that failed.

use crate::store::Store;
use crate::telemetry::run_log::RunLog;

use super::uploads::Uploads;
use super::{RunError, json_gz, results};

/// Stores the results that the log has, and the log itself, under these keys. Repeating it writes the same again.
///
/// # Errors
/// See [`RunError`].
pub async fn put_log_and_results(
    store: &Store,
    uploads: &mut Uploads<'_>,
    (results_key, log_key): (&str, &str),
    log: &RunLog,
) -> Result<(), RunError> {
    store.put(results_key, json_gz::write(&results::of_log(log))?).await?;
    Ok(uploads.put_file(store, log_key, log.finish()?).await?)
}
