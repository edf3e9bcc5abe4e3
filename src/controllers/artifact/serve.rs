//! The artifact endpoint: `GET /artifacts/<kind>/<name>` with a token, in a header or as `?token=`. Every replica serves it from the bucket; the log of
//! a run that is under way is served by the replica that runs it. Beside it, the plans of [`dry_run`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_server::Handle;
use futures::TryStreamExt;
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use crate::runtime::task::Group;
use crate::telemetry::run_log::RunLog;

use super::super::download_request::Finder;
use super::super::location;
use super::super::ports::Ports;
use super::super::restore::dry_run::{self, DryRuns};
use super::absent::{Missing, why};
use super::file::Artifact;
use super::tls::{Identity, TlsError};
use super::token::{HEADER, Key};

/// Where the endpoint listens; the Service of the same port leads there.
pub const PORT: u16 = 8443;

/// The Service's name.
pub const SERVICE: &str = "velero";

/// The logs of runs under way in this process, by the kind and name that a download asks for.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<String, RunLog>>>);

impl Running {
    /// Makes a run's log readable until the guard is dropped.
    #[must_use = "the log is readable as long as the guard lives"]
    pub fn add(&self, artifact: &Artifact, log: RunLog) -> RunningGuard {
        let key = artifact.key();
        self.lock().insert(key.clone(), log);
        RunningGuard {
            running: self.clone(),
            key,
        }
    }

    fn log(&self, key: &str) -> Option<RunLog> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, RunLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a log readable.
pub struct RunningGuard {
    running: Running,
    key: String,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}

/// What the endpoint needs.
#[derive(Clone)]
pub struct Endpoint {
    /// The ports, for opening stores.
    pub ports: Arc<Ports>,
    /// Finds whose file is asked for.
    pub finder: Finder,
    /// Checks tokens.
    pub key: Key,
    /// Runs under way here.
    pub running: Running,
    /// Plans restores that are not carried out.
    pub dry_runs: DryRuns,
}

/// The endpoint cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No port.
    #[error("serving artifacts on {address} failed: {source}; check that nothing else listens there")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Endpoint {
    /// The routes, without TLS.
    pub fn router(self) -> Router {
        Router::new()
            .route("/artifacts/{kind}/{name}", get(artifact))
            .route(dry_run::ROUTE, post(dry_run::plan))
            .fallback(async || {
                text(
                    StatusCode::NOT_FOUND,
                    "there is nothing at this path; ask for a URL with a DownloadRequest".to_owned(),
                )
            })
            .with_state(self)
    }

    /// Serves until the group is told to stop; transfers under way then have ten seconds.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn serve(self, address: SocketAddr, identity: &Identity, group: Group) -> Result<(), ServeError> {
        let config = identity.load().await?;
        let handle = Handle::new();
        let server = axum_server::bind_rustls(address, config.clone())
            .handle(handle.clone())
            .serve(self.router().into_make_service());
        let stop = async {
            group.stop().cancelled().await;
            handle.graceful_shutdown(Some(std::time::Duration::from_secs(10)));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = server => served.map_err(|source| ServeError::Listen { address, source }),
            () = identity.follow(&config) => Ok(()),
            () = stop => Ok(()),
        }
    }
}

/// What a URL of the endpoint carries besides its path.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    token: String,
}

async fn artifact(
    State(endpoint): State<Endpoint>,
    Path((kind, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let token = headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or(&asked.token);
    if let Err(refused) = endpoint.key.check(token, &kind, &name, endpoint.ports.clock.now()) {
        return text(StatusCode::FORBIDDEN, refused.to_string());
    }
    let Some(artifact) = Artifact::of(&kind, &name) else {
        return text(StatusCode::NOT_FOUND, format!("there is no artifact of kind `{kind}`"));
    };
    if let Some(log) = endpoint.running.log(&artifact.key()) {
        // Closing the gzip member and copying the file are short, but they block.
        let copied = tokio::task::spawn_blocking(move || log.snapshot()).await;
        if let Ok(Ok(file)) = copied {
            let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
            return ([(header::CONTENT_TYPE, "application/gzip")], body).into_response();
        }
        // The run has just ended: its log is in the bucket.
    }
    let absent = |missing: Option<&Missing>| {
        let course = endpoint.finder.course(&artifact);
        text(StatusCode::NOT_FOUND, why(&artifact, course.as_ref(), missing))
    };
    let location = match endpoint.finder.location(&artifact) {
        Ok(location) => location,
        Err(missing) => return absent(Some(&missing)),
    };
    let store = match location::open(&endpoint.ports, &location).await {
        Ok(store) => store,
        Err(error) => return text(StatusCode::BAD_GATEWAY, error.to_string()),
    };
    match store.stream(&artifact.key()).await {
        Ok((info, stream)) => {
            // The bytes as they are stored, which is gzip as content: named as an encoding, clients would unpack them twice.
            let headers = [
                (header::CONTENT_TYPE, "application/gzip".to_owned()),
                (header::CONTENT_LENGTH, info.size.to_string()),
            ];
            (headers, Body::from_stream(stream.map_err(std::io::Error::other))).into_response()
        }
        Err(error) if error.is_not_found() => absent(None),
        Err(error) => text(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

fn text(status: StatusCode, message: String) -> Response {
    (status, message + "\n").into_response()
}
