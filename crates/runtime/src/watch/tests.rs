use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube_runtime::watcher::{Error, Event};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout};

use super::drive::reconnecting;
use super::feed::Feed;
use super::*;
use crate::fixture::{SECOND, Script, key, object, refused, scripted, unreadable};
use crate::health::Health;
use crate::metrics::registry::Registry;
use crate::object::{ObjectRef, Uid};
use crate::task::{self, Task};

async fn next(changes: &mut broadcast::Receiver<Change<ConfigMap>>) -> (String, Option<String>, Option<String>) {
    let change = changes.recv().await.unwrap();
    let uid = |object: Option<Arc<ConfigMap>>| object.map(|object| object.metadata.uid.clone().unwrap());
    (change.key.name, uid(change.before), uid(change.after))
}

fn seen(name: &str, before: Option<&str>, after: Option<&str>) -> (String, Option<String>, Option<String>) {
    (name.into(), before.map(Into::into), after.map(Into::into))
}

/// A watch with these scripts as its connections, one after the other.
fn connections(optional: Option<Rediscovery>, count: usize) -> (Vec<Script>, SharedWatch<ConfigMap>, Health, Task<()>) {
    let health = Health::new();
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let (scripts, mut streams): (Vec<_>, VecDeque<_>) = (0..count).map(|_| Script::new()).unzip();
    let (feed, watch) = Feed::new(
        (),
        Some(metrics.watch("ConfigMap", None)),
        Some(health.component("watch")),
    );
    let connect = move || streams.pop_front().expect("no more connections are expected").boxed();
    (
        scripts,
        watch,
        health,
        task::spawn("drive", reconnecting(feed, connect, optional)),
    )
}

