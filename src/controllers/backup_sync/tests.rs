//! What a pass asks a bucket for.

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;

use super::*;
use crate::controllers::testing::store::{Crowd, Files, MemoryBucket, Operation};
use crate::controllers::testing::world::{Process, World};
use crate::runtime::testing::death::Dies;

fn metadata(name: &str, phase: &str) -> Bytes {
    let mut backup = Backup::new("elsewhere", name);
    backup.metadata.uid = Some(format!("theirs-{name}"));
    backup.status.phase = Some(phase.into());
    serde_json::to_vec(&backup).unwrap().into()
}

/// Brings these in, as one pass does.
async fn bring(sync: &Sync, store: &Store, second: i64, names: &[&str]) -> usize {
    let bucket = Bucket {
        store,
        location: "default",
        uid: &Uid::from("location"),
        now: Timestamp::from_second(second).unwrap(),
    };
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    sync.bring_all(&bucket, names).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn sixteen_backups_are_read_at_a_time() {
    let world = World::new();
    let process = Process::start(&world, Dies::Never).await;
    let sync = Sync::new(process.ctx.clone(), world.watch(), world.watch());
    let names: Vec<String> = (0..3 * READERS).map(|number| format!("b{number}")).collect();
    let files = Arc::new(Mutex::new(Files::default()));
    for name in &names {
        files
            .lock()
            .put(&BackupFile::Metadata.key(name), metadata(name, "Completed"));
    }
    let crowd = Crowd::of(READERS);
    let joined = crowd.clone();
    let store = MemoryBucket::store(&files, move |operation, key| {
        if operation == Operation::Read && key.ends_with("/velero-backup.json") {
            return joined.join();
        }
        std::future::ready(()).boxed()
    });
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(bring(&sync, &store, 0, &names).await, names.len());
    assert_eq!(crowd.most(), READERS);
    assert_eq!(world.api.all("velero.io/v1", "Backup").len(), names.len());
    process.kill().await;
}

#[tokio::test]
async fn metadata_that_make_no_backup_are_read_again_only_when_their_etag_has_changed() {
    let world = World::new();
    let process = Process::start(&world, Dies::Never).await;
    let sync = Sync::new(process.ctx.clone(), world.watch(), world.watch());
    let (files, key) = (Arc::new(Mutex::new(Files::default())), BackupFile::Metadata.key("odd"));
    files.lock().put(&key, "no JSON".into());
    let reads = Arc::new(Mutex::new(Vec::new()));
    let (noted, of) = (reads.clone(), key.clone());
    let store = MemoryBucket::store(&files, move |operation, key| {
        if key == of {
            noted.lock().push(operation);
        }
        std::future::ready(()).boxed()
    });
    let seen = || std::mem::take(&mut *reads.lock());
    assert_eq!(bring(&sync, &store, 0, &["odd"]).await, 0);
    assert_eq!(seen(), [Operation::Read]);
    for second in [600, 1200] {
        assert_eq!(bring(&sync, &store, second, &["odd"]).await, 0);
        assert_eq!(seen(), [Operation::Head]);
    }
    files.lock().put(&key, metadata("odd", "Completed"));
    assert_eq!(bring(&sync, &store, 1800, &["odd"]).await, 1);
    assert_eq!(seen(), [Operation::Head, Operation::Read]);
    process.kill().await;
}
