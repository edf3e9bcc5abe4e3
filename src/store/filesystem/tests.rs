//! What is special to files; `testing::store_suite` tests what all stores do.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use futures::TryStreamExt;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::store::{Store, open};

struct Volume(TempDir);

impl Volume {
    /// A volume with an empty bucket.
    fn new() -> Self {
        let volume = Self(TempDir::new().unwrap());
        fs::create_dir(volume.path("")).unwrap();
        volume
    }

    fn path(&self, key: &str) -> PathBuf {
        self.0.path().join("velero").join(key)
    }

    fn config(&self) -> StoreConfig {
        config(self.0.path().to_str().unwrap(), "velero", "")
    }

    async fn store(&self) -> Store {
        open(&self.config()).await.unwrap()
    }

    fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                }
                found.push(path);
            }
        }
        let mut found = Vec::new();
        walk(&self.path(""), &mut found);
        let relative = |path: PathBuf| path.strip_prefix(self.path("")).unwrap().to_str().unwrap().to_owned();
        let mut found: Vec<_> = found.into_iter().map(relative).collect();
        found.sort();
        found
    }
}

fn config(fspath: &str, bucket: &str, prefix: &str) -> StoreConfig {
    StoreConfig {
        provider: "velero.io/fs".to_owned(),
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        config: [(FSPATH.to_owned(), fspath.to_owned())].into(),
        ..StoreConfig::default()
    }
}

fn text() -> Bytes {
    Bytes::from_static(b"text")
}

async fn keys(store: &Store) -> Vec<String> {
    store.list("").map_ok(|info| info.key).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_path_that_is_missing_or_leads_elsewhere_is_refused() {
    for (fspath, bucket, prefix) in [
        ("", "velero", ""),
        ("relative/path", "velero", ""),
        ("/data", "..", ""),
        ("/data", ".hidden", ""),
        ("/data", "lost+found", ""),
        ("/data", "velero", "a/../b"),
        ("/data", "velero", ".velero-uploads"),
        ("/data", "velero", ".velero-uploads/x"),
    ] {
        let error = open(&config(fspath, bucket, prefix)).await.unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "{error}");
    }
}

#[tokio::test]
async fn objects_are_files_at_their_keys_that_others_cannot_read() {
    let volume = Volume::new();
    let store = volume.store().await;
    store.put("backups/b/put", text()).await.unwrap();
    let mut upload = store.upload("backups/b/uploaded").await.unwrap();
    upload.write(text()).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(
        volume.files(),
        ["backups", "backups/b", "backups/b/put", "backups/b/uploaded"],
        "nothing else is left"
    );
    for file in ["backups/b/put", "backups/b/uploaded"] {
        assert_eq!(fs::read(volume.path(file)).unwrap(), b"text");
        assert_eq!(fs::metadata(volume.path(file)).unwrap().permissions().mode() & 0o137, 0);
    }
    assert_eq!(
        fs::metadata(volume.path("backups/b")).unwrap().permissions().mode() & 0o027,
        0
    );
}

#[tokio::test]
async fn no_key_leads_over_a_symbolic_link() {
    let volume = Volume::new();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let store = volume.store().await;
    store.put("backups/b/f", text()).await.unwrap();
    symlink(outside.path(), volume.path("backups/dir")).unwrap();
    symlink(outside.path().join("secret"), volume.path("backups/b/link")).unwrap();
    symlink("f", volume.path("backups/b/inside")).unwrap();

    for key in ["backups/dir/secret", "backups/b/link", "backups/b/inside"] {
        assert!(store.get(key, 100).await.unwrap_err().is_not_found(), "{key}");
        assert_eq!(store.head(key).await.unwrap(), None, "{key}");
    }
    assert_eq!(keys(&store).await, ["backups/b/f"]);
    assert_eq!(store.list_prefixes("backups/").await.unwrap(), ["backups/b/"]);
    assert!(store.put("backups/dir/new", text()).await.is_err());
    assert!(store.put("backups/dir/deep/new", text()).await.is_err());
    store.delete("backups/dir/secret").await.unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");

    // What is put where a link is replaces the link and not what it leads to.
    store.put("backups/b/link", text()).await.unwrap();
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(store.get("backups/b/link", 100).await.unwrap(), text());
}

