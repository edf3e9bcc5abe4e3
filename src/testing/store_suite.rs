//! The behaviour of every object store, as tests that each provider runs: [`store_suite!`](crate::store_suite) makes a test of each function here.

#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "these functions are tests: their names say what they do"
)]

use std::any::Any;
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use crate::store::{ByteStream, Class, PutOutcome, ReplaceOutcome, Store, StoreError};

/// A test's environment: an empty location.
#[derive(Debug)]
pub struct Bench {
    /// The location; it has a prefix.
    pub store: Store,
    /// Another location in the same bucket, with another prefix.
    pub neighbour: Store,
    /// Whether the store can sign URLs.
    pub signs: bool,
    /// Values that must live as long as the test.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Makes a test of each behaviour; the argument is an async function that makes a [`Bench`].
///
/// [`of_many_concurrent_changes_of_an_object_none_is_lost`] is asked for by name: the S3 server of the tests compares `If-Match` and replaces
/// the object in two steps, S3 in one.
#[macro_export]
macro_rules! store_suite {
    ($bench:path) => {
        $crate::store_suite! { $bench =>
            an_object_of_any_size_is_read_back_whole
            a_put_replaces_the_object_at_once
            an_object_is_created_only_if_there_is_none
            an_object_is_replaced_only_if_it_is_the_one_that_was_read
            one_of_many_concurrent_creators_wins
            nothing_is_read_beyond_the_limit
            a_missing_object_is_not_found_and_may_be_deleted
            a_range_of_an_object_is_read
            an_upload_is_invisible_until_it_is_finished
            an_upload_may_be_of_many_parts
            an_upload_may_be_empty
            an_upload_replaces_the_object_only_in_the_end
            an_aborted_upload_leaves_nothing
            an_upload_that_was_dropped_is_aborted_by_its_id
            an_aborted_upload_cannot_be_finished
            a_sweep_aborts_old_uploads_below_the_prefix
            more_than_a_thousand_objects_are_listed
            a_prefix_ends_at_a_slash
            only_directories_with_objects_are_listed
            a_directory_is_deleted_and_its_neighbours_are_not
            locations_in_one_bucket_are_separate
            keys_may_be_long_and_odd
            bad_keys_are_refused_without_a_request
            all_ways_to_look_at_an_object_agree
            a_stream_that_is_dropped_harms_nothing
            a_signed_url_can_be_fetched_by_anyone
            a_new_location_is_valid_and_stays_so
            a_location_with_foreign_directories_is_not_valid
        }
    };
    ($bench:path => $($behaviour:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                $crate::testing::store_suite::$behaviour(&$bench().await).await;
            }
        )*
    };
}

fn bytes(size: usize) -> Bytes {
    // Not periodic, so that exchanged parts or buffers show.
    (0..size).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect()
}

async fn collect(mut pieces: ByteStream) -> Bytes {
    let mut whole = Vec::new();
    while let Some(piece) = pieces.try_next().await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    whole.into()
}

async fn keys(store: &Store, prefix: &str) -> BTreeSet<String> {
    store.list(prefix).map_ok(|info| info.key).try_collect().await.unwrap()
}

async fn put_all(store: &Store, keys: impl IntoIterator<Item = String>) {
    let put = |key: String| async move { store.put(&key, Bytes::from(key.clone())).await.unwrap() };
    futures::stream::iter(keys)
        .map(put)
        .buffer_unordered(32)
        .collect::<Vec<()>>()
        .await;
}

/// A moment later than any that the store's clock shows now.
fn later() -> Timestamp {
    Timestamp::MAX
}

pub async fn an_object_of_any_size_is_read_back_whole(bench: &Bench) {
    for size in [0, 1, 16_384, 16_385, 1 << 20] {
        let key = format!("backups/{size}");
        bench.store.put(&key, bytes(size)).await.unwrap();
        assert!(bench.store.get(&key, 1 << 20).await.unwrap() == bytes(size), "{size}");
        let (info, pieces) = bench.store.stream(&key).await.unwrap();
        assert_eq!(info.size, size as u64);
        assert!(collect(pieces).await == bytes(size), "{size}");
    }
}

