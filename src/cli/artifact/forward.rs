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
use super::endpoint_request::{EndpointRequest, OpenError, is_rejection, not_allowed};
use crate::cli::objects::RequestError;
use crate::cluster::upgrade::missing_verb;
use crate::controllers::artifact::base::PORT;
use crate::controllers::artifact::token::HEADER;
use crate::runtime::task;
use crate::telemetry::trace::{self, TraceParent};

/// The label of the server's pods (spec server-cli 10.4).
pub(super) const PODS: &str = "deploy=velero";

pub(super) async fn open(
    client: &Client,
    namespace: &str,
    request: &EndpointRequest,
    token: &str,
) -> Result<Body, OpenError> {
    let pod = running_pod(client, namespace).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let forwarded = pods.portforward(&pod, &[PORT]).await;
    let mut forwarder = forwarded.map_err(|error| forward_error(error, namespace))?;
    let mut remote = forwarder
        .take_stream(PORT)
        .ok_or_else(|| OpenError::Unreachable("no stream was opened".to_owned()))?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(unreachable)?;
    let address = listener.local_addr().map_err(unreachable)?;
    // The task lives as long as the body.
    let forwarding = task::spawn("artifact port forward", async move {
        if let Ok((mut local, _)) = listener.accept().await {
            let _ = tokio::io::copy_bidirectional(&mut local, &mut remote).await;
        }
        drop(forwarder);
    });
    // The API server authenticates the pod. The endpoint's own certificate is not in the trust store of this machine.
    let http = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .map_err(unreachable)?;
    let mut sent = http
        .request(request.method.clone(), format!("https://{address}{}", request.path))
        .header(HEADER, token)
        .header(CONTENT_TYPE, "application/json");
    if let Some(parent) = TraceParent::current() {
        sent = sent.header(trace::HEADER, parent.to_string());
    }
    let response = sent.body(request.body.clone()).send().await.map_err(unreachable)?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND => return Err(OpenError::NotFound),
        status if is_rejection(status) => return Err(OpenError::Rejected(status, beginning(response).await)),
        status => return Err(OpenError::Unreachable(status.to_string())),
    }
    let pieces = response.bytes_stream().map_err(io::Error::other).inspect_ok(move |_| {
        let _ = &forwarding;
    });
    Ok(Box::pin(pieces))
}

async fn running_pod(client: &Client, namespace: &str) -> Result<String, OpenError> {
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), namespace);
    let running = ListParams::default().labels(PODS).fields("status.phase=Running");
    let listed = pods.list(&running).await;
    let found = listed.map_err(|error| request_error(error, namespace, &["list"], "pods"))?;
    let pod = found
        .items
        .first()
        .ok_or_else(|| OpenError::Unreachable(format!("no pod labelled {PODS} is running")))?;
    Ok(pod.name_any())
}

/// The error of a port forward. The API server names one missing verb at a time.
fn forward_error(error: kube::Error, namespace: &str) -> OpenError {
    let verb = match &error {
        kube::Error::Api(status) => missing_verb(&status.message).map(str::to_owned),
        _ => None,
    };
    match verb {
        Some(verb) => request_error(error, namespace, &[&verb], "pods/portforward"),
        None => unreachable(RequestError::of(error, "pods")),
    }
}

/// The error of a request that needs these verbs on `resource`.
fn request_error(error: kube::Error, namespace: &str, verbs: &[&str], resource: &str) -> OpenError {
    match &error {
        kube::Error::Api(status) if status.code == 403 => not_allowed(verbs, resource, namespace),
        _ => unreachable(RequestError::of(error, resource)),
    }
}

fn unreachable(error: impl std::fmt::Display) -> OpenError {
    OpenError::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(message: &str) -> kube::Error {
        let status = kube::core::Status {
            code: 403,
            message: message.to_owned(),
            reason: "Forbidden".to_owned(),
            ..kube::core::Status::default()
        };
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn the_missing_verb_is_named() {
        for (message, want) in [
            (
                "pods \"p\" is forbidden: User \"u\" cannot create resource \"pods/portforward\" in API group \"\" in the namespace \"velero\"",
                "missing permission to create pods/portforward in namespace \"velero\"",
            ),
            (
                "pods \"p\" is forbidden: User \"u\" cannot get resource \"pods/portforward\" in API group \"\" in the namespace \"velero\"",
                "missing permission to get pods/portforward in namespace \"velero\"",
            ),
            (
                "pods \"p\" is forbidden: ",
                "missing permission to create pods/portforward in namespace \"velero\"",
            ),
            ("denied by a policy", "denied by a policy"),
        ] {
            let OpenError::Unreachable(why) = forward_error(forbidden(message), "velero") else {
                panic!("{message}");
            };
            assert_eq!(why, want);
        }
        let OpenError::Unreachable(why) = request_error(forbidden("x"), "velero", &["list"], "pods") else {
            panic!();
        };
        assert_eq!(why, "missing permission to list pods in namespace \"velero\"");
    }
}
