//! Downloads from the URL of the server's answer: signed by the store, or of the artifact endpoint (decision 44).

use std::error::Error as _;
use std::io;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use reqwest::{Certificate, ClientBuilder, StatusCode};

use super::body::{Body, beginning};
use super::endpoint_request::OpenError;
use super::options::DownloadOptions;
use crate::api::v1::{Backup, BackupStorageLocation, DownloadTargetKind, ObjectStorage, Restore};
use crate::cli::objects::{Objects, RequestError};
use crate::cli::terminal;

pub(super) async fn open(
    client: &Client,
    namespace: &str,
    address: &str,
    kind: &DownloadTargetKind,
    name: &str,
    options: &DownloadOptions,
) -> Result<Body, OpenError> {
    let mut builder = ClientBuilder::new().connect_timeout(options.timeout);
    builder = builder.tls_danger_accept_invalid_certs(options.insecure_skip_tls_verify);
    let (certificates, unread) = certificates(client, namespace, kind, name, options).await?;
    for certificate in Certificate::from_pem_bundle(&certificates).map_err(unreachable)? {
        builder = builder.add_root_certificate(certificate);
    }
    let response = builder
        .build()
        .map_err(unreachable)?
        .get(address)
        .send()
        .await
        .map_err(|error| connection_error(error, unread.as_ref()))?;
    match response.status() {
        StatusCode::OK => {
            let body = response.bytes_stream();
            Ok(Box::pin(body.map_err(|error| io::Error::other(error.without_url()))))
        }
        StatusCode::NOT_FOUND => Err(OpenError::NotFound),
        _ => Err(OpenError::Unreachable(format!(
            "request failed: {}",
            beginning(response).await
        ))),
    }
}

/// The certificates to trust besides the system's: those of the file, else those of the storage location. Also the error of
/// reading the location's, which is reported only if the server's certificate is not trusted.
async fn certificates(
    client: &Client,
    namespace: &str,
    kind: &DownloadTargetKind,
    name: &str,
    options: &DownloadOptions,
) -> Result<(Vec<u8>, Option<RequestError>), OpenError> {
    let (of_location, unread) = match of_location(client, namespace, kind, name).await {
        Ok(pem) => (pem, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let Some(path) = &options.cacert else {
        return Ok((of_location, unread));
    };
    match std::fs::read(path) {
        Ok(pem) => Ok((pem, None)),
        Err(error) if of_location.is_empty() => Err(OpenError::Unreachable(format!(
            "couldn't open cacert {}: {error}",
            path.display()
        ))),
        Err(error) => {
            let file = path.display();
            terminal::eprintln(&format!(
                "Warning: Failed to open CA certificate file {file}: {error}. Using CA certificate from backup storage location instead."
            ));
            Ok((of_location, unread))
        }
    }
}

async fn of_location(
    client: &Client,
    namespace: &str,
    kind: &DownloadTargetKind,
    name: &str,
) -> Result<Vec<u8>, RequestError> {
    let backup = if kind.is_of_restore() == Some(true) {
        let restores = Objects::<Restore>::new(client, namespace);
        restores
            .find(name)
            .await?
            .map(|restore| restore.spec.backup_name)
            .unwrap_or_default()
    } else {
        name.to_owned()
    };
    let Some(backup) = Objects::<Backup>::new(client, namespace).find(&backup).await? else {
        return Ok(Vec::new());
    };
    let locations = Objects::<BackupStorageLocation>::new(client, namespace);
    let Some(location) = locations.find(&backup.spec.storage_location).await? else {
        return Ok(Vec::new());
    };
    let ObjectStorage {
        ca_cert, ca_cert_ref, ..
    } = location.spec.object_storage.unwrap_or_default();
    if let Some(reference) = ca_cert_ref {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret = secrets
            .get(&reference.name)
            .await
            .map_err(|error| RequestError::of(error, "secrets"))?;
        return Ok(secret
            .data
            .unwrap_or_default()
            .remove(&reference.key)
            .map(|key| key.0)
            .unwrap_or_default());
    }
    Ok(ca_cert.map(|pem| pem.0).unwrap_or_default())
}

/// The error of a request without an answer. The URL is left out because its query is a credential.
fn connection_error(error: reqwest::Error, unread: Option<&RequestError>) -> OpenError {
    let host = error
        .url()
        .and_then(|url| url.host_str())
        .unwrap_or_default()
        .to_owned();
    let error = error.without_url();
    let mut text = format!("{host}: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if text.contains("certificate") {
        if let Some(unread) = unread {
            terminal::eprintln(&format!("WARNING: Error getting cacert from BSL: {unread}"));
        }
        text.push_str(
            "\n\nThe --insecure-skip-tls-verify flag can also be used to accept any TLS certificate for the download, but it is susceptible to man-in-the-middle attacks",
        );
    }
    OpenError::Unreachable(text)
}

fn unreachable(error: impl std::fmt::Display) -> OpenError {
    OpenError::Unreachable(error.to_string())
}
