//! The files of runs: `GET /artifacts/<kind>/<name>` with a token, in a header or as `?token=`. Every replica serves them from
//! the bucket; the log of a run that is under way is served by the replica that runs it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::TryStreamExt;
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::absent::{Missing, why};
use super::file::Artifact;
use super::finder::Finder;
use super::token::{HEADER, Key};
use crate::controllers::context::Context;
use crate::controllers::location;
use crate::controllers::run::live_log::LiveLogs;

/// What serving files needs.
#[derive(Clone)]
pub struct Files {
    /// For opening stores.
    pub ctx: Arc<Context>,
    /// Finds the location of a requested file.
    pub finder: Finder,
    /// Checks tokens.
    pub key: Key,
    /// Runs under way here.
    pub live_logs: LiveLogs,
}

impl Files {
    /// The route of this room.
    pub fn router(self) -> Router {
        Router::new()
            .route("/artifacts/{kind}/{name}", get(artifact))
            .with_state(self)
    }
}

/// What a URL of the endpoint carries besides its path.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    token: String,
}

async fn artifact(
    State(files): State<Files>,
    Path((kind, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let token = headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or(&asked.token);
    if let Err(refused) = files.key.check(token, &kind, &name, files.ctx.clock.now()) {
        return text(StatusCode::FORBIDDEN, refused.to_string());
    }
    let Some(artifact) = Artifact::of(&kind, &name) else {
        return text(StatusCode::NOT_FOUND, format!("there is no artifact of kind `{kind}`"));
    };
    if let Some(log) = files.live_logs.get(&artifact.key()) {
        // Closing the gzip member and copying the file are short, but they block.
        let copied = tokio::task::spawn_blocking(move || log.snapshot()).await;
        if let Ok(Ok(file)) = copied {
            let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
            return ([(header::CONTENT_TYPE, "application/gzip")], body).into_response();
        }
        // The run has just ended: its log is in the bucket.
    }
    let absent = |missing: Option<&Missing>| {
        let course = files.finder.course(&artifact);
        text(StatusCode::NOT_FOUND, why(&artifact, course.as_ref(), missing))
    };
    let location = match files.finder.location(&artifact) {
        Ok(location) => location,
        Err(missing) => return absent(Some(&missing)),
    };
    let store = match location::open(&files.ctx, &location).await {
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