#[tokio::test]
async fn a_bucket_that_is_a_symbolic_link_is_not_used() {
    let volume = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    symlink(outside.path(), volume.path().join("velero")).unwrap();
    let store = open(&config(volume.path().to_str().unwrap(), "velero", ""))
        .await
        .unwrap();
    assert!(store.put("backups/a", text()).await.is_err());
    assert!(store.validate(None, true).await.is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_special_file_is_no_object_and_blocks_no_call() {
    let volume = Volume::new();
    let store = volume.store().await;
    store.put("backups/b/f", text()).await.unwrap();
    let pipe = volume.path("backups/b/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert!(store.get("backups/b/pipe", 10).await.unwrap_err().is_not_found());
    assert_eq!(store.head("backups/b/pipe").await.unwrap(), None);
    assert_eq!(keys(&store).await, ["backups/b/f"]);
}

#[tokio::test]
async fn files_of_the_file_system_itself_are_not_listed() {
    let volume = Volume::new();
    let store = volume.store().await;
    store.put("backups/b/f", text()).await.unwrap();
    fs::create_dir(volume.path("lost+found")).unwrap();
    fs::write(volume.path("lost+found/#1"), "").unwrap();
    fs::write(volume.path("backups/b/.nfs000000000012"), "").unwrap();
    drop(store.upload("backups/b/g").await.unwrap());
    assert_eq!(keys(&store).await, ["backups/b/f"]);
    assert_eq!(store.list_prefixes("").await.unwrap(), ["backups/"]);
    store.validate(None, true).await.unwrap();
}

#[tokio::test]
async fn objects_are_listed_in_the_order_of_their_keys() {
    let volume = Volume::new();
    let store = volume.store().await;
    let sorted = ["a", "a.b/c", "a/b", "a0", "b/c/d", "b/c0"];
    // "a" cannot be a file and a directory at once.
    for key in &sorted[1..] {
        store.put(key, text()).await.unwrap();
    }
    assert_eq!(keys(&store).await, &sorted[1..]);
}

#[tokio::test]
async fn a_volume_that_is_not_mounted_is_unavailable_and_never_empty() {
    let volume = Volume::new();
    let store = volume.store().await;
    let known = store.validate(None, true).await.unwrap().store_id;
    assert!(known.is_some());
    assert_eq!(
        fs::read_to_string(volume.path("metadata/store-id")).unwrap().trim(),
        known.clone().unwrap()
    );

    // The mount point is there, what was mounted is not.
    fs::rename(volume.path(""), volume.0.path().join("elsewhere")).unwrap();
    for known in [known.as_deref(), None] {
        assert!(store.validate(known, false).await.unwrap_err().is_transient());
    }
    assert!(store.validate(known.as_deref(), true).await.unwrap_err().is_transient());
    let errors = [
        store.head("backups/a").await.unwrap_err(),
        store.get("backups/a", 1).await.unwrap_err(),
        store.put("backups/a", text()).await.unwrap_err(),
        store.delete("backups/a").await.unwrap_err(),
        store.list("").try_collect::<Vec<_>>().await.unwrap_err(),
        store.list_prefixes("backups/").await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains("not mounted"), "{error}");
    }
    assert_eq!(
        fs::read_dir(volume.0.path()).unwrap().count(),
        1,
        "nothing was made in its place"
    );

    // Another volume, first empty, then one with another identity.
    fs::create_dir(volume.path("")).unwrap();
    let error = store.validate(known.as_deref(), true).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("is not there"),
        "{error}"
    );
    let other = store.validate(None, true).await.unwrap().store_id;
    assert_ne!(other, known);
    let error = store.validate(known.as_deref(), true).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("another store"),
        "{error}"
    );

    // It comes back.
    fs::remove_dir_all(volume.path("")).unwrap();
    fs::rename(volume.0.path().join("elsewhere"), volume.path("")).unwrap();
    assert_eq!(store.validate(known.as_deref(), true).await.unwrap().store_id, known);
}

