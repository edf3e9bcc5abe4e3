//! `velero backup-location …`.

mod create;
mod delete;
mod get;
mod set;

pub use create::Create;
pub use delete::Delete;
pub use get::Get;
pub use set::Set;

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::ByteString;

use super::Commands;
use super::context::Context;
use super::flag::{Map, merged};
use super::objects::{Objects, RequestError};
use crate::api::SecretKeySelector;
use crate::api::v1::BackupStorageLocation;

/// Commands that work with backup storage locations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a backup storage location
    Create(Box<Create>),
    /// Delete backup storage locations
    Delete(Delete),
    /// Get backup storage locations
    Get(Get),
    /// Set specific features for a backup storage location
    Set(Set),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Set(set) => set.run(context).await,
        }
    }
}

/// The Secret and key of `--credential`, of which there is at most one.
fn credential(flags: &[Map]) -> anyhow::Result<Option<SecretKeySelector>> {
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
fn ca_cert(path: Option<&Path>) -> anyhow::Result<Option<ByteString>> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let pem = fs::read(path).with_context(|| format!("read the certificates in `{}`", path.display()))?;
    Ok(Some(ByteString(pem)))
}

/// The names of the locations that are the default.
async fn defaults(locations: &Objects<BackupStorageLocation>) -> Result<Vec<String>, RequestError> {
    let all = locations.list(None).await?.items;
    Ok(all
        .into_iter()
        .filter(|location| location.spec.default)
        .filter_map(|location| location.metadata.name)
        .collect())
}
