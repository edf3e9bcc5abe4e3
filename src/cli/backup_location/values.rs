//! Flag values that `create` and `set` share.

use std::path::Path;

use k8s_openapi::ByteString;

use crate::api::v1::BackupStorageLocation;
use crate::cli::flag::certificates;
use crate::cli::objects::{Objects, RequestError};

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