#[tokio::test]
async fn the_first_validation_creates_the_bucket_but_no_volume() {
    let dir = TempDir::new().unwrap();
    let fspath = dir.path().join("volume");
    let store = open(&config(fspath.to_str().unwrap(), "velero", "")).await.unwrap();
    assert!(store.validate(None, true).await.unwrap_err().is_transient());
    assert!(!fspath.exists());
    fs::create_dir(&fspath).unwrap();
    assert!(store.validate(None, false).await.unwrap_err().is_transient());
    assert_eq!(fs::read_dir(&fspath).unwrap().count(), 0);
    assert!(store.validate(None, true).await.unwrap().store_id.is_some());
    assert!(fspath.join("velero/metadata/store-id").exists());
}

#[tokio::test]
async fn of_several_first_validations_all_return_the_same_identity() {
    let volume = Volume::new();
    let store = volume.store().await;
    let ids = futures::future::join_all((0..8).map(|_| store.validate(None, true))).await;
    let first = ids[0].clone().unwrap();
    assert!(ids.into_iter().all(|id| id.unwrap() == first));
}

#[tokio::test]
async fn a_read_only_location_gets_no_identity() {
    let volume = Volume::new();
    let store = volume.store().await;
    assert_eq!(store.validate(None, false).await.unwrap().store_id, None);
    assert!(volume.files().is_empty());
}

