//! DownloadRequest: how people read a run's files. Answered with a signed URL where the store can sign, else with a URL of
//! the artifact endpoint (decision 44), and always with a token for that (decision 24, spec server-cli 5); gone after ten
//! minutes. A file that is not there gets an answer as well: the endpoint says why, and Go clients show no status.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::Api;

use crate::api::names::is_object_name;
use crate::api::time;
use crate::api::v1::{Backup, BackupStorageLocation, DownloadRequest, DownloadRequestPhase, DownloadTarget, Restore};
use crate::runtime::clock::later;
use crate::runtime::{Class, Classify, Controller, Kind, Manager, Next, Reconciler};
use crate::store::StoreError;

use super::artifact::absent::Missing;
use super::artifact::base::BaseUrl;
use super::artifact::file::Artifact;
use super::artifact::finder::Finder;
use super::artifact::token::{Key, LIFETIME};
use super::location::{self, LocationError};
use super::watches::{BUCKET_WORKERS, Watches};
use super::write::{WriteError, Written};
use crate::controllers::context::Context;

/// Where the token stands on an answered request.
pub const TOKEN: &str = "velero.io/artifact-token";

/// When to look again for what the watch does not show yet.
const UNSEEN: Duration = Duration::from_secs(1);

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer was not written, or the request not removed.
    #[error("answering the download request failed: {0}")]
    StatusNotWritten(#[from] WriteError),
    /// The store cannot be opened.
    #[error("opening the storage location for the download request failed: {0}")]
    LocationUnusable(#[from] LocationError),
    /// The URL cannot be signed.
    #[error("signing a URL for the download request failed: {0}")]
    NotSigned(#[from] StoreError),
    /// Whether what the watch does not show is there is not known.
    #[error("looking for what the download request names failed: {0}")]
    TargetUnknown(#[source] Box<kube::Error>),
}

impl Classify for Error {
    crate::runtime::reasons!(StatusNotWritten, LocationUnusable, NotSigned, TargetUnknown);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct DownloadRequests {
    ctx: Arc<Context>,
    finder: Finder,
    key: Key,
    base: BaseUrl,
    /// Whether the served schema has the phase Failed.
    pub(super) can_fail: bool,
}

impl DownloadRequests {
    /// A reconciler of download requests that issues tokens with this key, and URLs that begin with this base.
    pub fn new(ctx: Arc<Context>, finder: Finder, key: Key, base: BaseUrl) -> Self {
        let can_fail = ctx.writer.fails_downloads();
        Self {
            ctx,
            finder,
            key,
            base,
            can_fail,
        }
    }

    /// Runs it in this manager.
    pub fn register(self, manager: &mut Manager, watches: &Watches) {
        manager.control(Controller::new(self, &watches.downloads).workers(BUCKET_WORKERS));
    }
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Answer,
    Keep(Timestamp),
    Remove,
}

fn step(seen: &DownloadRequest, now: Timestamp) -> Step {
    match (&seen.status.expiration, &seen.status.phase) {
        (Some(end), _) if now >= end.0 => Step::Remove,
        (Some(end), Some(DownloadRequestPhase::Processed)) => Step::Keep(end.0),
        (Some(end), _) if seen.status.is_failed() => Step::Keep(end.0),
        _ => Step::Answer,
    }
}

impl Reconciler for DownloadRequests {
    type Kind = DownloadRequest;
    type Error = Error;
    const NAME: &'static str = "download-request";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<DownloadRequest>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        match step(&seen, now) {
            Step::Keep(until) => return Ok(Next::At(until)),
            Step::Remove => {
                self.ctx.writer.remove(&*seen).await?;
                return Ok(Next::Resync);
            }
            Step::Answer => {}
        }
        let end = seen
            .status
            .expiration
            .as_ref()
            .map_or_else(|| later(now, LIFETIME), |t| t.0);
        let mut wanted = (*seen).clone();
        wanted.status.expiration = Some(time(end));
        let target = &seen.spec.target;
        let token = self.key.issue(target.kind.as_str(), &target.name, end);
        if let Some(why) = self.unwritten(target) {
            wanted.status.fail(why);
            return self.write(&seen, wanted, token, end).await;
        }
        match self.signed(target).await? {
            Found::Unseen => return Ok(Next::After(UNSEEN)),
            Found::Signed(url) => wanted.status.download_url = url,
            Found::Unsigned => {
                wanted.status.download_url = self.base.url(target.kind.as_str(), &target.name, &token);
            }
        }
        wanted.status.phase = Some(DownloadRequestPhase::Processed);
        self.write(&seen, wanted, token, end).await
    }
}

/// What can be offered of a target.
enum Found {
    /// The store's own URL.
    Signed(String),
    /// The store signs no URLs, or there is nothing to sign one for.
    Unsigned,
    /// It has just come, and the watch does not show it yet.
    Unseen,
}

impl DownloadRequests {
    /// Writes an answer. The token comes with a failure too: a restore can be planned before its backup has written anything.
    async fn write(
        &self,
        seen: &DownloadRequest,
        mut wanted: DownloadRequest,
        token: String,
        end: Timestamp,
    ) -> Result<Next, Error> {
        let annotations = wanted.metadata.annotations.get_or_insert_default();
        annotations.insert(TOKEN.to_owned(), token);
        match self.ctx.writer.write(seen, &wanted).await? {
            Written::Conflict => Ok(Next::After(Duration::from_secs(1))),
            Written::Done | Written::Unchanged => Ok(Next::At(end)),
        }
    }

    /// Why the request fails; nothing if it does not, or the schema has no phase for it.
    fn unwritten(&self, target: &DownloadTarget) -> Option<String> {
        let artifact = Artifact::of(target.kind.as_str(), &target.name)?;
        self.finder.unwritten(&artifact).filter(|_| self.can_fail)
    }

    async fn signed(&self, target: &DownloadTarget) -> Result<Found, Error> {
        let Some(artifact) = Artifact::of(target.kind.as_str(), &target.name) else {
            return Ok(Found::Unsigned);
        };
        let location = match self.finder.location(&artifact) {
            Ok(location) => location,
            Err(missing) if self.fresh_exists(&missing).await? => return Ok(Found::Unseen),
            Err(_) => return Ok(Found::Unsigned),
        };
        let store = match location::open(&self.ctx, &location).await {
            Ok(store) => store,
            Err(error) if error.is_transient() => return Err(error.into()),
            // The endpoint says what is wrong with the location, where the file is asked for.
            Err(_) => return Ok(Found::Unsigned),
        };
        let signed = store.signed_url(&artifact.key(), LIFETIME).await?;
        Ok(signed.map_or(Found::Unsigned, Found::Signed))
    }

    /// Whether what the watch does not show is there all the same, as the API server says now.
    async fn fresh_exists(&self, missing: &Missing) -> Result<bool, Error> {
        match missing {
            Missing::Restore(name) => self.fresh::<Restore>(name).await,
            Missing::Backup(name) => self.fresh::<Backup>(name).await,
            Missing::Location { location, .. } => self.fresh::<BackupStorageLocation>(location).await,
        }
    }

    async fn fresh<K>(&self, name: &str) -> Result<bool, Error>
    where
        K: Kind + kube::Resource<Scope = NamespaceResourceScope>,
    {
        if !is_object_name(name) {
            return Ok(false);
        }
        let api: Api<K> = Api::namespaced(self.ctx.cluster.client().clone(), &self.ctx.namespace);
        let found = api.get_metadata_opt(name).await;
        Ok(found.map_err(|error| Error::TargetUnknown(Box::new(error)))?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_once_and_removed_when_it_expires_whatever_its_phase() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut seen = DownloadRequest::new("velero", "x");
        assert_eq!(step(&seen, at(0)), Step::Answer);
        seen.status.expiration = Some(time(at(600)));
        assert_eq!(
            step(&seen, at(1)),
            Step::Answer,
            "only its end was written before the answer failed"
        );
        assert_eq!(step(&seen, at(600)), Step::Remove);
        seen.status.phase = Some(DownloadRequestPhase::Processed);
        assert_eq!(step(&seen, at(599)), Step::Keep(at(600)));
        seen.status.fail("why".to_owned());
        assert_eq!(step(&seen, at(599)), Step::Keep(at(600)));
        assert_eq!(step(&seen, at(600)), Step::Remove);
    }
}