pub async fn a_put_replaces_the_object_at_once(bench: &Bench) {
    let key = "backups/b/velero-backup.json";
    bench.store.put(key, bytes(100)).await.unwrap();
    let first = bench.store.head(key).await.unwrap().unwrap();
    bench.store.put(key, bytes(50)).await.unwrap();
    let second = bench.store.head(key).await.unwrap().unwrap();
    assert_eq!((first.size, second.size), (100, 50));
    assert_ne!(first.etag, second.etag);
    assert_eq!(bench.store.get(key, 100).await.unwrap(), bytes(50));
}

pub async fn an_object_is_created_only_if_there_is_none(bench: &Bench) {
    let key = "metadata/seal";
    assert_eq!(
        bench.store.put_if_absent(key, bytes(1)).await.unwrap(),
        PutOutcome::Created
    );
    assert_eq!(
        bench.store.put_if_absent(key, bytes(2)).await.unwrap(),
        PutOutcome::Exists
    );
    assert_eq!(bench.store.get(key, 10).await.unwrap(), bytes(1));
    bench.store.delete(key).await.unwrap();
    assert_eq!(
        bench.store.put_if_absent(key, bytes(3)).await.unwrap(),
        PutOutcome::Created
    );
    assert_eq!(keys(&bench.store, "").await.len(), 1);
}

pub async fn one_of_many_concurrent_creators_wins(bench: &Bench) {
    let create = |size| async move { (size, bench.store.put_if_absent("metadata/seal", bytes(size)).await) };
    let outcomes = futures::future::join_all((1..=8).map(create)).await;
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == Ok(PutOutcome::Created))
        .collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    // A store may ask for a retry where two writers meet, but may not fail otherwise.
    for (_, outcome) in &outcomes {
        assert!(
            outcome.as_ref().is_ok() || outcome.as_ref().is_err_and(StoreError::is_transient),
            "{outcome:?}"
        );
    }
    assert_eq!(bench.store.get("metadata/seal", 10).await.unwrap(), bytes(winners[0].0));
}

pub async fn an_object_is_replaced_only_if_it_is_the_one_that_was_read(bench: &Bench) {
    let (store, key) = (&bench.store, "backups/b/velero-backup.json");
    store.put(key, bytes(10)).await.unwrap();
    let (first, _) = store.get_object(key, 100).await.unwrap();
    let replaced = store.put_if_unchanged(&first, bytes(20)).await.unwrap();
    assert_eq!(replaced, ReplaceOutcome::Replaced);
    assert_eq!(store.get(key, 100).await.unwrap(), bytes(20));
    let changed = store.put_if_unchanged(&first, bytes(30)).await.unwrap();
    assert_eq!(changed, ReplaceOutcome::Changed);
    assert_eq!(store.get(key, 100).await.unwrap(), bytes(20));
    let second = store.head(key).await.unwrap().unwrap();
    store.delete(key).await.unwrap();
    let gone = store.put_if_unchanged(&second, bytes(40)).await.unwrap();
    assert_eq!(gone, ReplaceOutcome::Changed);
    assert_eq!(store.head(key).await.unwrap(), None);
    assert_eq!(keys(store, "").await, BTreeSet::new());
}

pub async fn of_many_concurrent_changes_of_an_object_none_is_lost(bench: &Bench) {
    let (store, key) = (&bench.store, "backups/b/velero-backup.json");
    store.put(key, bytes(0)).await.unwrap();
    let grow = || async {
        loop {
            let (read, was) = store.get_object(key, 100).await.unwrap();
            let one_more = bytes(was.len() + 1);
            if store.put_if_unchanged(&read, one_more).await.unwrap() == ReplaceOutcome::Replaced {
                return;
            }
        }
    };
    futures::future::join_all((0..8).map(|_| grow())).await;
    assert_eq!(store.get(key, 100).await.unwrap(), bytes(8));
}

pub async fn nothing_is_read_beyond_the_limit(bench: &Bench) {
    bench.store.put("backups/a", bytes(1000)).await.unwrap();
    assert_eq!(bench.store.get("backups/a", 1000).await.unwrap().len(), 1000);
    let error = bench.store.get("backups/a", 999).await.unwrap_err();
    assert_eq!(error.class(), Class::TooLarge);
    assert!(error.to_string().contains("backups/a"), "{error}");
}

