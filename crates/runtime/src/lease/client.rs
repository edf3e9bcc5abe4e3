//! A client that writes only while this process leads.

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tower::BoxError;

use super::{NotLeading, WriteGate};

/// The same connection. A request that changes something is sent only while the lease lasts, and is not awaited beyond its end.
/// A refused request fails with a [`NotLeading`] inside, see [`is_not_leading`].
///
/// A request changes something unless its method is `GET`, `HEAD` or `OPTIONS`. Commands in pods (`exec`, `attach`) use `GET` and
/// count as changes. So does a dry run.
pub fn gated(client: &Client, gate: WriteGate) -> Client {
    let client = client.clone();
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, gate) = (client.clone(), gate.clone());
        async move {
            let changes = changes(request.method(), request.uri().path());
            let sent = client.send(request);
            let answer = if changes { gate.write(sent).await? } else { sent.await };
            answer.map_err(BoxError::from)
        }
    });
    Client::new(service, namespace)
}

/// Whether a request of a [gated](gated) client was not sent, or interrupted, because this process does not lead.
pub fn is_not_leading(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(error) if error.is::<NotLeading>())
}

/// Whether a request changes something.
pub(crate) fn changes(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !reads || path.ends_with("/exec") || path.ends_with("/attach")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::fixture::{SECOND, object};

    /// An API server that answers every request with an object, at once or never, and counts them.
    fn server(answers: bool) -> (Client, Arc<AtomicUsize>) {
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move {
                if !answers {
                    std::future::pending::<()>().await;
                }
                let text = serde_json::to_vec(&object("a", "1", 1)).unwrap();
                Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(text)))
            }
        });
        (Client::new(service, "ns"), requests)
    }

    fn leading() -> WriteGate {
        let gate = WriteGate::open();
        gate.lead(Instant::now() + 7 * SECOND, Instant::now() + 10 * SECOND);
        gate
    }

    async fn writes(api: &Api<ConfigMap>) -> Vec<kube::Result<()>> {
        let (post, patch) = (PostParams::default(), Patch::Merge(json!({"data": {}})));
        vec![
            api.create(&post, &object("a", "1", 1)).await.map(drop),
            api.replace("a", &post, &object("a", "1", 1)).await.map(drop),
            api.patch("a", &PatchParams::default(), &patch).await.map(drop),
            api.delete("a", &DeleteParams::default()).await.map(drop),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn a_gated_client_writes_only_while_the_process_leads() {
        let (client, requests) = server(true);
        let gate = leading();
        let api: Api<ConfigMap> = Api::default_namespaced(gated(&client, gate.clone()));
        for written in writes(&api).await {
            written.unwrap();
        }
        assert_eq!(requests.swap(0, Ordering::Relaxed), 4);
        gate.close();
        for written in writes(&api).await {
            assert!(is_not_leading(&written.unwrap_err()));
        }
        assert_eq!(requests.load(Ordering::Relaxed), 0, "none of them was sent");
        api.get("a").await.unwrap();
        assert_eq!(requests.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_is_dropped_when_the_lease_ends() {
        let (client, _) = server(false);
        let api: Api<ConfigMap> = Api::default_namespaced(gated(&client, leading()));
        let start = Instant::now();
        let error = api.delete("a", &DeleteParams::default()).await.unwrap_err();
        assert!(is_not_leading(&error), "{error}");
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[test]
    fn commands_in_pods_are_changes() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/namespaces/ns/pods/a", false),
            (Method::GET, "/api/v1/namespaces/ns/pods/a/log", false),
            (Method::GET, "/api/v1/namespaces/ns/pods/a/exec", true),
            (Method::GET, "/api/v1/namespaces/ns/pods/a/attach", true),
            (Method::POST, "/api/v1/namespaces/ns/pods", true),
            (Method::PATCH, "/api/v1/namespaces/ns/pods/a", true),
            (Method::DELETE, "/api/v1/namespaces/ns/pods/a", true),
        ] {
            assert_eq!(changes(&method, path), expected, "{method} {path}");
        }
    }
}
