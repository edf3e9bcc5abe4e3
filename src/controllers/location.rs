//! From a BackupStorageLocation to its open store: the Secrets it names are read here and go no further.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::Api;

use crate::api::SecretKeySelector;
use crate::api::names::is_object_name;
use crate::api::v1::BackupStorageLocation;
use crate::store::{self, Secret, Store, StoreConfig, StoreError, config};

use crate::controllers::context::Context;

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
    /// The file with credentials that the environment names cannot be read.
    #[error("reading the credentials file `{}` failed: {source}; check the volume that it is on", file.display())]
    CredentialsFile {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
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
            Self::Spec(_)
            | Self::SecretMissing { .. }
            | Self::SecretUnreadable { .. }
            | Self::CredentialsFile { .. } => false,
        }
    }
}

/// The Secrets that the store of a location depends on.
pub fn secrets(location: &BackupStorageLocation) -> Vec<&str> {
    let spec = &location.spec;
    let credentials = spec
        .credential
        .as_ref()
        .map_or(DEFAULT_CREDENTIALS.0, |reference| &reference.name);
    let certificates = spec
        .object_storage
        .as_ref()
        .and_then(|bucket| bucket.ca_cert_ref.as_ref());
    std::iter::once(credentials)
        .chain(certificates.map(|reference| reference.name.as_str()))
        .collect()
}

/// Opens the store of a location; nothing is written, and later only while we lead.
///
/// # Errors
/// See [`LocationError`].
pub async fn open(ctx: &Context, location: &BackupStorageLocation) -> Result<Store, LocationError> {
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
        (None, Some(reference)) => Some(required(ctx, reference).await?),
        (None, None) => None,
    };
    let file = credentials_file(&spec.provider, |variable| std::env::var_os(variable));
    let credentials = if let Some(reference) = &spec.credential {
        Some(text(reference, required(ctx, reference).await?)?)
    } else if let Some(content) = read_credentials(file).await? {
        Some(content)
    } else {
        let (name, key) = DEFAULT_CREDENTIALS;
        let reference = SecretKeySelector {
            name: name.to_owned(),
            key: key.to_owned(),
            optional: None,
        };
        match secret(ctx, &reference).await? {
            Some(bytes) => Some(text(&reference, bytes)?),
            None => None,
        }
    };
    let wanted = StoreConfig {
        provider: spec.provider.clone(),
        bucket: bucket.bucket.clone(),
        prefix: bucket.prefix.clone(),
        config: spec.config.clone(),
        ca_cert,
        credentials: credentials.map(Secret::new),
    };
    Ok(store::open(&wanted).await?.gated(ctx.gate.clone()))
}

/// The file with the credentials of locations that name none, which the environment names: a Secret of whatever name is
/// mounted there (spec api 13.1).
fn credentials_file(provider: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let name = config::credentials_variable(config::built_in(provider)?)?;
    variable(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Its content; nothing if there is no such file, as without a Secret.
async fn read_credentials(file: Option<PathBuf>) -> Result<Option<String>, LocationError> {
    let Some(file) = file else { return Ok(None) };
    match tokio::fs::read_to_string(&file).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocationError::CredentialsFile { file, source }),
    }
}

async fn required(ctx: &Context, reference: &SecretKeySelector) -> Result<Vec<u8>, LocationError> {
    secret(ctx, reference)
        .await?
        .ok_or_else(|| LocationError::SecretMissing {
            name: reference.name.clone(),
            key: reference.key.clone(),
        })
}

async fn secret(ctx: &Context, reference: &SecretKeySelector) -> Result<Option<Vec<u8>>, LocationError> {
    if !is_object_name(&reference.name) {
        return Ok(None);
    }
    let api: Api<KubeSecret> = Api::namespaced(ctx.cluster.client().clone(), &ctx.namespace);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_come_from_the_file_that_the_environment_names_for_this_provider() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cloud");
        std::fs::write(&path, "[default]\n").unwrap();
        for (provider, name, found) in [
            ("aws", "AWS_SHARED_CREDENTIALS_FILE", true),
            ("velero.io/aws", "AWS_SHARED_CREDENTIALS_FILE", true),
            ("aws", "AZURE_CREDENTIALS_FILE", false),
            ("velero.io/fs", "AWS_SHARED_CREDENTIALS_FILE", false),
            ("example.com/other", "AWS_SHARED_CREDENTIALS_FILE", false),
        ] {
            let file = credentials_file(provider, |asked| (asked == name).then(|| path.clone().into_os_string()));
            let content = read_credentials(file).await.unwrap();
            assert_eq!(content.is_some(), found, "{provider} {name}");
        }
    }

    #[tokio::test]
    async fn a_credentials_file_that_is_not_there_is_as_none_and_one_that_cannot_be_read_is_an_error() {
        assert_eq!(credentials_file("aws", |_| Some(OsString::new())), None);
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(
            read_credentials(Some(directory.path().join("none"))).await.unwrap(),
            None
        );
        let error = read_credentials(Some(directory.path().to_owned())).await.unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains("check the volume"), "{error}");
    }
}