pub async fn a_missing_object_is_not_found_and_may_be_deleted(bench: &Bench) {
    let store = &bench.store;
    store.put("backups/b/file", bytes(1)).await.unwrap();
    // Nothing, nothing in a directory, a directory, something below a file.
    for key in ["nothing", "backups/b/nothing", "backups/b", "backups/c/d/e"] {
        assert_eq!(store.head(key).await.unwrap(), None, "{key}");
        let error = store.get(key, 10).await.unwrap_err();
        assert!(error.is_not_found() && !error.is_transient(), "{key}: {error}");
        assert!(store.stream(key).await.err().unwrap().is_not_found());
        assert!(store.stream_range(key, 0..1).await.err().unwrap().is_not_found());
    }
    for key in ["nothing", "backups/b/nothing", "backups/c/d/e"] {
        store.delete(key).await.unwrap();
    }
    assert_eq!(store.delete_prefix("restores/").await.unwrap(), 0);
    assert_eq!(keys(store, "restores/").await.len(), 0);
    assert_eq!(keys(store, "").await, BTreeSet::from(["backups/b/file".to_owned()]));
}

pub async fn a_range_of_an_object_is_read(bench: &Bench) {
    let (store, whole) = (&bench.store, bytes(600_000));
    store.put("backups/a", whole.clone()).await.unwrap();
    for range in [0..1, 0..600_000, 599_999..600_000, 1000..400_001] {
        let (info, pieces) = store.stream_range("backups/a", range.clone()).await.unwrap();
        assert_eq!(info.size, 600_000, "the size is the whole object's");
        let expected = whole.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
        assert!(collect(pieces).await == expected, "{range:?}");
    }
    for range in [5..5, 600_000..600_001, 0..600_001] {
        let error = match store.stream_range("backups/a", range.clone()).await {
            Err(error) => error,
            Ok((_, pieces)) => pieces.try_collect::<Vec<_>>().await.unwrap_err(),
        };
        assert!(!error.is_not_found(), "{range:?}: {error}");
    }
}

pub async fn an_upload_is_invisible_until_it_is_finished(bench: &Bench) {
    let store = &bench.store;
    let mut upload = store.upload("backups/b/b.tar.gz").await.unwrap();
    assert!(!upload.id().is_empty());
    upload.write(bytes(11 << 20)).await.unwrap();
    assert_eq!(store.head("backups/b/b.tar.gz").await.unwrap(), None);
    assert_eq!(keys(store, "").await.len(), 0);
    assert_eq!(store.list_prefixes("").await.unwrap(), [""; 0]);
    assert_eq!(store.list_prefixes("backups/").await.unwrap(), [""; 0]);
    let info = upload.finish().await.unwrap();
    assert_eq!(store.head("backups/b/b.tar.gz").await.unwrap(), Some(info));
    assert_eq!(store.list_prefixes("backups/").await.unwrap(), ["backups/b/"]);
}

pub async fn an_upload_may_be_of_many_parts(bench: &Bench) {
    let whole = bytes((37 << 20) + 12_345);
    let mut upload = bench.store.upload("backups/b/b.tar.gz").await.unwrap();
    // Pieces as a compressor emits them, and one that is larger than a part.
    let mut rest = whole.clone();
    for size in [1, 32_768, 11 << 20, 7, 300_000].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        upload.write(rest.split_to(rest.len().min(size))).await.unwrap();
    }
    assert_eq!(upload.written(), whole.len() as u64);
    let info = upload.finish().await.unwrap();
    assert_eq!(
        (info.key.as_str(), info.size),
        ("backups/b/b.tar.gz", whole.len() as u64)
    );
    assert!(bench.store.get(&info.key, info.size).await.unwrap() == whole);
}

pub async fn an_upload_may_be_empty(bench: &Bench) {
    let upload = bench.store.upload("backups/b/b.tar.gz").await.unwrap();
    assert_eq!(upload.finish().await.unwrap().size, 0);
    assert_eq!(bench.store.get("backups/b/b.tar.gz", 0).await.unwrap(), "");
}

