//! Flag values that `create` and `set` share.

use std::path::Path;

use k8s_openapi::ByteString;

use crate::api::SecretKeySelector;
use crate::api::v1::BackupStorageLocation;
use crate::cli::flag::{Map, certificates, merged};
use crate::cli::objects::{Objects, RequestError};

/// The Secret and key of `--credential`, of which there is at most one.
pub(super) fn credential(flags: &[Map]) -> anyhow::Result<Option<SecretKeySelector>> {
    let mut pairs = merged("--credential", flags)?.into_iter();
    let first = pairs.next();
    if pairs.next().is_some() {
        anyhow::bail!("--credential can only contain 1 key/value pair");
    }
    Ok(first.map(|(name, key)| SecretKeySelector {
        name,
        key,
        ..SecretKeySelector::default()
    }))
}

/// The certificates of `--cacert`.
pub(super) fn ca_cert(path: Option<&Path>) -> anyhow::Result<Option<ByteString>> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    Ok(Some(ByteString(certificates(path).map_err(anyhow::Error::msg)?)))
}

/// The names of the locations that are the default.
pub(super) async fn defaults(locations: &Objects<BackupStorageLocation>) -> Result<Vec<String>, RequestError> {
    let all = locations.list(None).await?.items;
    Ok(all
        .into_iter()
        .filter(|location| location.spec.default)
        .filter_map(|location| location.metadata.name)
        .collect())
}
