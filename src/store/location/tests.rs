//! What [`Store`] adds to a provider, with a scripted one: real ones do not hang or cut connections on demand.

use futures::FutureExt;
use parking_lot::Mutex;

use super::*;
use crate::store::Upload;
use crate::store::provider::{Call, Unfinished};

/// A provider that answers every call alike.
#[derive(Debug, Default)]
struct Scripted {
    behaviour: Behaviour,
    head: Option<ObjectInfo>,
    finish: Option<Failure>,
    pieces: Vec<&'static str>,
    parts: Arc<Mutex<Vec<(usize, u64, usize)>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Behaviour {
    #[default]
    Answer,
    Hang,
    Refuse,
}

impl Scripted {
    fn call<T: Send + 'static>(&self, answer: ProviderResult<T>) -> Call<'_, T> {
        match self.behaviour {
            Behaviour::Answer => std::future::ready(answer).boxed(),
            Behaviour::Hang => std::future::pending().boxed(),
            Behaviour::Refuse => std::future::ready(Err(Failure::new(Class::Permission, "no"))).boxed(),
        }
    }

    fn pieces<T: Send + 'static>(&self, pieces: Vec<ProviderResult<T>>) -> Pieces<T> {
        match self.behaviour {
            Behaviour::Answer => stream::iter(pieces).boxed(),
            Behaviour::Hang => stream::iter(pieces).chain(stream::pending()).boxed(),
            Behaviour::Refuse => stream::iter([Err(Failure::new(Class::Permission, "no"))]).boxed(),
        }
    }

    fn found(&self) -> ProviderResult<ObjectInfo> {
        self.head.clone().ok_or_else(Failure::not_found)
    }
}

impl Provider for Scripted {
    fn put(&self, _key: &str, _bytes: Bytes, _only_new: bool) -> Call<'_, PutOutcome> {
        self.call(Ok(PutOutcome::Created))
    }

    fn replace(&self, _key: &str, _bytes: Bytes, _etag: &str) -> Call<'_, ReplaceOutcome> {
        self.call(Ok(ReplaceOutcome::Replaced))
    }

    fn begin_upload(&self, _key: &str) -> Call<'_, String> {
        self.call(Ok("id".to_owned()))
    }

    fn put_part(&self, part: Part) -> Call<'_, PartTag> {
        self.parts.lock().push((part.index, part.offset, part.bytes.len()));
        self.call(Ok(PartTag(part.index.to_string())))
    }

    fn finish_upload(&self, _key: &str, _id: &str, parts: Vec<PartTag>) -> Call<'_, ()> {
        let expected: Vec<_> = (0..parts.len()).map(|index| PartTag(index.to_string())).collect();
        assert_eq!(parts, expected);
        self.call(self.finish.clone().map_or(Ok(()), Err))
    }

    fn abort_upload(&self, _key: &str, _id: &str) -> Call<'_, ()> {
        self.call(Ok(()))
    }

    fn uploads(&self, _prefix: &str) -> Pieces<Unfinished> {
        self.pieces(vec![])
    }

    fn read(&self, _key: &str, _range: Option<Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)> {
        let pieces = self
            .pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        self.call(self.found().map(|info| (info, self.pieces(pieces))))
    }

    fn head(&self, _key: &str) -> Call<'_, ObjectInfo> {
        self.call(self.found())
    }

    fn list(&self, _prefix: &str, _depth: Depth) -> Pieces<Entry> {
        self.pieces(
            self.head
                .clone()
                .map(|info| Ok(Entry::Object(info)))
                .into_iter()
                .collect(),
        )
    }

    fn delete(&self, _key: &str) -> Call<'_, ()> {
        self.call(Ok(()))
    }

    fn sign(&self, _key: &str, _ttl: Duration) -> Call<'_, Option<String>> {
        self.call(Ok(None))
    }

    fn needs_identity(&self) -> bool {
        false
    }

    fn create_bucket(&self) -> Call<'_, ()> {
        self.call(Ok(()))
    }
}

fn store(provider: Scripted) -> Store {
    Store::new(provider, "bucket", "prefix")
}

fn object(size: u64) -> ObjectInfo {
    ObjectInfo {
        key: "prefix/k".to_owned(),
        size,
        etag: None,
        modified: Timestamp::UNIX_EPOCH,
    }
}

/// The error of every call of a store.
async fn errors(store: &Store) -> Vec<StoreError> {
    let mut errors = vec![
        store.put("k", Bytes::new()).await.unwrap_err(),
        store.put_if_absent("k", Bytes::new()).await.unwrap_err(),
        store.upload("k").await.unwrap_err(),
        store.abort_upload("k", "id").await.unwrap_err(),
        store.get("k", 10).await.unwrap_err(),
        store.stream_range("k", 0..1).await.err().unwrap(),
        store.head("k").await.unwrap_err(),
        store.list("k/").try_collect::<Vec<_>>().await.unwrap_err(),
        store.list_prefixes("k/").await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
        store.delete_prefix("k/").await.unwrap_err(),
        store.signed_url("k", Duration::from_secs(1)).await.unwrap_err(),
        store.sweep("k/", Timestamp::MAX).await.unwrap_err(),
    ];
    errors.push(store.validate(None, true).await.unwrap_err());
    errors
}