pub async fn an_upload_replaces_the_object_only_in_the_end(bench: &Bench) {
    let (store, key) = (&bench.store, "backups/b/b.tar.gz");
    store.put(key, bytes(10)).await.unwrap();
    let mut upload = store.upload(key).await.unwrap();
    upload.write(bytes(6 << 20)).await.unwrap();
    assert_eq!(store.get(key, 10).await.unwrap(), bytes(10));
    upload.finish().await.unwrap();
    assert_eq!(store.head(key).await.unwrap().unwrap().size, 6 << 20);
}

pub async fn an_aborted_upload_leaves_nothing(bench: &Bench) {
    let mut upload = bench.store.upload("backups/b/b.tar.gz").await.unwrap();
    upload.write(bytes(12 << 20)).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(keys(&bench.store, "").await.len(), 0);
    assert_eq!(bench.store.sweep("", later()).await.unwrap(), 0);
}

pub async fn an_upload_that_was_dropped_is_aborted_by_its_id(bench: &Bench) {
    let (store, key) = (&bench.store, "backups/b/b.tar.gz");
    let mut upload = store.upload(key).await.unwrap();
    let id = upload.id().to_owned();
    upload.write(bytes(6 << 20)).await.unwrap();
    drop(upload);
    for _ in 0..2 {
        store.abort_upload(key, &id).await.unwrap();
    }
    // A part that was in flight may begin the upload anew after that, as S3 documents: sweeps are there for it.
    while store.sweep("", later()).await.unwrap() > 0 {}
    assert_eq!(store.head(key).await.unwrap(), None);
}

pub async fn an_aborted_upload_cannot_be_finished(bench: &Bench) {
    let (store, key) = (&bench.store, "backups/b/b.tar.gz");
    let mut upload = store.upload(key).await.unwrap();
    upload.write(bytes(1000)).await.unwrap();
    // As the next leader does after a takeover.
    store.abort_upload(key, upload.id()).await.unwrap();
    let error = upload.finish().await.unwrap_err();
    assert!(error.to_string().contains(key), "{error}");
    assert_eq!(store.head(key).await.unwrap(), None);
}

pub async fn a_sweep_aborts_old_uploads_below_the_prefix(bench: &Bench) {
    let store = &bench.store;
    let before = later();
    for key in ["backups/a/a.tar.gz", "backups/b/b.tar.gz", "backups/bb/bb.tar.gz"] {
        drop(store.upload(key).await.unwrap());
    }
    drop(bench.neighbour.upload("backups/b/b.tar.gz").await.unwrap());
    let long_ago = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    assert_eq!(store.sweep("", long_ago).await.unwrap(), 0);
    assert_eq!(store.sweep("backups/b/", before).await.unwrap(), 1);
    assert_eq!(store.sweep("", before).await.unwrap(), 2);
    assert_eq!(store.sweep("", before).await.unwrap(), 0);
    assert_eq!(
        bench.neighbour.sweep("", before).await.unwrap(),
        1,
        "the sweep took uploads of another location"
    );
}

pub async fn more_than_a_thousand_objects_are_listed(bench: &Bench) {
    let expected: BTreeSet<_> = (0..1100).map(|n| format!("backups/{}/{n:04}", n % 7)).collect();
    put_all(&bench.store, expected.clone()).await;
    assert_eq!(keys(&bench.store, "").await, expected);
    let one = expected
        .iter()
        .filter(|key| key.starts_with("backups/3/"))
        .cloned()
        .collect();
    assert_eq!(keys(&bench.store, "backups/3/").await, one);
    assert_eq!(bench.store.list_prefixes("backups/").await.unwrap().len(), 7);
}

pub async fn a_prefix_ends_at_a_slash(bench: &Bench) {
    let store = &bench.store;
    put_all(
        store,
        ["backups/b/f", "backups/b1/f", "backups/b.x", "backups/b/c/f"].map(str::to_owned),
    )
    .await;
    let below = BTreeSet::from(["backups/b/f", "backups/b/c/f"].map(str::to_owned));
    assert_eq!(keys(store, "backups/b/").await, below);
    assert_eq!(
        store.list_prefixes("backups/").await.unwrap(),
        ["backups/b/", "backups/b1/"]
    );
    assert_eq!(store.list_prefixes("backups/b/").await.unwrap(), ["backups/b/c/"]);
    let error = store.list("backups/b").try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
}

