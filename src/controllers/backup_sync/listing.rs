//! What a bucket has, by listings alone.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;

use crate::store::layout::{BACKUPS, BackupFile};
use crate::store::{Result, Store};

/// Backups read at once.
pub(super) const READERS: usize = 16;

/// From so many backups that are missing in the cluster on, all files of the bucket are listed: one request lists a hundred backups, and
/// saves one request for each that has no pod volumes.
const MANY: usize = 64;

/// A list of pod volumes of at most this size has none: `null` or `[]`, gzipped. One that has any is several times as large.
const EMPTY: u64 = 64;

/// What the listing says of a backup's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// It is sealed.
    pub(super) sealed: bool,
    /// It has pod volumes.
    pub(super) volumes: bool,
}

/// The names of all directories of backups.
pub(super) async fn names(store: &Store) -> Result<BTreeSet<String>> {
    let prefixes = store.list_prefixes(BACKUPS).await?;
    let name = |prefix: String| Some(prefix.strip_prefix(BACKUPS)?.strip_suffix('/')?.to_owned());
    Ok(prefixes.into_iter().filter_map(name).collect())
}

/// The files of those that are missing; `None` where asking for each costs less than to list them.
pub(super) async fn files(store: &Store, missing: &[String]) -> Result<Option<HashMap<String, Files>>> {
    if missing.len() < MANY {
        return Ok(None);
    }
    let mut found: HashMap<String, Files> = missing.iter().map(|name| (name.clone(), Files::default())).collect();
    let mut objects = store.list(BACKUPS);
    while let Some(object) = objects.try_next().await? {
        let name = object.key.strip_prefix(BACKUPS).and_then(|rest| rest.split('/').next());
        let Some((name, files)) = name.and_then(|name| Some((name.to_owned(), found.get_mut(name)?))) else {
            continue;
        };
        files.sealed |= object.key == BackupFile::Metadata.key(&name);
        files.volumes |= object.key == BackupFile::PodVolumeBackups.key(&name) && object.size > EMPTY;
    }
    Ok(Some(found))
}
