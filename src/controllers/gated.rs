//! The engines' connection, which writes only while we lead (decision 8): they know no gate.

use http::{Method, Request};
use kube::client::Body;
use tower::BoxError;

use crate::cluster::Cluster;
use crate::runtime::lease::WriteGate;

/// The same connection; a request that is no read is not sent late, and not waited for beyond the lease.
pub fn gated(cluster: &Cluster, gate: WriteGate) -> Cluster {
    let client = cluster.client().clone();
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, gate) = (client.clone(), gate.clone());
        async move {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
            let sent = client.send(request);
            let answer = if reads { sent.await } else { gate.write(sent).await? };
            answer.map_err(BoxError::from)
        }
    });
    Cluster::from_client(kube::Client::new(service, namespace))
}
