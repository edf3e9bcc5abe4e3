//! The artifact endpoint: what the rooms serve over HTTPS, as one server. `artifact` has the files of runs, `restore` the plans
//! of dry runs; each brings its own route and state.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum_server::Handle;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::runtime::task::Group;

use super::artifact::finder::Finder;
use super::artifact::serve::Files;
use super::artifact::tls::{Identity, TlsError};
use super::artifact::token::Key;
use super::restore::dry_run::{DryRuns, Plans};
use super::run::live_log::LiveLogs;
use crate::controllers::context::Context;
use crate::telemetry::trace::{self, TraceParent, fail};

/// What the endpoint needs.
#[derive(Clone)]
pub struct Endpoint {
    /// For opening stores.
    pub ctx: Arc<Context>,
    /// Finds the location of a requested file.
    pub finder: Finder,
    /// Checks tokens.
    pub key: Key,
    /// Runs under way here.
    pub live_logs: LiveLogs,
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

/// Answers a request in the trace of the client.
async fn traced(request: Request, next: Next) -> Response {
    let header = request
        .headers()
        .get(trace::HEADER)
        .and_then(|value| value.to_str().ok());
    let Some(client) = header.and_then(TraceParent::parse) else {
        return next.run(request).await;
    };
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let span = info_span!(
        parent: None,
        "serve",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = Empty,
    );
    client.adopt(&span);
    let answer = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", answer.status().as_u16());
    if answer.status().is_server_error() {
        fail(&span, "server_error", "");
    }
    answer
}

impl Endpoint {
    /// The routes, without TLS.
    pub fn router(self) -> Router {
        let Self {
            ctx,
            finder,
            key,
            live_logs,
            dry_runs,
        } = self;
        let plans = Plans {
            ctx: Arc::clone(&ctx),
            finder: finder.clone(),
            key: key.clone(),
            dry_runs,
        };
        let files = Files {
            ctx,
            finder,
            key,
            live_logs,
        };
        Router::new()
            .merge(files.router())
            .merge(plans.router())
            .layer(axum::middleware::from_fn(traced))
            .fallback(async || {
                (
                    StatusCode::NOT_FOUND,
                    "there is nothing at this path; ask for a URL with a DownloadRequest\n",
                )
            })
    }

    /// Serves until the group stops; transfers under way then have ten seconds.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn serve(self, address: SocketAddr, identity: &Identity, group: Group) -> Result<(), ServeError> {
        let listen = |source| ServeError::Listen { address, source };
        // Before the certificate, which may have to be made first: a client that comes meanwhile waits, and an address that
        // is taken is known at once.
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let config = identity.load().await?;
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, config.clone())
            .map_err(listen)?
            .handle(handle.clone())
            .serve(self.router().into_make_service());
        let stop = async {
            group.stop().cancelled().await;
            handle.graceful_shutdown(Some(std::time::Duration::from_secs(10)));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = server => served.map_err(listen),
            () = identity.follow(&config) => Ok(()),
            () = stop => Ok(()),
        }
    }
}
