//! The URL that the server answers with: one that the store signed, or the artifact endpoint's own (decision 44).

use std::error::Error as _;
use std::io;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use reqwest::{Certificate, ClientBuilder, StatusCode};

use super::body::{Body, beginning};
use super::options::DownloadOptions;
use super::way::Miss;
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
) -> Result<Body, Miss> {
    let mut builder = ClientBuilder::new().connect_timeout(options.timeout);
    builder = builder.tls_danger_accept_invalid_certs(options.insecure_skip_tls_verify);
    let (certificates, unread) = certificates(client, namespace, kind, name, options).await?;
    for certificate in Certificate::from_pem_bundle(&certificates).map_err(closed)? {
        builder = builder.add_root_certificate(certificate);
    }
    let response = builder
        .build()
        .map_err(closed)?
        .get(address)
        .send()
        .await
        .map_err(|error| unreached(error, unread.as_ref()))?;
    match response.status() {
        StatusCode::OK => {
            let body = response.bytes_stream();
            Ok(Box::pin(body.map_err(|error| io::Error::other(error.without_url()))))
        }
        StatusCode::NOT_FOUND => Err(Miss::Absent),
        _ => Err(Miss::Closed(format!("request failed: {}", beginning(response).await))),
    }
}

/// The certificates to trust besides the system's: of the file, else of the storage location. Also why the location's could
/// not be read, which matters only where a server is not trusted.
async fn certificates(
    client: &Client,
    namespace: &str,
    kind: &DownloadTargetKind,
    name: &str,
    options: &DownloadOptions,
) -> Result<(Vec<u8>, Option<RequestError>), Miss> {
    let (of_location, unread) = match of_location(client, namespace, kind, name).await {
        Ok(pem) => (pem, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let Some(path) = &options.cacert else {
        return Ok((of_location, unread));
    };
    match std::fs::read(path) {
        Ok(pem) => Ok((pem, None)),
        Err(error) if of_location.is_empty() => Err(Miss::Closed(format!(
            "couldn't open cacert {}: {error}",
            path.display()
        ))),
        Err(error) => {
            let file = path.display();
            terminal::complain(&format!(
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

/// Why a request got no answer. The URL is left out, because its query is a credential; its host is what a user can check.
fn unreached(error: reqwest::Error, unread: Option<&RequestError>) -> Miss {
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
            terminal::complain(&format!("WARNING: Error getting cacert from BSL: {unread}"));
        }
        text.push_str(
            "\n\nThe --insecure-skip-tls-verify flag can also be used to accept any TLS certificate for the download, but it is susceptible to man-in-the-middle attacks",
        );
    }
    Miss::Closed(text)
}

fn closed(error: impl std::fmt::Display) -> Miss {
    Miss::Closed(error.to_string())
}
