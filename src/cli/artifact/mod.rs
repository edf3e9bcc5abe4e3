//! A run's files, by a DownloadRequest and whichever way to them is open (decision 24, spec server-cli 8.7).
//!
//! The ways, in order: the server's artifact endpoint through the API server's proxy, the same through a forwarded port,
//! the URL of the answer, which is the store's or the endpoint's own. A Go server offers the last one only. The endpoint
//! also plans restores ([`plan`]); of that there is no other way.

mod body;
mod error;
mod forward;
mod options;
pub mod outlook;
pub mod place;
pub mod plan;
mod proxy;
mod request;
mod silence;
mod url;
mod way;

pub use error::ArtifactError;
pub use options::{DownloadArgs, DownloadOptions, timeout};

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use kube::Client;
use serde::de::DeserializeOwned;

use super::output::describe::Fetched;
use crate::api::v1::DownloadTargetKind;

use body::Body;
use outlook::{Known, Outlook, Place};
use request::{Offer, Requests};
use way::{Ask, Miss};

/// The most bytes of a file that is read into memory, after decompression.
const MAX_IN_MEMORY: usize = 512 * 1024 * 1024;

/// How long a file is waited for that can probably not be read.
pub const DOUBT: Duration = Duration::from_secs(5);

/// Fetches files of runs in one namespace.
#[derive(Clone)]
pub struct Artifacts {
    client: Client,
    namespace: String,
    options: DownloadOptions,
    /// That there is no server, once it is known: it is not waited for again for the next file.
    no_server: Arc<OnceLock<String>>,
}