#[tokio::test(start_paused = true)]
async fn the_store_holds_what_was_listed_and_changed_since() {
    let (script, watch, _drive) = scripted();
    let mut changes = watch.changes();
    assert!(!watch.is_ready());
    script.list([object("a", "1", 1), object("b", "2", 2)]);
    watch.ready().await;
    assert_eq!(watch.list().len(), 2);
    let mut first = [next(&mut changes).await, next(&mut changes).await];
    first.sort();
    assert_eq!(first, [seen("a", None, Some("1")), seen("b", None, Some("2"))]);
    script.apply(object("a", "1", 3));
    assert_eq!(next(&mut changes).await, seen("a", Some("1"), Some("1")));
    assert_eq!(
        watch.get(&key("a")).unwrap().metadata.resource_version.as_deref(),
        Some("3")
    );
    script.delete(object("a", "1", 4));
    assert_eq!(next(&mut changes).await, seen("a", Some("1"), None));
    assert_eq!(watch.get(&key("a")), None);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_while_the_watch_was_away_is_a_change() {
    let (script, watch, _drive) = scripted();
    script.list([
        object("gone", "1", 1),
        object("same", "2", 2),
        object("replaced", "3", 3),
    ]);
    watch.ready().await;
    let mut changes = watch.changes();
    script.list([object("same", "2", 2), object("replaced", "4", 9)]);
    let mut seen_changes = [next(&mut changes).await, next(&mut changes).await];
    seen_changes.sort();
    assert_eq!(
        seen_changes,
        [seen("gone", Some("1"), None), seen("replaced", Some("3"), Some("4"))]
    );
    assert!(changes.is_empty(), "what has not changed is no change");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_object_does_not_affect_the_others() {
    let (script, watch, _drive) = scripted();
    script.event(Event::Init);
    script.event(Event::InitApply(unreadable("bad", "1")));
    script.event(Event::InitApply(Guarded::Good(object("good", "2", 2))));
    script.event(Event::InitDone);
    watch.ready().await;
    assert_eq!(watch.list().len(), 1);
    assert_eq!(watch.unreadable(&key("bad")).unwrap().uid, Uid::from("1"));
    let mut changes = watch.changes();
    script.apply(object("bad", "1", 5));
    assert_eq!(next(&mut changes).await, seen("bad", None, Some("1")));
    assert_eq!(watch.unreadable(&key("bad")), None);
    script.event(Event::Apply(unreadable("good", "2")));
    assert_eq!(next(&mut changes).await, seen("good", Some("2"), None));
    assert!(matches!(watch.find(&key("good")), Found::Unreadable(_)));
    script.event(Event::Delete(unreadable("good", "2")));
    assert_eq!(next(&mut changes).await, seen("good", None, None));
    assert!(matches!(watch.find(&key("good")), Found::Nothing));
}

#[tokio::test(start_paused = true)]
async fn a_refused_watch_comes_back_and_keeps_its_store_meanwhile() {
    let (scripts, watch, health, _drive) = connections(None, 1);
    let start = Instant::now();
    scripts[0].fails(Error::InitialListFailed(refused(403)));
    let error = watch.wait_ready(Duration::from_millis(100)).await.unwrap_err();
    assert!(
        error.last_error.contains("failed to perform initial object list"),
        "{error}"
    );
    assert!(!health.is_ready());
    scripts[0].fails(Error::InitialListFailed(refused(403)));
    scripts[0].list([object("a", "1", 1)]);
    watch.ready().await;
    // 0.8 and 1.6 seconds, each with a fifth of jitter.
    let waited = start.elapsed();
    assert!(
        (Duration::from_millis(1900)..Duration::from_millis(2900)).contains(&waited),
        "{waited:?}"
    );
    assert!(health.is_ready());
    scripts[0].fails(Error::WatchStartFailed(refused(503)));
    sleep(SECOND / 10).await;
    assert_eq!(watch.list().len(), 1);
    assert!(
        health.is_ready(),
        "an API server that is away must not make every replica unready"
    );
    assert!(health.to_string().contains("failed to start watching"), "{health}");
    let mut changes = watch.changes();
    scripts[0].apply(object("b", "2", 2));
    assert_eq!(next(&mut changes).await, seen("b", None, Some("2")));
    assert_eq!(watch.last_error(), None);
    assert_eq!(health.to_string(), "[+]watch ok\n");
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_an_expired_version_lists_again() {
    let (scripts, watch, _health, _drive) = connections(None, 2);
    scripts[0].list([object("a", "1", 1)]);
    watch.ready().await;
    let mut changes = watch.changes();
    scripts[0].fails(Error::WatchStartFailed(refused(410)));
    scripts[1].list([object("b", "2", 2)]);
    let mut seen_changes = [next(&mut changes).await, next(&mut changes).await];
    seen_changes.sort();
    assert_eq!(seen_changes, [seen("a", Some("1"), None), seen("b", None, Some("2"))]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_list_is_dropped_and_started_again() {
    let (scripts, watch, _health, _drive) = connections(None, 2);
    scripts[0].event(Event::Init);
    scripts[0].event(Event::InitApply(Guarded::Good(object("half", "1", 1))));
    scripts[1].list([object("a", "2", 2)]);
    watch.wait_ready(Duration::from_mins(3)).await.unwrap();
    assert_eq!(watch.list().len(), 1);
    assert!(watch.get(&key("half")).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_unserved_kind_is_empty_until_discovery_changes() {
    let rediscovery = Rediscovery::new();
    let (scripts, watch, health, _drive) = connections(Some(rediscovery.clone()), 4);
    scripts[0].fails(Error::InitialListFailed(refused(404)));
    watch.wait_ready(SECOND).await.unwrap();
    assert!(watch.list().is_empty());
    assert_eq!(health.to_string(), "[+]watch ok: the kind is not served\n");

    // Without a change of discovery it is retried slowly.
    let start = Instant::now();
    let mut changes = watch.changes();
    scripts[1].list([object("a", "1", 1)]);
    assert_eq!(next(&mut changes).await, seen("a", None, Some("1")));
    assert_eq!(start.elapsed(), Duration::from_mins(5));

    // The kind is removed: only a list that finds it missing empties the store.
    scripts[1].fails(Error::WatchStartFailed(refused(404)));
    scripts[2].fails(Error::InitialListFailed(refused(404)));
    assert_eq!(next(&mut changes).await, seen("a", Some("1"), None));

    let start = Instant::now();
    rediscovery.announce();
    scripts[3].list([object("b", "2", 2)]);
    assert_eq!(next(&mut changes).await, seen("b", None, Some("2")));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_required_kind_is_not_ready_while_it_is_not_served() {
    let (scripts, watch, health, _drive) = connections(None, 2);
    scripts[0].fails(Error::InitialListFailed(refused(404)));
    let error = watch.wait_ready(SECOND / 2).await.unwrap_err();
    assert_eq!(error.last_error, "the kind is not served");
    assert!(!health.is_ready());
    scripts[1].list([]);
    watch.ready().await;
    assert!(health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_kind_is_watched() {
    let widgets = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let service = tower::service_fn(|request: http::Request<Body>| async move {
        assert_eq!(request.uri().path(), "/apis/example.com/v1/namespaces/ns/widgets");
        if request.uri().query().unwrap_or_default().contains("watch=true") {
            std::future::pending::<()>().await;
        }
        let list = json!({
            "kind": "WidgetList", "apiVersion": "example.com/v1", "metadata": {"resourceVersion": "10"},
            "items": [
                {"metadata": {"name": "a", "namespace": "ns", "uid": "1", "resourceVersion": "1"}, "spec": {"size": 3}},
                {"metadata": {"name": "b", "namespace": "ns", "uid": "2", "labels": 5}},
            ],
        });
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(list.to_string().into_bytes())))
    });
    let api: Api<DynamicObject> = Api::namespaced_with(Client::new(service, "default"), "ns", &widgets);
    let watched = Watch::of_kind(api, widgets.clone());
    assert_eq!(watched.describe(), "Widget in ns");
    let registry = Registry::new();
    let (watch, drive) = SharedWatch::start(watched, &Metrics::new(&registry).unwrap(), None);
    let _drive = task::spawn("drive", drive);
    timeout(SECOND, watch.ready()).await.unwrap();
    let key = |name: &str| ObjectRef::new_with(name, widgets.clone()).within("ns");
    assert_eq!(watch.get(&key("a")).unwrap().data["spec"]["size"], 3);
    assert_eq!(watch.unreadable(&key("b")).unwrap().uid, Uid::from("2"));
    let series = "controller_watch_unreadable_objects{kind=\"Widget\",namespace=\"ns\"} 1";
    assert!(registry.text().unwrap().contains(series));
}

#[tokio::test]
async fn a_fixed_store_is_ready_at_once() {
    let watch = SharedWatch::fixed([object("a", "1", 1)]);
    assert!(watch.is_ready());
    assert_eq!(
        watch
            .list_where(|object| object.metadata.name.as_deref() == Some("a"))
            .len(),
        1
    );
}

/// The real watch, against an API server in this process.
#[tokio::test(start_paused = true)]
async fn a_watch_lists_then_follows_within_its_namespace() {
    let item = |name: &str, version: &str, data: serde_json::Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {
                "name": name, "namespace": "ns", "uid": name, "resourceVersion": version,
                "managedFields": [{"manager": "test", "operation": "Update"}],
            },
        })
    };
    let service = tower::service_fn(move |request: http::Request<Body>| async move {
        assert_eq!(request.uri().path(), "/api/v1/namespaces/ns/configmaps");
        let query = request.uri().query().unwrap_or_default();
        assert!(query.contains("labelSelector=a%3Db"), "{query}");
        let (text, goes_on) = if query.contains("watch=true") {
            let event = json!({"type": "ADDED", "object": item("c", "11", json!({}))});
            let bad = json!({"type": "MODIFIED", "object": item("c", "12", json!("no map"))});
            (format!("{event}\n{bad}\n"), true)
        } else {
            let items = [item("a", "1", json!({"k": "v"})), item("b", "2", json!(5))];
            let list = json!({
                "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "10"}, "items": items,
            });
            (list.to_string(), false)
        };
        let frame = http_body::Frame::data(bytes::Bytes::from(text));
        let end = stream::pending().take_until(async move {
            if goes_on {
                std::future::pending::<()>().await;
            }
        });
        let body = http_body_util::StreamBody::new(stream::iter([Ok::<_, std::io::Error>(frame)]).chain(end));
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    let api: Api<ConfigMap> = Api::namespaced(Client::new(service, "default"), "ns");
    let watched = Watch::of(api).labels("a=b");
    assert_eq!(watched.describe(), "ConfigMap in ns");
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    let (watch, drive) = SharedWatch::start(watched, &metrics, None);
    let mut changes = watch.changes();
    let _drive = task::spawn("drive", drive);
    timeout(SECOND, watch.ready()).await.unwrap();
    let a = watch.get(&key("a")).unwrap();
    assert_eq!(a.data.as_ref().unwrap()["k"], "v");
    assert_eq!(a.metadata.managed_fields, None);
    assert!(watch.unreadable(&key("b")).unwrap().error.contains("integer `5`"));
    while next(&mut changes).await != seen("c", Some("c"), None) {}
    assert!(
        registry
            .text()
            .unwrap()
            .contains("controller_watch_unreadable_objects{kind=\"ConfigMap\",namespace=\"ns\"} 2")
    );
}
