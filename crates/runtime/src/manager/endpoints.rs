//! `/healthz`, `/readyz` and `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::metrics::registry::{CONTENT_TYPE, Registry};

#[derive(Clone)]
struct Sources {
    health: Health,
    registry: Registry,
}

pub(super) async fn serve(
    listener: TcpListener,
    health: Health,
    registry: Registry,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(health, registry))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(health: Health, registry: Registry) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Sources { health, registry })
}

/// What is ready and what is not, one a line.
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
        let router = router(health, Registry::new());
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
    async fn metrics_have_controller_runtime_s_names() {
        let registry = Registry::new();
        Metrics::new(&registry).unwrap().controller("schedule");
        let (status, text) = get(&router(Health::new(), registry), "/metrics").await;
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
