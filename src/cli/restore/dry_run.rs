//! `velero restore create --dry-run`: prints the server's plan for a restore and creates nothing (decisions 20 and 37).

use std::time::Duration;

use kube::Client;

use crate::api::restore_plan::RestorePlan;
use crate::api::v1::{Backup, BackupStorageLocation, DownloadTargetKind, Restore};
use crate::cli::artifact::availability::Availability;
use crate::cli::artifact::plan::{PlanError, empty_plan};
use crate::cli::artifact::{ArtifactError, Artifacts, DOUBTFUL_TIMEOUT, DownloadOptions, lookup};
use crate::cli::failure::Failure;
use crate::cli::objects::{Objects, RequestError};
use crate::cli::output::{self, Format};
use crate::cli::terminal;
use crate::controllers::restore::validate::{Facts, newest_of, validate};
use crate::runtime::clock::{Clock, System};

/// How long to wait for the server's answer, and for the next data of the plan.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Prints the plan.
///
/// # Errors
/// The restore would fail validation, or an object would be denied.
pub async fn run(
    client: &Client,
    namespace: &str,
    mut restore: Restore,
    named_by_time: bool,
    format: Format,
    details: bool,
) -> anyhow::Result<()> {
    could_be_created(client, namespace, &mut restore, named_by_time).await?;
    let plan = plan(client, namespace, &restore).await?;
    let text = match format {
        Format::Table => output::restore_plan::text(&plan, details),
        Format::Json => output::print_json(&plan)?,
        Format::Yaml => output::print_yaml(&plan)?,
    };
    terminal::print(&text)?;
    if plan.validation_errors.is_empty() && plan.summary.deny == 0 {
        Ok(())
    } else {
        Err(Failure::Silent.into())
    }
}

/// Checks that the API server would accept the object: its name, its schema, the user's permissions.
async fn could_be_created(
    client: &Client,
    namespace: &str,
    restore: &mut Restore,
    named_by_time: bool,
) -> Result<(), RequestError> {
    let restores = Objects::<Restore>::new(client, namespace);
    let created = if named_by_time {
        restores.could_create_named_by_time(restore).await
    } else {
        restores.could_create(restore).await
    };
    match created {
        // The API server does not call a webhook with side effects in a dry run.
        Err(RequestError::Refused { code: 400, message, .. }) if message.contains("does not support dry run") => Ok(()),
        created => created.map(drop),
    }
}

async fn plan(client: &Client, namespace: &str, restore: &Restore) -> anyhow::Result<RestorePlan> {
    let backups = Objects::<Backup>::new(client, namespace);
    let backup = if restore.spec.schedule_name.is_empty() {
        restore.spec.backup_name.clone()
    } else {
        // The token is for one backup, so the newest one is looked up here.
        let all: Vec<_> = backups.list(None).await?.items.into_iter().map(Into::into).collect();
        match newest_of(&restore.spec.schedule_name, &all) {
            Ok(backup) => backup,
            Err(validation_errors) => {
                return Ok(RestorePlan {
                    validation_errors,
                    ..empty_plan(restore)
                });
            }
        }
    };
    let archive = DownloadTargetKind::BackupContents;
    // A backup that cannot be read here is checked by the server.
    let found = Objects::<Backup>::new(client, namespace).get(&backup).await.ok();
    let files = match &found {
        Some(backup) => Some(lookup::backup_files(client, namespace, backup).await),
        None => None,
    };
    if let Some(why) = files.as_ref().and_then(|files| files.refusal(&archive)) {
        return unplanned(client, namespace, restore, ArtifactError::Refused(why)).await;
    }
    let doubtful = match files.map(|files| files.availability(&archive)) {
        Some(Availability::Doubtful(why)) => Some(why),
        _ => None,
    };
    let options = DownloadOptions {
        timeout: TIMEOUT,
        insecure_skip_tls_verify: false,
        cacert: None,
    };
    let limit = if doubtful.is_some() { DOUBTFUL_TIMEOUT } else { TIMEOUT };
    let planned = Artifacts::new(client.clone(), namespace, options)
        .plan(&backup, restore, limit)
        .await;
    match (planned, doubtful) {
        (Err(PlanError::Unreached(error @ ArtifactError::Unanswered)), Some(why)) => {
            let error = Box::new(error);
            unplanned(client, namespace, restore, ArtifactError::Doubtful { why, error }).await
        }
        (Err(PlanError::Unreached(error @ ArtifactError::Unanswered)), None) => {
            unplanned(client, namespace, restore, error).await
        }
        (planned, _) => Ok(planned?),
    }
}

/// A server that cannot open the backup's location issues no token. If the restore would fail validation, the validation errors
/// are the better answer; they need the permission to list backups and locations.
async fn unplanned(
    client: &Client,
    namespace: &str,
    restore: &Restore,
    error: ArtifactError,
) -> anyhow::Result<RestorePlan> {
    let backups = Objects::<Backup>::new(client, namespace).list(None).await;
    let locations = Objects::<BackupStorageLocation>::new(client, namespace)
        .list(None)
        .await;
    let (Ok(backups), Ok(locations)) = (backups, locations) else {
        return Err(error.into());
    };
    let facts = Facts {
        now: System.now(),
        item_operation_timeout: Duration::ZERO,
        backups: &backups.items.into_iter().map(Into::into).collect::<Vec<_>>(),
        locations: &locations.items.into_iter().map(Into::into).collect::<Vec<_>>(),
    };
    let validation_errors = validate(restore, &facts).status.validation_errors;
    if validation_errors.is_empty() {
        return Err(error.into());
    }
    Ok(RestorePlan {
        validation_errors,
        ..empty_plan(restore)
    })
}
