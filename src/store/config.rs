//! What a BackupStorageLocation says about its store.

use std::collections::BTreeMap;
use std::fmt;

/// A location's configuration, free of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// `spec.provider`: `velero.io/fs` (or `filesystem`), `velero.io/aws` (or `aws`).
    pub provider: String,
    /// `spec.objectStorage.bucket`.
    pub bucket: String,
    /// `spec.objectStorage.prefix`.
    pub prefix: String,
    /// `spec.config`.
    pub config: BTreeMap<String, String>,
    /// `spec.objectStorage.caCert` or what its reference leads to: PEM, added to the system's roots.
    pub ca_cert: Option<Vec<u8>>,
    /// Content of the credentials file; `None` = the environment's own (web identity, instance roles).
    pub credentials: Option<Secret>,
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; not for logs and errors.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
