//! Metadata in the bucket that another process changes at the same time.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;

use super::*;
use crate::controllers::testing::store::{Files, MemoryBucket, Operation};

const KEY: &str = "backups/b/velero-backup.json";

/// A change of the files by another process, between a read and the write that follows.
type Change = Box<dyn FnOnce(&mut Files) + Send>;

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

fn edit(change: impl FnOnce(&mut Backup) + Send + 'static) -> Change {
    Box::new(move |files| {
        let mut stored: Backup = serde_json::from_slice(&files.get(KEY).unwrap()).unwrap();
        change(&mut stored);
        files.put(KEY, text(&stored));
    })
}

/// Prolongs the backup until 1000 while these changes happen, the last one first.
async fn prolong(expiration: Option<i64>, changes: Vec<Change>) -> (io::Result<Option<i64>>, Option<Backup>) {
    let files = Arc::new(Mutex::new(Files::default()));
    files.lock().put(KEY, text(&backup(expiration)));
    let (changed, changes) = (files.clone(), Mutex::new(changes));
    let store = MemoryBucket::store(&files, move |operation, _| {
        if operation == Operation::Write
            && let Some(change) = changes.lock().pop()
        {
            change(&mut changed.lock());
        }
        std::future::ready(()).boxed()
    });
    let end = prolong_stored(&store, &backup(Some(100)), "b", at(1000)).await;
    let left = files.lock().get(KEY);
    let left = left.map(|text| serde_json::from_slice(&text).unwrap());
    (end.map(|end| end.map(Timestamp::as_second)), left)
}

fn end(backup: Option<&Backup>) -> Option<i64> {
    Some(backup?.status.expiration.as_ref()?.0.as_second())
}

#[tokio::test]
async fn a_change_of_the_metadata_between_read_and_write_is_not_lost() {
    let warn = edit(|stored| stored.status.warnings = 7);
    let (result, left) = prolong(Some(100), vec![warn]).await;
    assert_eq!(result.unwrap(), Some(1000));
    assert_eq!(end(left.as_ref()), Some(1000));
    assert_eq!(left.unwrap().status.warnings, 7);
}

#[tokio::test]
async fn a_life_that_another_server_prolongs_further_at_the_same_time_is_not_shortened() {
    let further = edit(|stored| stored.status.expiration = Some(time(at(5000))));
    let (result, left) = prolong(Some(100), vec![further]).await;
    assert_eq!(result.unwrap(), Some(5000), "the object shows what the bucket has");
    assert_eq!(end(left.as_ref()), Some(5000));
    let (result, left) = prolong(None, Vec::new()).await;
    assert_eq!(result.unwrap(), Some(1000));
    assert_eq!(end(left.as_ref()), None, "it never ends there");
}

#[tokio::test]
async fn metadata_that_a_deletion_removes_meanwhile_do_not_come_back() {
    let (result, left) = prolong(Some(100), vec![Box::new(|files| files.remove(KEY))]).await;
    assert_eq!(result.unwrap(), None);
    assert_eq!(left, None);
}

#[tokio::test]
async fn metadata_that_change_each_time_are_left_to_a_later_pass() {
    let changes = (0..TRIES).map(|_| edit(|stored| stored.status.warnings += 1)).collect();
    let (result, left) = prolong(Some(100), changes).await;
    assert!(result.unwrap_err().to_string().contains("check which servers write"));
    assert_eq!(end(left.as_ref()), Some(100));
}
