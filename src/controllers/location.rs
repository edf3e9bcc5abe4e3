//! From a BackupStorageLocation to its open store: the Secrets it names are read here and go no further.

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::Api;

use crate::api::SecretKeySelector;
use crate::api::v1::BackupStorageLocation;
use crate::store::{self, Secret, Store, StoreConfig, StoreError};

use super::ports::Ports;

/// The Secret with the credentials of locations that name none of their own (spec api 13.1).
const DEFAULT_CREDENTIALS: (&str, &str) = ("cloud-credentials", "cloud");

/// A location's store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// The spec contradicts itself or lacks something.
    #[error("{0}")]
    Spec(&'static str),
    /// A Secret that the location names is not there, or has not that key.
    #[error(
        "key `{key}` of secret `{name}`, which the location names, is not there; check `kubectl get secret {name}`"
    )]
    SecretMissing {
        /// The Secret's name.
        name: String,
        /// The key inside.
        key: String,
    },
    /// A Secret holds what is no text.
    #[error("key `{key}` of secret `{name}` is not text; check how it was created")]
    SecretUnreadable {
        /// The Secret's name.
        name: String,
        /// The key inside.
        key: String,
    },
    /// The API server refused.
    #[error("reading secret `{name}` failed: {reason}")]
    Api {
        /// The Secret's name.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The store's configuration cannot work, or it cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LocationError {
    /// Whether it may pass by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { .. } => true,
            Self::Store(error) => error.is_transient(),
            Self::Spec(_) | Self::SecretMissing { .. } | Self::SecretUnreadable { .. } => false,
        }
    }
}

/// Opens the store of a location; nothing is written, and later only while we lead.
///
/// # Errors
/// See [`LocationError`].
pub async fn open(ports: &Ports, location: &BackupStorageLocation) -> Result<Store, LocationError> {
    let spec = &location.spec;
    let Some(bucket) = &spec.object_storage else {
        return Err(LocationError::Spec(
            "`spec.objectStorage` is missing: name at least a bucket",
        ));
    };
    if bucket.ca_cert.is_some() && bucket.ca_cert_ref.is_some() {
        return Err(LocationError::Spec(
            "`spec.objectStorage.caCert` and `caCertRef` exclude one another: keep `caCertRef`",
        ));
    }
    let ca_cert = match (&bucket.ca_cert, &bucket.ca_cert_ref) {
        (Some(inline), _) => Some(inline.0.clone()),
        (None, Some(reference)) => Some(required(ports, reference).await?),
        (None, None) => None,
    };
    let credentials = if let Some(reference) = &spec.credential {
        Some(text(reference, required(ports, reference).await?)?)
    } else {
        let (name, key) = DEFAULT_CREDENTIALS;
        let reference = SecretKeySelector {
            name: name.to_owned(),
            key: key.to_owned(),
            optional: None,
        };
        match secret(ports, &reference).await? {
            Some(bytes) => Some(text(&reference, bytes)?),
            None => None,
        }
    };
    let config = StoreConfig {
        provider: spec.provider.clone(),
        bucket: bucket.bucket.clone(),
        prefix: bucket.prefix.clone(),
        config: spec.config.clone(),
        ca_cert,
        credentials: credentials.map(Secret::new),
    };
    Ok(store::open(&config).await?.gated(ports.gate.clone()))
}

async fn required(ports: &Ports, reference: &SecretKeySelector) -> Result<Vec<u8>, LocationError> {
    secret(ports, reference)
        .await?
        .ok_or_else(|| LocationError::SecretMissing {
            name: reference.name.clone(),
            key: reference.key.clone(),
        })
}

async fn secret(ports: &Ports, reference: &SecretKeySelector) -> Result<Option<Vec<u8>>, LocationError> {
    let api: Api<KubeSecret> = Api::namespaced(ports.cluster.client().clone(), &ports.namespace);
    let found = api.get_opt(&reference.name).await.map_err(|error| LocationError::Api {
        name: reference.name.clone(),
        reason: error.to_string(),
    })?;
    Ok(found
        .and_then(|secret| secret.data)
        .and_then(|mut data| data.remove(&reference.key))
        .map(|bytes| bytes.0))
}

fn text(reference: &SecretKeySelector, bytes: Vec<u8>) -> Result<String, LocationError> {
    String::from_utf8(bytes).map_err(|_| LocationError::SecretUnreadable {
        name: reference.name.clone(),
        key: reference.key.clone(),
    })
}
