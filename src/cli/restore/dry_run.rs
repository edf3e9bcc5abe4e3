//! `velero restore create --dry-run`: what the restore would do, by the server; nothing is created (decisions 20 and 37).

use std::time::Duration;

use kube::Client;

use crate::api::restore_plan::RestorePlan;
use crate::api::v1::{Backup, BackupStorageLocation, DownloadTargetKind, Restore};
use crate::cli::artifact::outlook::Outlook;
use crate::cli::artifact::plan::{PlanError, nothing};
use crate::cli::artifact::{ArtifactError, Artifacts, DOUBT, DownloadOptions, place};
use crate::cli::failure::Ending;
use crate::cli::objects::{Objects, RequestError};
use crate::cli::output::{self, Format};
use crate::cli::terminal;
use crate::controllers::restore::validate::{Facts, newest_of, validate};
use crate::runtime::clock::{Clock, System};

/// How long the server may take to answer, and how long it may say nothing.
const PATIENCE: Duration = Duration::from_mins(1);

/// Shows what the server would do with the restore. Ends with an error if it would be refused, or anything of it denied.
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
        Err(Ending::Silent.into())
    }
}

/// Whether the API server would take the object: its name, its schema, the user's rights.
async fn could_be_created(
    client: &Client,
    namespace: &str,
    restore: &mut Restore,
    named_by_time: bool,
) -> Result<(), RequestError> {
    let restores = Objects::<Restore>::new(client, namespace);
    let asked = if named_by_time {
        restores.could_create_named_by_time(restore).await
    } else {
        restores.could_create(restore).await
    };
    match asked {
        // A webhook that has effects is not asked.
        Err(RequestError::Refused { code: 400, message, .. }) if message.contains("does not support dry run") => Ok(()),
        created => created.map(drop),
    }
}

async fn plan(client: &Client, namespace: &str, restore: &Restore) -> anyhow::Result<RestorePlan> {
    let backups = Objects::<Backup>::new(client, namespace);
    let backup = if restore.spec.schedule_name.is_empty() {
        restore.spec.backup_name.clone()
    } else {
        // The token is for one backup, so it has to be known which one it will be.
        let all: Vec<_> = backups.list(None).await?.items.into_iter().map(Into::into).collect();
        match newest_of(&restore.spec.schedule_name, &all) {
            Ok(backup) => backup,
            Err(validation_errors) => {
                return Ok(RestorePlan {
                    validation_errors,
                    ..nothing(restore)
                });
            }
        }
    };
    let archive = DownloadTargetKind::BackupContents;
    // A backup that cannot be read here is the server's to judge.
    let found = Objects::<Backup>::new(client, namespace).get(&backup).await.ok();
    let known = match &found {
        Some(backup) => Some(place::of_backup(client, namespace, backup).await),
        None => None,
    };
    if let Some(why) = known.as_ref().and_then(|known| known.refusal(&archive)) {
        return unplanned(client, namespace, restore, ArtifactError::Refused(why)).await;
    }
    let doubt = match known.map(|known| known.outlook(&archive)) {
        Some(Outlook::Doubtful(why)) => Some(why),
        _ => None,
    };
    let options = DownloadOptions {
        timeout: PATIENCE,
        insecure_skip_tls_verify: false,
        cacert: None,
    };
    let limit = if doubt.is_some() { DOUBT } else { PATIENCE };
    let planned = Artifacts::new(client.clone(), namespace, options)
        .plan(&backup, restore, limit)
        .await;
    match (planned, doubt) {
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

/// A server that cannot open the backup's location issues no token. That the restore would be refused is the better answer,
/// where the user may read what it takes to tell.
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
        ..nothing(restore)
    })
}
