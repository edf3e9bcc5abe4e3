//! The connection of dry runs: whatever they do, nothing that would be stored gets through.

use std::io;

use http::{Method, Request};
use kube::client::Body;
use tower::BoxError;

use crate::cluster::Cluster;

/// The same connection; a request that is neither a read nor a dry run is refused and not sent.
pub fn dry_only(cluster: &Cluster) -> Cluster {
    let client = cluster.client().clone();
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            if !stores_nothing(&request) {
                let text = format!("a dry run attempted to {} {}", request.method(), request.uri().path());
                return Err(BoxError::from(io::Error::new(io::ErrorKind::PermissionDenied, text)));
            }
            client.send(request).await.map_err(BoxError::from)
        }
    });
    Cluster::from_client(kube::Client::new(service, namespace))
}

/// The API server knows no other value than `All`; of a parameter given twice it may take either.
fn stores_nothing<B>(request: &Request<B>) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let query = request.uri().query().unwrap_or_default();
    let mut wanted = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("dryRun="))
        .peekable();
    wanted.peek().is_some() && wanted.all(|value| value == "All")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::cluster::discovery::Discovery;
    use crate::cluster::objects::{self, DeleteOptions, WriteOptions};
    use crate::testing::fake_api::FakeApi;

    #[test]
    fn only_reads_and_dry_runs_store_nothing() {
        let table = [
            ("GET", "/api/v1/pods", true),
            ("POST", "/api/v1/pods", false),
            ("POST", "/api/v1/pods?dryRun=All&fieldValidation=Ignore", true),
            ("PATCH", "/api/v1/pods?fieldValidation=Ignore&dryRun=All", true),
            ("PUT", "/api/v1/pods?dryRun=", false),
            ("POST", "/api/v1/pods?dryRun=All&dryRun=", false),
            ("POST", "/api/v1/pods?xdryRun=All", false),
            ("DELETE", "/api/v1/pods?dryRun=None", false),
        ];
        for (method, uri, expected) in table {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(stores_nothing(&request), expected, "{method} {uri}");
        }
    }

    #[tokio::test]
    async fn a_write_by_mistake_does_not_leave_the_process() {
        let api = FakeApi::new();
        let cluster = dry_only(&Cluster::from_client(api.client()));
        let discovery = Discovery::read(&cluster).await.unwrap();
        let maps = discovery.by_kind("v1", "ConfigMap").unwrap();
        api.forget_seen();
        let body =
            || Bytes::from(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).to_string());
        let default = Some("default");
        objects::create(&cluster, maps, default, body(), WriteOptions::default())
            .await
            .unwrap_err();
        objects::update_status(&cluster, maps, default, "a", body())
            .await
            .unwrap_err();
        objects::delete(&cluster, maps, default, "a", &DeleteOptions::default())
            .await
            .unwrap_err();
        assert!(api.seen().is_empty());
        let dry = WriteOptions { dry_run: true };
        objects::create(&cluster, maps, default, body(), dry).await.unwrap();
        assert_eq!(api.seen().len(), 1);
        assert_eq!(api.get("v1", "ConfigMap", default, "a"), None);
    }
}
