//! Fetches the files of a run by a DownloadRequest, over the first connection that works (decision 24, spec server-cli 8.7).
//!
//! The connections, in order: the server's artifact endpoint through the API server's proxy, the endpoint through a forwarded
//! port, and the URL in the status of the request, which is signed by the store or is the endpoint's own. A Go server offers
//! only the URL. The endpoint also plans restores ([`plan`]), which a Go server cannot.

pub mod availability;
mod body;
mod endpoint_request;
mod error;
mod forward;
pub mod lookup;
mod options;
pub mod plan;
mod proxy;
mod request;
mod server_check;
mod url;

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

use availability::{Availability, FilesLocation, RunFiles};
use body::Body;
use endpoint_request::{EndpointRequest, OpenError};
use request::{Offer, Requests};

/// The most bytes of a file that is read into memory, after decompression.
const MAX_IN_MEMORY: usize = 512 * 1024 * 1024;

/// How long to wait for a file that can probably not be read.
pub const DOUBTFUL_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches files of runs in one namespace.
#[derive(Clone)]
pub struct Artifacts {
    client: Client,
    namespace: String,
    options: DownloadOptions,
    /// Set once the server is found not to run, so that the next file fails at once.
    no_server: Arc<OnceLock<String>>,
}

impl Artifacts {
    /// Access through this client.
    pub fn new(client: Client, namespace: &str, options: DownloadOptions) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            options,
            no_server: Arc::default(),
        }
    }

    /// Writes a file to `sink`, decompressed unless it is the archive. On an error `sink` may have a part of the file.
    pub async fn copy(
        &self,
        files: &RunFiles<'_>,
        kind: &DownloadTargetKind,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        if let Some(why) = files.refusal(kind) {
            return Err(ArtifactError::Refused(why));
        }
        match self.attempt(files, kind, sink).await {
            Err(ArtifactError::Missing) => {
                Err(files.of_missing().map_or(ArtifactError::Missing, ArtifactError::Failed))
            }
            copied => copied,
        }
    }

    /// Fetches a file that the run's phase and location do not exclude.
    async fn attempt(
        &self,
        files: &RunFiles<'_>,
        kind: &DownloadTargetKind,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        let name = files.run.name();
        let doubtful = |why: String, error| ArtifactError::Doubtful {
            why,
            error: Box::new(error),
        };
        if let Availability::Doubtful(why) = files.availability(kind) {
            let mut impatient = self.clone();
            impatient.options.timeout = impatient.options.timeout.min(DOUBTFUL_TIMEOUT);
            return match impatient.fetch(kind, name, sink).await {
                Err(
                    error @ (ArtifactError::Unanswered | ArtifactError::Unreachable(_) | ArtifactError::Transfer(_)),
                ) => Err(doubtful(why, error)),
                fetched => fetched,
            };
        }
        match (self.fetch(kind, name, sink).await, &files.location) {
            (Err(error @ ArtifactError::Unanswered), FilesLocation::Unknown(why)) => {
                Err(doubtful(format!("the location of the file is unknown: {why}"), error))
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
        let copied = self.download(&requests, &request, kind, name, sink).await;
        requests.remove(&request).await;
        copied
    }

    /// Creates the request for a file and returns its name.
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

    /// Waits for the server's offer. Fails early when the server does not run.
    async fn offer(&self, requests: &Requests, request: &str, limit: Duration) -> Result<Offer, ArtifactError> {
        tokio::select! {
            offer = requests.answer(request, limit) => offer?.ok_or(ArtifactError::Unanswered),
            why = server_check::not_running(&self.client, &self.namespace, limit) => {
                Err(ArtifactError::NoServer(self.no_server.get_or_init(|| why).clone()))
            }
        }
    }

    async fn download(
        &self,
        requests: &Requests,
        request: &str,
        kind: &DownloadTargetKind,
        name: &str,
        sink: &mut (impl io::Write + Send),
    ) -> Result<(), ArtifactError> {
        let mut offer = self.offer(requests, request, self.options.timeout).await?;
        if let Some(why) = offer.failure.take() {
            return Err(ArtifactError::Refused(why));
        }
        let body = self.open(&offer, kind, name).await?;
        if *kind == DownloadTargetKind::BackupContents {
            body::copy(body, sink, self.options.timeout).await
        } else {
            body::gunzip(body, sink, self.options.timeout).await
        }
    }

    /// Reads a file of JSON.
    pub async fn json<T: DeserializeOwned>(&self, files: &RunFiles<'_>, kind: &DownloadTargetKind) -> Fetched<T> {
        if let Some(why) = files.brief_refusal(kind).or_else(|| files.timed_out.get().cloned()) {
            return Fetched::NotFetched(why);
        }
        let mut bytes = body::Limited::new(MAX_IN_MEMORY);
        match self.attempt(files, kind, &mut bytes).await {
            Ok(()) => match serde_json::from_slice(bytes.as_slice()) {
                Ok(value) => Fetched::Got(value),
                Err(error) => Fetched::Unreadable(error.to_string()),
            },
            Err(ArtifactError::Missing) => Fetched::Missing,
            Err(ArtifactError::Write(_)) => Fetched::NotFetched(ArtifactError::TooLong(MAX_IN_MEMORY).to_string()),
            Err(error) => {
                let why = error.to_string();
                if error.is_timeout() {
                    let _ = files.timed_out.set(why.clone());
                }
                Fetched::NotFetched(why)
            }
        }
    }

    async fn open(&self, offer: &Offer, kind: &DownloadTargetKind, name: &str) -> Result<Body, ArtifactError> {
        let get = EndpointRequest {
            method: Method::GET,
            path: format!("/artifacts/{kind}/{name}"),
            body: Bytes::new(),
        };
        let mut failed = Vec::new();
        if let Some(token) = &offer.token {
            match self.send(&get, token, &mut failed).await {
                Ok(body) => return Ok(body),
                Err(OpenError::NotFound) => return Err(ArtifactError::Missing),
                Err(OpenError::Rejected(status, why)) => failed.push(format!("{status}: {why}")),
                Err(OpenError::Unreachable(_)) => {}
            }
        }
        if let Some(address) = &offer.url {
            let opened = url::open(&self.client, &self.namespace, address, kind, name, &self.options);
            match self.in_time(opened).await {
                Ok(body) => return Ok(body),
                Err(OpenError::NotFound) => return Err(ArtifactError::Missing),
                Err(OpenError::Unreachable(why) | OpenError::Rejected(_, why)) => {
                    failed.push(format!("from the server's URL: {why}"));
                }
            }
        }
        Err(ArtifactError::Unreachable(failed))
    }

    /// Sends a request to the endpoint over the first connection that works; adds the errors of the others to `failed`.
    async fn send(&self, request: &EndpointRequest, token: &str, failed: &mut Vec<String>) -> Result<Body, OpenError> {
        let proxied = proxy::open(&self.client, &self.namespace, request, token);
        match self.in_time(proxied).await {
            Err(OpenError::Unreachable(why)) => failed.push(format!("through the API server's proxy: {why}")),
            answered => return answered,
        }
        let forwarded = forward::open(&self.client, &self.namespace, request, token);
        let answered = self.in_time(forwarded).await;
        if let Err(OpenError::Unreachable(why)) = &answered {
            failed.push(format!("through a forwarded port: {why}"));
        }
        answered
    }

    /// Limits the time that a connection may take.
    async fn in_time(&self, opened: impl Future<Output = Result<Body, OpenError>>) -> Result<Body, OpenError> {
        match tokio::time::timeout(self.options.timeout, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(OpenError::Unreachable(format!(
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
    use availability::RunRef;

    /// An API server without a Velero server and without a Lease.
    fn artifacts(api: &FakeApi) -> Artifacts {
        let options = DownloadOptions {
            timeout: Duration::from_secs(30),
            insecure_skip_tls_verify: false,
            cacert: None,
        };
        Artifacts::new(api.client(), "velero", options)
    }

    #[tokio::test(start_paused = true)]
    async fn after_one_timeout_the_other_files_of_a_run_fail_at_once() {
        let api = FakeApi::serving(vec![
            FakeKind::new("v1", "namespaces", "Namespace", false),
            FakeKind::new("velero.io/v1", "downloadrequests", "DownloadRequest", true),
        ]);
        api.insert(serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}}));
        let backup = Backup::new("velero", "b");
        let unavailable = FilesLocation::Unavailable("backup storage location \"l\" is Unavailable: gone".to_owned());
        for (location, limit, want) in [
            (FilesLocation::Usable, 31, "download request download url timeout"),
            (unavailable, 6, "is Unavailable: gone; the file could not be read: "),
        ] {
            let mut completed = backup.clone();
            completed.status.phase = Some(crate::api::v1::BackupPhase::Completed);
            let files = RunFiles::new(RunRef::Backup(&completed), location);
            let started = tokio::time::Instant::now();
            for kind in [
                DownloadTargetKind::BackupResourceList,
                DownloadTargetKind::BackupVolumeInfos,
            ] {
                let fetched: Fetched<serde_json::Value> = artifacts(&api).json(&files, &kind).await;
                let Fetched::NotFetched(why) = fetched else {
                    panic!("{fetched:?}");
                };
                assert!(why.contains(want), "{why}");
            }
            assert!(started.elapsed().as_secs() < limit, "{:?}", started.elapsed());
        }
    }
}
