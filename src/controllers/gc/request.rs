//! The request for the deletion of a backup that has ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;

use crate::api::v1::{Backup, DeleteBackupRequest};
use crate::api::{labels, names};
use crate::controllers::context::Context;
use crate::controllers::fresh;
use crate::runtime::clock::later;
use crate::runtime::lease::NotLeading;
use crate::runtime::uid_of;

use super::plan;

/// After a request that was refused, the next one is made so much later.
const REFUSED: Duration = Duration::from_mins(1);

/// A request could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// This process does not lead.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The requests there are could not be read.
    #[error("reading the DeleteBackupRequests of the backup failed: {0}; check that the API server is reachable")]
    NotRead(#[source] kube::Error),
    /// It was not created.
    #[error("creating a DeleteBackupRequest for the backup failed: {0}; check the rights of the server")]
    NotMade(#[source] kube::Error),
}

/// Requests the deletion of a backup, unless a request for it is at work, or was refused not long ago. Returns whether it did. May be
/// repeated.
///
/// # Errors
/// See [`RequestError`].
pub async fn deletion(ctx: &Arc<Context>, backup: &Backup, now: Timestamp) -> Result<bool, RequestError> {
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    let uid = uid_of(backup);
    let (by_name, by_uid, value) = (labels::BACKUP_NAME, labels::BACKUP_UID, names::label_value(name));
    let of_backup = format!("{by_name}={value},{by_uid}={uid}");
    let requests: Vec<DeleteBackupRequest> = fresh::labelled(ctx, &of_backup).await.map_err(RequestError::NotRead)?;
    let wait = REFUSED.min(ctx.settings.gc_frequency);
    let is_recent = |request: &DeleteBackupRequest| {
        let created = request.metadata.creation_timestamp.as_ref();
        created.is_some_and(|created| later(created.0, wait) > now)
    };
    if requests
        .iter()
        .any(|request| plan::is_open(request) || is_recent(request))
    {
        return Ok(false);
    }
    let request = plan::request(&ctx.namespace, name, uid.as_str());
    let api: Api<DeleteBackupRequest> = Api::namespaced(ctx.cluster.client().clone(), &ctx.namespace);
    let params = PostParams::default();
    let created = ctx.gate.write(api.create(&params, &request)).await?;
    created.map_err(RequestError::NotMade)?;
    Ok(true)
}