#[tokio::test(start_paused = true)]
async fn every_call_to_a_hanging_store_ends_by_its_deadline() {
    let store = store(Scripted {
        behaviour: Behaviour::Hang,
        ..Scripted::default()
    });
    for error in errors(&store).await {
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains("no answer within"), "{error}");
    }
}

#[tokio::test]
async fn every_error_names_what_was_attempted_and_where() {
    let store = store(Scripted {
        behaviour: Behaviour::Refuse,
        ..Scripted::default()
    });
    for error in errors(&store).await {
        let text = error.to_string();
        assert_eq!(error.class(), Class::Permission, "{text}");
        assert!(
            text.starts_with("cannot ") && text.contains("`prefix/") && text.contains("bucket `bucket`: no;"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stalls_ends_by_a_deadline() {
    let stalls = stream::iter([Ok(Bytes::from_static(b"ab"))])
        .chain(stream::pending())
        .boxed();
    let pieces: Vec<_> = timed(stalls).collect().await;
    assert!(
        matches!(&pieces[..], [Ok(_), Err(failure)] if failure.class == Class::Unavailable),
        "{pieces:?}"
    );
}

#[tokio::test]
async fn a_stream_that_ends_early_is_an_error() {
    for (pieces, good) in [(vec!["ab", "cd"], true), (vec!["ab", "c"], false), (vec![], false)] {
        let store = store(Scripted {
            head: Some(object(4)),
            pieces,
            ..Scripted::default()
        });
        let whole = store.get("k", 10).await;
        assert_eq!(whole.is_ok(), good, "{whole:?}");
        assert!(whole.is_ok_and(|whole| whole == "abcd") || !good);
    }
}

#[tokio::test]
async fn an_object_larger_than_its_header_is_not_read_to_its_end() {
    let store = store(Scripted {
        head: Some(object(2)),
        pieces: vec!["ab", "cd", "ef"],
        ..Scripted::default()
    });
    assert_eq!(store.get("k", 3).await.unwrap_err().class(), Class::TooLarge);
}

#[tokio::test]
async fn an_upload_sends_parts_of_5_mib_in_sequence() {
    let parts = Arc::default();
    let whole = (12 << 20) + 3;
    let store = store(Scripted {
        head: Some(object(whole)),
        parts: Arc::clone(&parts),
        ..Scripted::default()
    });
    let mut upload = store.upload("k").await.unwrap();
    for _ in 0..12 {
        upload.write(Bytes::from(vec![0; 1 << 20])).await.unwrap();
    }
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(upload.finish().await.unwrap().key, "k");
    let mut parts = parts.lock().clone();
    parts.sort_unstable();
    assert_eq!(
        parts,
        [(0, 0, 5 << 20), (1, 5 << 20, 5 << 20), (2, 10 << 20, (2 << 20) + 3)]
    );
}

#[tokio::test]
async fn a_finished_upload_is_compared_with_what_was_written() {
    let gone = Failure::not_found();
    let full = Failure::new(Class::Full, "no room");
    // The result of finishing, the object found afterwards, whether the upload counts as successful.
    let cases = [
        (None, Some(object(3)), true),
        (None, Some(object(2)), false),
        (None, None, false),
        // The first of two requests did it, and its answer was lost.
        (Some(gone.clone()), Some(object(3)), true),
        (Some(gone.clone()), Some(object(2)), false),
        (Some(gone), None, false),
        (Some(full), Some(object(3)), false),
    ];
    for (finish, head, good) in cases {
        let store = store(Scripted {
            finish: finish.clone(),
            head: head.clone(),
            ..Scripted::default()
        });
        let mut upload = store.upload("k").await.unwrap();
        upload.write(Bytes::from_static(b"abc")).await.unwrap();
        let finished = upload.finish().await;
        assert_eq!(finished.is_ok(), good, "{finish:?} {head:?}: {finished:?}");
    }
}

#[tokio::test]
async fn a_part_that_is_refused_fails_the_upload() {
    let refusing = store(Scripted {
        behaviour: Behaviour::Refuse,
        ..Scripted::default()
    });
    let mut upload = Upload::new(refusing, "k", "id".to_owned());
    let mut outcome = Ok(());
    for _ in 0..8 {
        outcome = upload.write(Bytes::from(vec![0; 5 << 20])).await;
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(
        outcome.unwrap_err().class(),
        Class::Permission,
        "after no more than what may be on its way"
    );
}

#[tokio::test(start_paused = true)]
async fn an_upload_holds_no_more_than_its_share_of_memory() {
    let parts = Arc::default();
    let hanging = Scripted {
        behaviour: Behaviour::Hang,
        parts: Arc::clone(&parts),
        ..Scripted::default()
    };
    let mut upload = Upload::new(store(hanging), "k", "id".to_owned());
    let mut taken = 0;
    let filling = async {
        loop {
            upload.write(Bytes::from(vec![0; 1 << 20])).await.unwrap();
            taken += 1 << 20;
        }
    };
    assert!(
        timeout(Duration::from_secs(1), filling).await.is_err(),
        "it waits for parts to arrive"
    );
    assert!(taken <= 21 << 20, "{taken}");
    assert_eq!(parts.lock().len(), 3);
}
