//! The artifact endpoint through a port forwarded from one of the server's pods.

use std::io;

use futures::TryStreamExt;
use http::header::CONTENT_TYPE;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::{Client, ResourceExt};
use reqwest::StatusCode;
use tokio::net::TcpListener;

use super::body::{Body, beginning};
use super::{Ask, Miss, is_refusal};
use crate::controllers::artifact::serve::PORT;
use crate::controllers::artifact::token::HEADER;
use crate::runtime::task;

/// The label of the server's pods (spec server-cli 10.4).
const PODS: &str = "deploy=velero";

pub(super) async fn open(client: &Client, namespace: &str, ask: &Ask, token: &str) -> Result<Body, Miss> {
    let pod = running_pod(client, namespace).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut forwarder = pods.portforward(&pod, &[PORT]).await.map_err(closed)?;
    let mut remote = forwarder
        .take_stream(PORT)
        .ok_or_else(|| Miss::Closed("no stream was opened".to_owned()))?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(closed)?;
    let address = listener.local_addr().map_err(closed)?;
    // The pump lives as long as the body that it feeds.
    let pump = task::spawn("artifact port forward", async move {
        if let Ok((mut local, _)) = listener.accept().await {
            let _ = tokio::io::copy_bidirectional(&mut local, &mut remote).await;
        }
        drop(forwarder);
    });
    // The API server vouches for the other end of the tunnel; the certificate is made anew at each start of the server.
    let http = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .map_err(closed)?;
    let request = http
        .request(ask.method.clone(), format!("https://{address}{}", ask.path))
        .header(HEADER, token)
        .header(CONTENT_TYPE, "application/json")
        .body(ask.body.clone());
    let response = request.send().await.map_err(closed)?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND => return Err(Miss::Absent),
        status if is_refusal(status) => return Err(Miss::Refused(status, beginning(response).await)),
        status => return Err(Miss::Closed(status.to_string())),
    }
    let pieces = response.bytes_stream().map_err(io::Error::other).inspect_ok(move |_| {
        let _ = &pump;
    });
    Ok(Box::pin(pieces))
}

async fn running_pod(client: &Client, namespace: &str) -> Result<String, Miss> {
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), namespace);
    let running = ListParams::default().labels(PODS).fields("status.phase=Running");
    let found = pods.list(&running).await.map_err(closed)?;
    let pod = found
        .items
        .first()
        .ok_or_else(|| Miss::Closed(format!("no pod labelled {PODS} is running")))?;
    Ok(pod.name_any())
}

fn closed(error: impl std::fmt::Display) -> Miss {
    Miss::Closed(error.to_string())
}