pub async fn only_directories_with_objects_are_listed(bench: &Bench) {
    let store = &bench.store;
    put_all(store, ["backups/a/x/y/f", "backups/b/f"].map(str::to_owned)).await;
    store.delete("backups/a/x/y/f").await.unwrap();
    assert_eq!(store.list_prefixes("backups/").await.unwrap(), ["backups/b/"]);
    store.delete("backups/b/f").await.unwrap();
    assert_eq!(store.list_prefixes("").await.unwrap(), [""; 0]);
    store.put("backups/b/f", bytes(1)).await.unwrap();
    assert_eq!(store.list_prefixes("").await.unwrap(), ["backups/"]);
}

pub async fn a_directory_is_deleted_and_its_neighbours_are_not(bench: &Bench) {
    let store = &bench.store;
    let below = (0..40).map(|n| format!("backups/b/{}/{n}", n % 3));
    put_all(
        store,
        below.chain(["backups/b1/f".to_owned(), "backups/b.f".to_owned()]),
    )
    .await;
    assert_eq!(store.delete_prefix("backups/b/").await.unwrap(), 40);
    assert_eq!(store.delete_prefix("backups/b/").await.unwrap(), 0);
    assert_eq!(
        keys(store, "").await,
        BTreeSet::from(["backups/b1/f", "backups/b.f"].map(str::to_owned))
    );
    assert_eq!(store.delete_prefix("").await.unwrap_err().class(), Class::Invalid);
}

pub async fn locations_in_one_bucket_are_separate(bench: &Bench) {
    let Bench { store, neighbour, .. } = bench;
    store.put("backups/a/f", bytes(1)).await.unwrap();
    neighbour.put("backups/b/f", bytes(2)).await.unwrap();
    assert_eq!(keys(store, "").await, BTreeSet::from(["backups/a/f".to_owned()]));
    assert_eq!(neighbour.list_prefixes("backups/").await.unwrap(), ["backups/b/"]);
    assert_eq!(store.head("backups/b/f").await.unwrap(), None);
    assert_eq!(store.head("backups/a/f").await.unwrap().unwrap().key, "backups/a/f");
    assert_eq!(store.delete_prefix("backups/").await.unwrap(), 1);
    assert!(neighbour.head("backups/b/f").await.unwrap().is_some());
}

pub async fn keys_may_be_long_and_odd(bench: &Bench) {
    let store = &bench.store;
    let long = format!("backups/{0}/{0}-csi-volumesnapshotcontents.json.gz", "b".repeat(200));
    let expected = BTreeSet::from([
        long,
        "backups/a b/ä:?#%+&=~'(1).json".to_owned(),
        "backups/%41/%2F".to_owned(),
        "backups/a#1/file#2".to_owned(),
        "backups/.hidden/..also".to_owned(),
        "backups/\u{1F980}/\"<>|*\\".to_owned(),
    ]);
    put_all(store, expected.clone()).await;
    assert_eq!(keys(store, "backups/").await, expected);
    for key in &expected {
        assert_eq!(store.get(key, 2000).await.unwrap(), key.as_bytes());
        assert_eq!(store.head(key).await.unwrap().unwrap().key, *key);
    }
    assert_eq!(store.list_prefixes("backups/").await.unwrap().len(), expected.len());
    assert_eq!(store.delete_prefix("backups/").await.unwrap(), expected.len() as u64);
}

pub async fn bad_keys_are_refused_without_a_request(bench: &Bench) {
    let store = &bench.store;
    for key in ["", "/a", "a/", "a//b", "../a", "a/../../b", "a\0b", "."] {
        let errors = [
            store.put(key, bytes(1)).await.unwrap_err(),
            store.put_if_absent(key, bytes(1)).await.unwrap_err(),
            store.get(key, 1).await.unwrap_err(),
            store.head(key).await.unwrap_err(),
            store.delete(key).await.unwrap_err(),
            store.upload(key).await.unwrap_err(),
            store.abort_upload(key, "id").await.unwrap_err(),
            store.signed_url(key, Duration::from_secs(1)).await.unwrap_err(),
        ];
        assert!(
            errors.iter().all(|error| error.class() == Class::Invalid),
            "{key:?}: {errors:?}"
        );
    }
}

