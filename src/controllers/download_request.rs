//! DownloadRequest: how people read a run's files. Answered with a signed URL where the store can sign, and always with a
//! token for the artifact endpoint (decision 24, spec server 5); gone after ten minutes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::time;
use crate::api::v1::{Backup, BackupStorageLocation, DownloadRequest, DownloadRequestPhase, DownloadTarget, Restore};
use crate::runtime::clock::later;
use crate::runtime::{Class, Classify, Next, ObjectRef, Reconciler, SharedWatch};
use crate::store::StoreError;

use super::artifact::file::Artifact;
use super::artifact::token::{Key, LIFETIME};
use super::location::{self, LocationError};
use super::ports::Ports;
use super::write::{WriteError, Written};

/// Where the token stands on an answered request.
pub const TOKEN: &str = "velero.io/artifact-token";

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
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            _ => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct DownloadRequests {
    ports: Arc<Ports>,
    finder: Finder,
    key: Key,
}

/// Finds whose file is asked for and where it lies.
#[derive(Clone)]
pub struct Finder {
    /// The backups.
    pub backups: SharedWatch<Backup>,
    /// The restores.
    pub restores: SharedWatch<Restore>,
    /// The locations.
    pub locations: SharedWatch<BackupStorageLocation>,
    /// The namespace Velero lives in.
    pub namespace: String,
}

impl Finder {
    /// The location of a run's files; `None` if the run, its backup or its location is not there.
    pub fn location(&self, artifact: &Artifact) -> Option<Arc<BackupStorageLocation>> {
        let backup = match artifact {
            Artifact::Backup(_, name) => name.clone(),
            Artifact::Restore(_, name) => self
                .restores
                .get(&ObjectRef::new(name).within(&self.namespace))?
                .spec
                .backup_name
                .clone(),
        };
        let backup = self.backups.get(&ObjectRef::new(&backup).within(&self.namespace))?;
        self.locations
            .get(&ObjectRef::new(&backup.spec.storage_location).within(&self.namespace))
    }
}

impl DownloadRequests {
    /// A reconciler of download requests that issues tokens with this key.
    pub fn new(ports: Arc<Ports>, finder: Finder, key: Key) -> Self {
        Self { ports, finder, key }
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
        _ => Step::Answer,
    }
}

impl Reconciler for DownloadRequests {
    type Kind = DownloadRequest;
    type Error = Error;
    const NAME: &'static str = "download-request";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, seen: Arc<DownloadRequest>) -> Result<Next, Error> {
        let now = self.ports.clock.now();
        match step(&seen, now) {
            Step::Keep(until) => return Ok(Next::At(until)),
            Step::Remove => {
                self.ports.remove(&*seen).await?;
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
        let answered = self.answer(&seen.spec.target, end).await?;
        if let Some((url, token)) = answered {
            wanted.status.phase = Some(DownloadRequestPhase::Processed);
            wanted.status.download_url = url.unwrap_or_default();
            wanted
                .metadata
                .annotations
                .get_or_insert_default()
                .insert(TOKEN.to_owned(), token);
        }
        match self.ports.write(&*seen, &wanted).await? {
            Written::Conflict => Ok(Next::In(Duration::from_secs(1))),
            Written::Done | Written::Unchanged => Ok(Next::At(end)),
        }
    }
}

impl DownloadRequests {
    /// The URL, if the store can sign, and the token; nothing if the target is not there (yet).
    async fn answer(&self, target: &DownloadTarget, end: Timestamp) -> Result<Option<(Option<String>, String)>, Error> {
        let Some(artifact) = Artifact::of(target.kind.as_str(), &target.name) else {
            return Ok(None);
        };
        let Some(location) = self.finder.location(&artifact) else {
            return Ok(None);
        };
        let store = location::open(&self.ports, &location).await?;
        let url = store.signed_url(&artifact.key(), LIFETIME).await?;
        Ok(Some((url, self.key.issue(target.kind.as_str(), &target.name, end))))
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
        assert_eq!(step(&seen, at(600)), Step::Remove);
    }
}
