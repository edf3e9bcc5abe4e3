//! `/healthz`, `/readyz` and `/metrics`, and `/debug/manager` if it is wanted.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::diagnostics::Diagnostics;
use crate::health::Health;
use crate::liveness::Liveness;
use crate::metrics::registry::{CONTENT_TYPE, Registry};

/// The sources of the endpoints.
#[derive(Clone, Default)]
pub(super) struct Sources {
    pub(super) health: Health,
    pub(super) liveness: Liveness,
    pub(super) registry: Registry,
    /// Nothing if they are not wanted.
    pub(super) diagnostics: Option<Diagnostics>,
}

pub(super) async fn serve(listener: TcpListener, sources: Sources, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(sources))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(sources: Sources) -> Router {
    let router = Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    let router = match &sources.diagnostics {
        Some(_) => router.route("/debug/manager", get(diagnostics)),
        None => router,
    };
    router.with_state(sources)
}

/// `ok`, or the checks that fail, one a line.
async fn alive(State(Sources { liveness, .. }): State<Sources>) -> (StatusCode, String) {
    let failing = liveness.failing();
    if failing.is_empty() {
        return (StatusCode::OK, "ok".into());
    }
    tracing::error!(failing = ?failing, "the process is not healthy");
    (StatusCode::INTERNAL_SERVER_ERROR, describe(&failing))
}

/// Failing checks as in the API server's own `/livez?verbose`, one a line.
fn describe(failing: &[(String, String)]) -> String {
    failing.iter().fold(String::new(), |mut text, (name, reason)| {
        let _ = writeln!(text, "[-]{name} failed: {reason}");
        text
    })
}

async fn diagnostics(State(Sources { diagnostics, .. }): State<Sources>) -> Response {
    let snapshot = diagnostics.unwrap_or_default().snapshot();
    match serde_json::to_string_pretty(&snapshot) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The readiness of each component, one a line.
async fn ready(State(Sources { health, .. }): State<Sources>) -> (StatusCode, String) {
    let status = if health.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, health.to_string())
}

async fn metrics(State(Sources { registry, .. }): State<Sources>) -> Response {
    match registry.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::metrics::Metrics;

    async fn get(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn readiness_lists_what_is_not_ready() {
        let health = Health::new();
        let watch = health.component("watch Order");
        let router = router(Sources {
            health,
            ..Sources::default()
        });
        watch.not_ready("forbidden");
        let expected = "[-]watch Order not ready: forbidden\n".to_owned();
        assert_eq!(
            get(&router, "/readyz").await,
            (StatusCode::SERVICE_UNAVAILABLE, expected)
        );
        watch.ready();
        assert_eq!(
            get(&router, "/readyz").await,
            (StatusCode::OK, "[+]watch Order ok\n".into())
        );
        assert_eq!(get(&router, "/healthz").await, (StatusCode::OK, "ok".into()));
    }

    #[tokio::test]
    async fn a_failing_check_fails_the_health() {
        let sources = Sources::default();
        let router = router(sources.clone());
        sources.liveness.check("disk", || Ok(()));
        assert_eq!(get(&router, "/healthz").await, (StatusCode::OK, "ok".into()));
        sources.liveness.check("disk", || Err("no space left".into()));
        let expected = "[-]disk failed: no space left\n".to_owned();
        assert_eq!(
            get(&router, "/healthz").await,
            (StatusCode::INTERNAL_SERVER_ERROR, expected)
        );
    }

    #[tokio::test]
    async fn diagnostics_are_served_only_if_enabled() {
        let off = router(Sources::default());
        assert_eq!(get(&off, "/debug/manager").await.0, StatusCode::NOT_FOUND);
        let on = router(Sources {
            diagnostics: Some(Diagnostics::default()),
            ..Sources::default()
        });
        let (status, text) = get(&on, "/debug/manager").await;
        assert_eq!(status, StatusCode::OK);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, serde_json::json!({"watches": [], "controllers": []}));
    }

    #[tokio::test]
    async fn metrics_have_controller_runtime_s_names() {
        let registry = Registry::new();
        Metrics::new(&registry).unwrap().controller("schedule");
        let (status, text) = get(
            &router(Sources {
                registry,
                ..Sources::default()
            }),
            "/metrics",
        )
        .await;
        assert_eq!(status, StatusCode::OK);
        for line in [
            "controller_runtime_reconcile_total{controller=\"schedule\",result=\"error\"} 0",
            "controller_runtime_reconcile_total{controller=\"schedule\",result=\"requeue\"} 0",
            "controller_runtime_reconcile_total{controller=\"schedule\",result=\"requeue_after\"} 0",
            "controller_runtime_reconcile_total{controller=\"schedule\",result=\"success\"} 0",
            "controller_runtime_reconcile_errors_total{controller=\"schedule\"} 0",
            "controller_runtime_terminal_reconcile_errors_total{controller=\"schedule\"} 0",
            "controller_runtime_reconcile_panics_total{controller=\"schedule\"} 0",
            "controller_runtime_reconcile_time_seconds_count{controller=\"schedule\"} 0",
            "controller_runtime_max_concurrent_reconciles{controller=\"schedule\"} 0",
            "controller_runtime_active_workers{controller=\"schedule\"} 0",
            "workqueue_depth{controller=\"schedule\",name=\"schedule\"} 0",
            "workqueue_adds_total{controller=\"schedule\",name=\"schedule\"} 0",
            "workqueue_retries_total{controller=\"schedule\",name=\"schedule\"} 0",
            "workqueue_queue_duration_seconds_count{controller=\"schedule\",name=\"schedule\"} 0",
            "workqueue_work_duration_seconds_count{controller=\"schedule\",name=\"schedule\"} 0",
            "workqueue_unfinished_work_seconds{controller=\"schedule\",name=\"schedule\"} 0",
            "workqueue_longest_running_processor_seconds{controller=\"schedule\",name=\"schedule\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
