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
use super::way::{Ask, Miss, is_refusal, not_allowed};
use crate::cli::objects::RequestError;
use crate::cluster::upgrade::missing_verb;
use crate::controllers::artifact::base::PORT;
use crate::controllers::artifact::token::HEADER;
use crate::runtime::task;

/// The label of the server's pods (spec server-cli 10.4).
pub(super) const PODS: &str = "deploy=velero";

pub(super) async fn open(client: &Client, namespace: &str, ask: &Ask, token: &str) -> Result<Body, Miss> {
    let pod = running_pod(client, namespace).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let forwarded = pods.portforward(&pod, &[PORT]).await;
    let mut forwarder = forwarded.map_err(|error| unforwarded(error, namespace))?;
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
    let listed = pods.list(&running).await;
    let found = listed.map_err(|error| refused(error, namespace, &["list"], "pods"))?;
    let pod = found
        .items
        .first()
        .ok_or_else(|| Miss::Closed(format!("no pod labelled {PODS} is running")))?;
    Ok(pod.name_any())
}

/// Why no port is forwarded. The API server misses one verb at a time.
fn unforwarded(error: kube::Error, namespace: &str) -> Miss {
    let verb = match &error {
        kube::Error::Api(status) => missing_verb(&status.message).map(str::to_owned),
        _ => None,
    };
    match verb {
        Some(verb) => refused(error, namespace, &[&verb], "pods/portforward"),
        None => closed(RequestError::of(error, "pods")),
    }
}

/// The error of a request for which the API server wants the right to these verbs on `resource`.
fn refused(error: kube::Error, namespace: &str, verbs: &[&str], resource: &str) -> Miss {
    match &error {
        kube::Error::Api(status) if status.code == 403 => not_allowed(verbs, resource, namespace),
        _ => closed(RequestError::of(error, resource)),
    }
}

fn closed(error: impl std::fmt::Display) -> Miss {
    Miss::Closed(error.to_string())
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
    fn the_verb_that_is_missing_is_named_and_nothing_is_dumped() {
        for (message, want) in [
            (
                "pods \"p\" is forbidden: User \"u\" cannot create resource \"pods/portforward\" in API group \"\" in the namespace \"velero\"",
                "the right to create pods/portforward in namespace \"velero\" is missing",
            ),
            (
                "pods \"p\" is forbidden: User \"u\" cannot get resource \"pods/portforward\" in API group \"\" in the namespace \"velero\"",
                "the right to get pods/portforward in namespace \"velero\" is missing",
            ),
            (
                "pods \"p\" is forbidden: ",
                "the right to create pods/portforward in namespace \"velero\" is missing",
            ),
            ("denied by the house rules", "denied by the house rules"),
        ] {
            let Miss::Closed(why) = unforwarded(forbidden(message), "velero") else {
                panic!("{message}");
            };
            assert_eq!(why, want);
        }
        let Miss::Closed(why) = refused(forbidden("x"), "velero", &["list"], "pods") else {
            panic!();
        };
        assert_eq!(why, "the right to list pods in namespace \"velero\" is missing");
    }
}
