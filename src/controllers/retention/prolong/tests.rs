//! Metadata in the bucket that another process changes at the same time.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;

use super::*;
use crate::store::provider::{Call, Depth, Entry, Part, PartTag, Pieces, Provider, Unfinished};
use crate::store::{ObjectInfo, PutOutcome};

const KEY: &str = "backups/b/velero-backup.json";

type Change = Box<dyn FnOnce(&mut Option<Bytes>) + Send>;

/// A bucket with the metadata of one backup. Each change happens between a read and the write that follows.
#[derive(Default)]
struct Changing {
    /// The number of writes is the ETag.
    file: Mutex<(usize, Option<Bytes>)>,
    changes: Mutex<Vec<Change>>,
    has_conditional_writes: bool,
}

impl std::fmt::Debug for Changing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changing")
    }
}

impl Changing {
    fn info(&self, key: &str) -> Option<(ObjectInfo, Bytes)> {
        let (version, content) = &*self.file.lock();
        let bytes = content.clone().filter(|_| key == KEY)?;
        let info = ObjectInfo {
            key: key.to_owned(),
            size: bytes.len() as u64,
            etag: self.has_conditional_writes.then(|| version.to_string()),
            modified: Timestamp::UNIX_EPOCH,
        };
        Some((info, bytes))
    }
}

impl Provider for Arc<Changing> {
    fn put(&self, _: &str, bytes: Bytes, _: bool) -> Call<'_, PutOutcome> {
        let mut file = self.file.lock();
        *file = (file.0 + 1, Some(bytes));
        std::future::ready(Ok(PutOutcome::Created)).boxed()
    }

    fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Call<'_, ReplaceOutcome> {
        if self.info(key).and_then(|(info, _)| info.etag).as_deref() != Some(etag) {
            return std::future::ready(Ok(ReplaceOutcome::Changed)).boxed();
        }
        drop(self.put(key, bytes, false));
        std::future::ready(Ok(ReplaceOutcome::Replaced)).boxed()
    }

    fn read(&self, key: &str, _: Option<std::ops::Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)> {
        let Some((info, bytes)) = self.info(key) else {
            return std::future::ready(Err(crate::store::error::Failure::not_found())).boxed();
        };
        if let Some(change) = self.changes.lock().pop() {
            let mut file = self.file.lock();
            file.0 += 1;
            change(&mut file.1);
        }
        let pieces: Pieces<Bytes> = Box::pin(futures::stream::iter([Ok(bytes)]));
        std::future::ready(Ok((info, pieces))).boxed()
    }

    fn begin_upload(&self, _: &str) -> Call<'_, String> {
        unimplemented!()
    }

    fn put_part(&self, _: Part) -> Call<'_, PartTag> {
        unimplemented!()
    }

    fn finish_upload(&self, _: &str, _: &str, _: Vec<PartTag>) -> Call<'_, ()> {
        unimplemented!()
    }

    fn abort_upload(&self, _: &str, _: &str) -> Call<'_, ()> {
        unimplemented!()
    }

    fn uploads(&self, _: &str) -> Pieces<Unfinished> {
        unimplemented!()
    }

    fn head(&self, _: &str) -> Call<'_, ObjectInfo> {
        unimplemented!()
    }

    fn list(&self, _: &str, _: Depth) -> Pieces<Entry> {
        unimplemented!()
    }

    fn delete(&self, _: &str) -> Call<'_, ()> {
        unimplemented!()
    }

    fn sign(&self, _: &str, _: std::time::Duration) -> Call<'_, Option<String>> {
        unimplemented!()
    }

    fn needs_identity(&self) -> bool {
        false
    }

    fn create_bucket(&self) -> Call<'_, ()> {
        unimplemented!()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn backup(expiration: Option<i64>) -> Backup {
    let mut backup = Backup::new("velero", "b");
    backup.metadata.uid = Some("uid".to_owned());
    backup.status.expiration = expiration.map(|end| time(at(end)));
    backup
}

fn text(backup: &Backup) -> Bytes {
    go_json::to_pretty(backup).unwrap().into()
}

/// A change of the metadata by another process.
fn edit(change: impl FnOnce(&mut Backup) + Send + 'static) -> Change {
    Box::new(move |file| {
        let mut stored: Backup = serde_json::from_slice(file.as_ref().unwrap()).unwrap();
        change(&mut stored);
        *file = Some(text(&stored));
    })
}

/// Prolongs the backup until 1000 while these changes happen, the last one first.
async fn prolong(
    has_conditional_writes: bool,
    expiration: Option<i64>,
    changes: Vec<Change>,
) -> (io::Result<Option<i64>>, Option<Backup>) {
    let bucket = Arc::new(Changing {
        file: Mutex::new((0, Some(text(&backup(expiration))))),
        changes: Mutex::new(changes),
        has_conditional_writes,
    });
    let store = Store::new(bucket.clone(), "bucket", "");
    let end = prolong_stored(&store, &backup(Some(100)), "b", at(1000)).await;
    let left = bucket.file.lock().1.take();
    let left = left.map(|text| serde_json::from_slice(&text).unwrap());
    (end.map(|end| end.map(Timestamp::as_second)), left)
}

fn end(backup: Option<&Backup>) -> Option<i64> {
    Some(backup?.status.expiration.as_ref()?.0.as_second())
}

#[tokio::test]
async fn a_change_of_the_metadata_between_read_and_write_is_not_lost() {
    let warn = || edit(|stored| stored.status.warnings = 7);
    let (result, left) = prolong(true, Some(100), vec![warn()]).await;
    assert_eq!(result.unwrap(), Some(1000));
    assert_eq!(end(left.as_ref()), Some(1000));
    assert_eq!(left.unwrap().status.warnings, 7);
    // Without conditional writes nothing can prevent it.
    let (result, left) = prolong(false, Some(100), vec![warn()]).await;
    assert_eq!(result.unwrap(), Some(1000));
    assert_eq!(end(left.as_ref()), Some(1000));
}

#[tokio::test]
async fn a_life_that_another_server_prolongs_further_at_the_same_time_is_not_shortened() {
    let further = edit(|stored| stored.status.expiration = Some(time(at(5000))));
    let (result, left) = prolong(true, Some(100), vec![further]).await;
    assert_eq!(result.unwrap(), Some(5000), "the object shows what the bucket has");
    assert_eq!(end(left.as_ref()), Some(5000));
    let (result, left) = prolong(true, None, Vec::new()).await;
    assert_eq!(result.unwrap(), Some(1000));
    assert_eq!(end(left.as_ref()), None, "it never ends there");
}

#[tokio::test]
async fn metadata_that_a_deletion_removes_meanwhile_do_not_come_back() {
    let (result, left) = prolong(true, Some(100), vec![Box::new(|file| *file = None)]).await;
    assert_eq!(result.unwrap(), None);
    assert_eq!(left, None);
}

#[tokio::test]
async fn metadata_that_change_each_time_are_left_to_a_later_pass() {
    let changes = (0..TRIES).map(|_| edit(|stored| stored.status.warnings += 1)).collect();
    let (result, left) = prolong(true, Some(100), changes).await;
    assert!(result.unwrap_err().to_string().contains("check which servers write"));
    assert_eq!(end(left.as_ref()), Some(100));
}
