//! Requests to the API server within a trace (decision 51): they carry its context, and one of a run that is slow or fails is a span.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::SignedDuration;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use crate::runtime::clock::{Clock as _, System};
use crate::telemetry::past_span::PastSpan;
use crate::telemetry::run_spans::{Sort, is_shown};
use crate::telemetry::trace::{HEADER, TraceParent};

/// A request that takes longer is a span.
const SLOW: Duration = Duration::from_secs(1);

/// Makes [`Traced`] of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracedLayer;

/// A service with traced requests.
#[derive(Clone, Debug)]
pub(super) struct Traced<S>(S);

impl<S> Layer<S> for TracedLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced(inner)
    }
}

impl<S, B, R> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(parent) = TraceParent::current().filter(TraceParent::is_sampled) else {
            return Box::pin(self.0.call(request));
        };
        if let Ok(value) = HeaderValue::from_str(&parent.to_string()) {
            request.headers_mut().insert(HEADER, value);
        }
        let call = Call {
            parent,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            began: Instant::now(),
        };
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await;
            call.ended(answer.as_ref().ok().map(Response::status));
            answer
        })
    }
}

/// A request under way.
struct Call {
    parent: TraceParent,
    method: Method,
    path: String,
    began: Instant,
}

impl Call {
    /// The answer has begun, or there is none.
    fn ended(self, status: Option<StatusCode>) {
        let took = self.began.elapsed();
        let error = error_type(&self.method, status);
        if (error.is_none() && took < SLOW) || !is_shown(Sort::Request) {
            return;
        }
        let ended = System.now();
        let began = SignedDuration::try_from(took)
            .ok()
            .and_then(|took| ended.checked_sub(took).ok());
        let mut span = PastSpan::new(self.method.to_string(), began.unwrap_or(ended), ended)
            .below(&self.parent)
            .client()
            .with("http.request.method", self.method.to_string())
            .with("url.path", self.path);
        if let Some(status) = status {
            span = span.with("http.response.status_code", i64::from(status.as_u16()));
        }
        if let Some(error) = error {
            span = span.failed(error, "");
        }
        span.export();
    }
}

/// The `error.type` of an answer. Missing objects and conflicts are not errors: both are asked for and handled all the time.
fn error_type(method: &Method, status: Option<StatusCode>) -> Option<String> {
    let Some(status) = status else {
        return Some("transport".to_owned());
    };
    let is_usual = status == StatusCode::CONFLICT || (status == StatusCode::NOT_FOUND && method == Method::GET);
    let is_error = status.is_client_error() || status.is_server_error();
    (is_error && !is_usual).then(|| status.as_u16().to_string())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};
    use tracing::Instrument;

    use super::*;
    use crate::telemetry::testing::Recorded;

    /// What the server gets as `traceparent` of a request within the current span.
    async fn received() -> Option<String> {
        let server = service_fn(async |request: Request<()>| {
            let header = request
                .headers()
                .get(HEADER)
                .map(|value| value.to_str().unwrap().to_owned());
            Ok::<_, Infallible>(Response::new(header))
        });
        let request = Request::get("/api/v1/pods").body(()).unwrap();
        TracedLayer.layer(server).oneshot(request).await.unwrap().into_body()
    }

    #[test]
    fn a_request_carries_the_span_that_it_is_sent_in() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(received()), None, "without an exporter");
        Recorded::of(|| {
            assert_eq!(runtime.block_on(received()), None, "outside of any span");
            let span = tracing::info_span!("step");
            let header = runtime.block_on(received().instrument(span.clone()));
            assert_eq!(header, TraceParent::of(&span).map(|parent| parent.to_string()));
        });
    }

    #[test]
    fn missing_objects_and_conflicts_are_no_errors() {
        for (method, status, error) in [
            (Method::GET, Some(200), None),
            (Method::GET, Some(404), None),
            (Method::DELETE, Some(404), Some("404")),
            (Method::POST, Some(409), None),
            (Method::PATCH, Some(403), Some("403")),
            (Method::GET, Some(503), Some("503")),
            (Method::GET, Some(101), None),
            (Method::GET, None, Some("transport")),
        ] {
            let answered = status.map(|code| StatusCode::from_u16(code).unwrap());
            assert_eq!(error_type(&method, answered).as_deref(), error, "{method} {status:?}");
        }
    }
}
