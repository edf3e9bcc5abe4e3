//! Where a restore comes from: its validation against what is there, and what the engine needs of its backup. The same for
//! a run and for a dry run.

use std::sync::Arc;

use kube::Api;

use crate::api::names::is_object_name;
use crate::api::v1::{Backup, BackupStorageLocation, Restore, RestorePhase};
use crate::archive::reader::Limits;
use crate::archive::spool::SpoolOptions;
use crate::restore::request::Request;
use crate::runtime::SharedWatch;
use crate::store::Store;
use crate::store::layout::BackupFile;

use super::download::{self, DownloadError};
use super::validate::{Facts, validate};
use super::volumes::{self, VolumesError};
use crate::controllers::context::Context;

/// What the engine needs could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The archive.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The files beside it.
    #[error(transparent)]
    Volumes(#[from] VolumesError),
}

/// The restore as [`validate`] judges it. A refusal is final, so before it is pronounced the backup is looked for once more
/// at the API server: the watches may not know yet what the user has seen a moment ago.
///
/// # Errors
/// The API server could not be asked.
pub async fn judge(
    ctx: &Context,
    backups: &SharedWatch<Backup>,
    locations: &SharedWatch<BackupStorageLocation>,
    seen: &Restore,
) -> Result<Restore, kube::Error> {
    let now = ctx.clock.now();
    let judge = |backups: &[Arc<Backup>], locations: &[Arc<BackupStorageLocation>]| {
        let facts = Facts {
            now,
            item_operation_timeout: ctx.settings.item_operation_timeout,
            backups,
            locations,
        };
        validate(seen, &facts)
    };
    let judged = judge(&backups.list(), &locations.list());
    if *judged.status.phase() != RestorePhase::FailedValidation || seen.spec.backup_name.is_empty() {
        return Ok(judged);
    }
    let (backup, location) = fresh(ctx, &seen.spec.backup_name).await?;
    Ok(judge(backup.as_slice(), location.as_slice()))
}

/// The backup of this name and where it lies, as the API server has them now.
async fn fresh(
    ctx: &Context,
    backup: &str,
) -> Result<(Option<Arc<Backup>>, Option<Arc<BackupStorageLocation>>), kube::Error> {
    let (client, namespace) = (ctx.cluster.client(), &ctx.namespace);
    let backups: Api<Backup> = Api::namespaced(client.clone(), namespace);
    let found = if is_object_name(backup) {
        backups.get_opt(backup).await?
    } else {
        None
    };
    let Some(backup) = found else {
        return Ok((None, None));
    };
    let location = &backup.spec.storage_location;
    // A backup that waits for its turn has none yet.
    let location = if is_object_name(location) {
        let locations: Api<BackupStorageLocation> = Api::namespaced(client.clone(), namespace);
        locations.get_opt(location).await?
    } else {
        None
    };
    Ok((Some(Arc::new(backup)), location.map(Arc::new)))
}

/// Fetches everything the engine needs for a validated restore; at most `spool` bytes go to scratch.
///
/// # Errors
/// See [`FetchError`]. May be repeated; cancelling leaves nothing behind.
pub async fn request(ctx: &Context, store: &Store, restore: &Restore, spool: u64) -> Result<Request, FetchError> {
    let backup = restore.spec.backup_name.as_str();
    let options = SpoolOptions {
        limits: Limits::default(),
        spool,
        versioned: false,
    };
    let archive = download::spool(store, &BackupFile::Contents.key(backup), &ctx.scratch, options).await?;
    // By the API server's clock, as the times it is compared with.
    let meta = &restore.metadata;
    let created = meta.creation_timestamp.as_ref().map(|t| t.0);
    Ok(Request {
        name: meta.name.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        spec: restore.spec.clone(),
        started: created.unwrap_or_else(|| ctx.clock.now()),
        archive: Arc::new(archive),
        kept_volumes: volumes::read(store, backup).await?,
        options: ctx.settings.restore.clone(),
    })
}