pub async fn all_ways_to_look_at_an_object_agree(bench: &Bench) {
    let store = &bench.store;
    let mut upload = store.upload("backups/b/uploaded").await.unwrap();
    upload.write(bytes(100)).await.unwrap();
    let finished = upload.finish().await.unwrap();
    store.put("backups/b/put", bytes(200)).await.unwrap();
    let listed: Vec<_> = store.list("backups/b/").try_collect().await.unwrap();
    assert_eq!(listed.len(), 2);
    for seen in listed {
        let head = store.head(&seen.key).await.unwrap().unwrap();
        let (streamed, _) = store.stream(&seen.key).await.unwrap();
        // Headers have whole seconds, listings may have fractions.
        for other in [&head, &streamed] {
            assert_eq!(
                (&other.key, other.size, &other.etag),
                (&seen.key, seen.size, &seen.etag)
            );
            assert!(other.modified.duration_since(seen.modified).abs() < SignedDuration::from_secs(1));
        }
        assert!(seen.etag.is_some());
        assert!(seen.modified > "2020-01-01T00:00:00Z".parse().unwrap());
        if seen.key == finished.key {
            assert_eq!(head, finished);
        }
    }
}

pub async fn a_stream_that_is_dropped_harms_nothing(bench: &Bench) {
    let store = &bench.store;
    store.put("backups/a", bytes(2 << 20)).await.unwrap();
    for _ in 0..40 {
        let (_, mut pieces) = store.stream("backups/a").await.unwrap();
        assert!(pieces.try_next().await.unwrap().is_some());
    }
    assert!(store.get("backups/a", 2 << 20).await.unwrap() == bytes(2 << 20));
}

pub async fn a_signed_url_can_be_fetched_by_anyone(bench: &Bench) {
    let (store, key) = (&bench.store, "backups/a b/ä+1.json.gz");
    store.put(key, bytes(5000)).await.unwrap();
    let url = store.signed_url(key, Duration::from_mins(10)).await.unwrap();
    assert_eq!(url.is_some(), bench.signs);
    let Some(url) = url else { return };
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 200);
    // A content encoding would have the command line unpack it twice.
    assert_eq!(answer.headers().get("content-encoding"), None);
    assert!(answer.bytes().await.unwrap() == bytes(5000));

    let unsigned = url.split('?').next().unwrap();
    assert_eq!(reqwest::get(unsigned).await.unwrap().status(), 403);
    let missing = store
        .signed_url("backups/nothing", Duration::from_mins(10))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reqwest::get(&missing).await.unwrap().status(), 404);
}

pub async fn a_new_location_is_valid_and_stays_so(bench: &Bench) {
    let first = bench.store.validate(None, true).await.unwrap();
    let known = first.store_id.as_deref();
    for writable in [true, false] {
        assert_eq!(bench.store.validate(known, writable).await.unwrap(), first);
        assert_eq!(bench.store.validate(None, writable).await.unwrap(), first);
    }
    put_all(
        &bench.store,
        crate::store::layout::TOP_LEVEL.map(|dir| format!("{dir}/f")),
    )
    .await;
    bench.store.put("file-at-the-top", bytes(1)).await.unwrap();
    assert_eq!(bench.store.validate(known, true).await.unwrap(), first);
}

pub async fn a_location_with_foreign_directories_is_not_valid(bench: &Bench) {
    let dirs = ["a", "b", "c", "d", "backups"];
    put_all(&bench.store, dirs.map(|dir| format!("{dir}/f"))).await;
    let error = bench.store.validate(None, true).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains("`a`, `b`, `c` and 1 more"), "{error}");
    assert_eq!(
        keys(&bench.store, "metadata/").await.len(),
        0,
        "nothing was written to a foreign bucket"
    );
}