#[tokio::test]
async fn leftovers_of_a_crash_are_found_and_removed() {
    let volume = Volume::new();
    let store = volume.store().await;
    let mut upload = store.upload("backups/b/b.tar.gz").await.unwrap();
    upload.write(text()).await.unwrap();
    drop(upload);
    // A crash in the middle of a put, and in the middle of a beginning.
    let staging = volume.path(staging::DIR);
    fs::write(staging.join("11111111-1111-4111-8111-111111111111"), "half").unwrap();
    fs::write(
        staging.join("22222222-2222-4222-8222-222222222222.key"),
        "backups/c/c.tar.gz",
    )
    .unwrap();
    fs::write(staging.join("unknown"), "file").unwrap();
    assert_eq!(
        store.sweep("restores/", Timestamp::MAX).await.unwrap(),
        0,
        "a file without a key may be an upload of another run"
    );
    assert_eq!(store.sweep("backups/c/", Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(store.sweep("", Timestamp::MAX).await.unwrap(), 2);
    assert_eq!(volume.files(), [".velero-uploads", ".velero-uploads/unknown"]);
}

#[tokio::test]
async fn an_id_from_an_edited_record_leads_to_no_other_file() {
    let volume = Volume::new();
    let store = volume.store().await;
    store.put("backups/a", text()).await.unwrap();
    drop(store.upload("backups/b").await.unwrap());
    for id in ["../backups/a", "", "a", "../../velero/backups/a"] {
        assert_eq!(
            store.abort_upload("backups/b", id).await.unwrap_err().class(),
            Class::Invalid
        );
    }
    assert!(volume.path("backups/a").exists());
}

#[tokio::test]
async fn an_unfinished_put_is_listed_under_its_key() {
    let volume = Volume::new();
    let store = volume.store().await;
    let staging = volume.path(staging::DIR);
    fs::create_dir_all(&staging).unwrap();
    let id = "33333333-3333-4333-8333-333333333333";
    fs::write(staging.join(id), "half").unwrap();
    fs::write(staging.join(format!("{id}.key")), "backups/b/velero-backup.json").unwrap();
    assert_eq!(store.sweep("backups/a/", Timestamp::MAX).await.unwrap(), 0);
    assert_eq!(store.sweep("backups/b/", Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(volume.files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_that_died_before_its_key_was_written_is_swept() {
    let volume = Volume::new();
    let store = volume.store().await;
    let staging = volume.path(staging::DIR);
    fs::create_dir_all(&staging).unwrap();
    fs::write(staging.join("44444444-4444-4444-8444-444444444444.key"), "").unwrap();
    assert_eq!(store.sweep("backups/a/", Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(volume.files(), Vec::<String>::new());
}

#[tokio::test]
async fn staging_files_are_no_objects() {
    let volume = Volume::new();
    let store = volume.store().await;
    drop(store.upload("backups/b").await.unwrap());
    assert_eq!(keys(&store).await, [""; 0]);
    let listed: Vec<_> = store.list(".velero-uploads/").try_collect().await.unwrap();
    assert_eq!(listed, []);
    for key in [".velero-uploads/x", ".velero-uploads"] {
        assert_eq!(store.put(key, text()).await.unwrap_err().class(), Class::Invalid);
        assert_eq!(store.get(key, 10).await.unwrap_err().class(), Class::Invalid);
        assert_eq!(store.delete(key).await.unwrap_err().class(), Class::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_survive_the_removal_of_their_empty_directories() {
    let volume = Volume::new();
    let store = volume.store().await;
    let work = |n: u32| {
        let store = store.clone();
        async move {
            for round in 0..40 {
                let key = format!("backups/b/deep/{n}");
                store.put(&key, text()).await.unwrap();
                let mut upload = store.upload(&format!("{key}-{round}")).await.unwrap();
                upload.write(text()).await.unwrap();
                upload.finish().await.unwrap();
                assert_eq!(store.get(&key, 10).await.unwrap(), text());
                store.delete(&key).await.unwrap();
                store.delete(&format!("{key}-{round}")).await.unwrap();
            }
        }
    };
    let mut tasks = tokio::task::JoinSet::new();
    (0..6).for_each(|n| drop(tasks.spawn(work(n))));
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(volume.files().is_empty(), "{:?}", volume.files());
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_reported() {
    let volume = Volume::new();
    let store = volume.store().await;
    store.put("backups/a", text()).await.unwrap();
    let error = store.put("backups/a/b", text()).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("is a file"), "{error}");
    store.put("backups/c/d", text()).await.unwrap();
    assert!(store.put("backups/c", text()).await.is_err());
    assert_eq!(keys(&store).await, ["backups/a", "backups/c/d"]);
    assert!(!volume.path(staging::DIR).exists());
}

#[tokio::test]
async fn a_bucket_that_upstream_wrote_is_read_unchanged() {
    use crate::store::layout::{BACKUPS, BackupFile, RESTORES};
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/go-1.18.1");
    let store = open(&config(data, "bucket", "")).await.unwrap();
    store.validate(None, false).await.unwrap();
    assert_eq!(store.list_prefixes(BACKUPS).await.unwrap(), ["backups/golden1/"]);
    assert_eq!(store.list_prefixes(RESTORES).await.unwrap(), ["restores/golden1-r/"]);
    let backup = store.get(&BackupFile::Metadata.key("golden1"), 1 << 20).await.unwrap();
    let backup: serde_json::Value = serde_json::from_slice(&backup).unwrap();
    assert_eq!(backup["metadata"]["name"], "golden1");
}

#[tokio::test]
async fn a_replaced_object_has_another_etag_even_with_equal_bytes() {
    let volume = Volume::new();
    let store = volume.store().await;
    store.put("backups/a", text()).await.unwrap();
    let keep = fs::File::open(volume.path("backups/a")).unwrap();
    let first = store.head("backups/a").await.unwrap().unwrap();
    store.put("backups/a", text()).await.unwrap();
    let second = store.head("backups/a").await.unwrap().unwrap();
    assert_ne!(first.etag, second.etag);
    assert_ne!(
        keep.metadata().unwrap().ino(),
        fs::metadata(volume.path("backups/a")).unwrap().ino()
    );
}

#[test]
fn errors_of_the_system_have_their_class() {
    use rustix::io::Errno;
    for (errno, class) in [
        (Errno::NOENT, Class::NotFound),
        (Errno::NOTDIR, Class::NotFound),
        (Errno::LOOP, Class::NotFound),
        (Errno::ACCESS, Class::Permission),
        (Errno::PERM, Class::Permission),
        (Errno::ROFS, Class::ReadOnly),
        (Errno::NOSPC, Class::Full),
        (Errno::DQUOT, Class::Full),
        (Errno::NAMETOOLONG, Class::Invalid),
        (Errno::IO, Class::Unavailable),
        (Errno::STALE, Class::Unavailable),
        (Errno::ISDIR, Class::Other),
    ] {
        assert_eq!(failure(&errno.into()).class, class, "{errno}");
    }
}