impl Artifacts {
    /// Fetches through this client.
    pub fn new(client: Client, namespace: &str, options: DownloadOptions) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            options,
            no_server: Arc::default(),
        }
    }

    /// Writes a file to `sink`, decompressed unless it is the archive itself. `sink` may have got a part when this fails.
    pub async fn copy(
        &self,
        known: &Known<'_>,
        kind: &DownloadTargetKind,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        if let Some(why) = known.refusal(kind) {
            return Err(ArtifactError::Refused(why));
        }
        match self.attempt(known, kind, sink).await {
            Err(ArtifactError::Missing) => {
                Err(known.of_missing().map_or(ArtifactError::Missing, ArtifactError::Failed))
            }
            copied => copied,
        }
    }

    /// The same where the run's phase and location speak for the file.
    async fn attempt(
        &self,
        known: &Known<'_>,
        kind: &DownloadTargetKind,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        let name = known.run.name();
        let doubt = |why: String, error| ArtifactError::Doubtful {
            why,
            error: Box::new(error),
        };
        if let Outlook::Doubtful(why) = known.outlook(kind) {
            let mut hasty = self.clone();
            hasty.options.timeout = hasty.options.timeout.min(DOUBT);
            return match hasty.fetch(kind, name, sink).await {
                Err(
                    error @ (ArtifactError::Unanswered | ArtifactError::Unreachable(_) | ArtifactError::Transfer(_)),
                ) => Err(doubt(why, error)),
                fetched => fetched,
            };
        }
        match (self.fetch(kind, name, sink).await, &known.place) {
            (Err(error @ ArtifactError::Unanswered), Place::NotRead(why)) => {
                Err(doubt(format!("where the file is could not be looked up: {why}"), error))
            }
            (fetched, _) => fetched,
        }
    }

    async fn fetch(
        &self,
        kind: &DownloadTargetKind,
        name: &str,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        let requests = Requests::new(&self.client, &self.namespace);
        let request = self.request(&requests, kind, name).await?;
        let copied = self.answered(&requests, &request, kind, name, sink).await;
        requests.remove(&request).await;
        copied
    }

    /// Asks the server for a file; gives the name of the request.
    async fn request(
        &self,
        requests: &Requests,
        kind: &DownloadTargetKind,
        name: &str,
    ) -> Result<String, ArtifactError> {
        if let Some(why) = self.no_server.get() {
            return Err(ArtifactError::NoServer(why.clone()));
        }
        Ok(requests.create(kind, name).await?)
    }

    /// What the server offers, as soon as it answers. Ends early when there is no server.
    async fn offer(&self, requests: &Requests, request: &str, limit: Duration) -> Result<Offer, ArtifactError> {
        tokio::select! {
            offer = requests.answer(request, limit) => offer?.ok_or(ArtifactError::Unanswered),
            why = silence::broken(&self.client, &self.namespace, limit) => {
                Err(ArtifactError::NoServer(self.no_server.get_or_init(|| why).clone()))
            }
        }
    }

    async fn answered(
        &self,
        requests: &Requests,
        request: &str,
        kind: &DownloadTargetKind,
        name: &str,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        let offer = self.offer(requests, request, self.options.timeout).await?;
        let body = self.open(&offer, kind, name).await?;
        if *kind == DownloadTargetKind::BackupContents {
            body::copy(body, sink, self.options.timeout).await
        } else {
            body::gunzip(body, sink, self.options.timeout).await
        }
    }

    /// Reads a file of JSON.
    pub async fn json<T: DeserializeOwned>(&self, known: &Known<'_>, kind: &DownloadTargetKind) -> Fetched<T> {
        if let Some(why) = known.brief_refusal(kind).or_else(|| known.silence.get().cloned()) {
            return Fetched::NotFetched(why);
        }
        let mut bytes = body::Limited::new(MAX_IN_MEMORY);
        match self.attempt(known, kind, &mut bytes).await {
            Ok(()) => match serde_json::from_slice(bytes.as_slice()) {
                Ok(value) => Fetched::Got(value),
                Err(error) => Fetched::Unreadable(error.to_string()),
            },
            Err(ArtifactError::Missing) => Fetched::Missing,
            Err(ArtifactError::Write(_)) => Fetched::NotFetched(ArtifactError::TooLong(MAX_IN_MEMORY).to_string()),
            Err(error) => {
                let why = error.to_string();
                if error.is_silence() {
                    let _ = known.silence.set(why.clone());
                }
                Fetched::NotFetched(why)
            }
        }
    }

    async fn open(&self, offer: &Offer, kind: &DownloadTargetKind, name: &str) -> Result<Body, ArtifactError> {
        let ask = Ask {
            method: Method::GET,
            path: format!("/artifacts/{kind}/{name}"),
            body: Bytes::new(),
        };
        let mut closed = Vec::new();
        if let Some(token) = &offer.token {
            match self.ask(&ask, token, &mut closed).await {
                Ok(body) => return Ok(body),
                Err(Miss::Absent) => return Err(ArtifactError::Missing),
                Err(Miss::Refused(status, why)) => closed.push(format!("{status}: {why}")),
                Err(Miss::Closed(_)) => {}
            }
        }
        if let Some(address) = &offer.url {
            let opened = url::open(&self.client, &self.namespace, address, kind, name, &self.options);
            match self.in_time(opened).await {
                Ok(body) => return Ok(body),
                Err(Miss::Absent) => return Err(ArtifactError::Missing),
                Err(Miss::Closed(why) | Miss::Refused(_, why)) => closed.push(format!("from the server's URL: {why}")),
            }
        }
        Err(ArtifactError::Unreachable(closed))
    }

    /// Asks the endpoint by the first way that is open; those that are closed are added to the list.
    async fn ask(&self, ask: &Ask, token: &str, closed: &mut Vec<String>) -> Result<Body, Miss> {
        let proxied = proxy::open(&self.client, &self.namespace, ask, token);
        match self.in_time(proxied).await {
            Err(Miss::Closed(why)) => closed.push(format!("through the API server's proxy: {why}")),
            answered => return answered,
        }
        let forwarded = forward::open(&self.client, &self.namespace, ask, token);
        let answered = self.in_time(forwarded).await;
        if let Err(Miss::Closed(why)) = &answered {
            closed.push(format!("through a forwarded port: {why}"));
        }
        answered
    }

    /// A way that does not open in time is closed.
    async fn in_time(&self, opened: impl Future<Output = Result<Body, Miss>>) -> Result<Body, Miss> {
        match tokio::time::timeout(self.options.timeout, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(Miss::Closed(format!(
                "no answer within {} s",
                self.options.timeout.as_secs()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::Backup;
    use crate::testing::fake_api::{FakeApi, FakeKind};
    use outlook::Run;

    /// No server answers here, and there is no Lease.
    fn artifacts(api: &FakeApi) -> Artifacts {
        let options = DownloadOptions {
            timeout: Duration::from_secs(30),
            insecure_skip_tls_verify: false,
            cacert: None,
        };
        Artifacts::new(api.client(), "velero", options)
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_whose_file_did_not_come_is_not_waited_for_again() {
        let api = FakeApi::serving(vec![
            FakeKind::new("v1", "namespaces", "Namespace", false),
            FakeKind::new("velero.io/v1", "downloadrequests", "DownloadRequest", true),
        ]);
        api.insert(serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}}));
        let backup = Backup::new("velero", "b");
        let unavailable = Place::Unavailable("backup storage location \"l\" is Unavailable: gone".to_owned());
        for (place, limit, want) in [
            (Place::Usable, 31, "download request download url timeout"),
            (unavailable, 6, "is Unavailable: gone; the file could not be read: "),
        ] {
            let mut completed = backup.clone();
            completed.status.phase = Some(crate::api::v1::BackupPhase::Completed);
            let known = Known::new(Run::Backup(&completed), place);
            let started = tokio::time::Instant::now();
            for kind in [
                DownloadTargetKind::BackupResourceList,
                DownloadTargetKind::BackupVolumeInfos,
            ] {
                let fetched: Fetched<serde_json::Value> = artifacts(&api).json(&known, &kind).await;
                let Fetched::NotFetched(why) = fetched else {
                    panic!("{fetched:?}");
                };
                assert!(why.contains(want), "{why}");
            }
            assert!(started.elapsed().as_secs() < limit, "{:?}", started.elapsed());
        }
    }
}
