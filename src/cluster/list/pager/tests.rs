use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::Client;
use serde_json::{Value, json};

use super::*;
use crate::cluster::discovery::Resource;
use crate::cluster::list::list;

/// One answer of the server: its code, and its body chunk by chunk.
struct Answer {
    code: u16,
    retry_after: Option<&'static str>,
    chunks: Vec<io::Result<Bytes>>,
    hangs: bool,
}

impl Answer {
    fn new(code: u16, body: &Value) -> Self {
        Self {
            code,
            retry_after: None,
            chunks: vec![Ok(Bytes::from(body.to_string()))],
            hangs: false,
        }
    }

    /// A page of objects with these names, and the token and count of what remains.
    fn page(names: &[&str], token: &str, remaining: Option<u64>) -> Self {
        let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        let metadata = json!({"continue": token, "remainingItemCount": remaining, "resourceVersion": "7"});
        Self::new(
            200,
            &json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}),
        )
    }

    /// The same, but the connection breaks after so many items.
    fn breaking_after(mut self, items: usize) -> Self {
        let Some(Ok(body)) = self.chunks.pop() else { panic!() };
        // `items` sorts before `kind` and `metadata`, so they come first.
        let end = String::from_utf8_lossy(&body)
            .match_indices("}}")
            .nth(items - 1)
            .unwrap()
            .0
            + 2;
        self.chunks = vec![Ok(body.slice(..end)), Err(io::Error::other("reset by peer"))];
        self
    }

    fn hanging_after(self, items: usize) -> Self {
        let mut answer = self.breaking_after(items);
        answer.chunks.pop();
        answer.hangs = true;
        answer
    }

    fn refusal(code: u16, message: &str) -> Self {
        Self::new(code, &json!({"kind": "Status", "message": message}))
    }

    fn expired(token: &str) -> Self {
        Self::new(
            410,
            &json!({"kind": "Status", "reason": "Expired", "message": "gone", "metadata": {"continue": token}}),
        )
    }
}

/// A server that gives these answers in turn, and the queries it was asked.
fn server(answers: impl IntoIterator<Item = Answer>) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let queries = Arc::clone(&asked);
    let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        queries.lock().unwrap().push(request.uri().to_string());
        let answer = answers.lock().unwrap().pop_front().expect("no further request");
        let chunks = stream::iter(answer.chunks).map(|chunk| chunk.map(Frame::data));
        let silence = if answer.hangs {
            stream::pending().left_stream()
        } else {
            stream::empty().right_stream()
        };
        let mut response = Response::new(StreamBody::new(chunks.chain(silence)));
        *response.status_mut() = StatusCode::from_u16(answer.code).unwrap();
        if let Some(seconds) = answer.retry_after {
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, seconds.parse().unwrap());
        }
        async { Ok::<_, Infallible>(response) }
    });
    (Cluster::from_client(Client::new(service, "default")), asked)
}

fn pods() -> ListRequest {
    ListRequest::all(Resource {
        version: "v1".into(),
        plural: "pods".into(),
        kind: "Pod".into(),
        namespaced: true,
        ..Resource::default()
    })
}

/// The events in short, and dropped.
async fn events(list: impl Stream<Item = Result<ListEvent, ListError>>) -> Vec<String> {
    let short = |event| match event {
        Ok(ListEvent::Item(object)) => object.head.name,
        Ok(ListEvent::Unreadable { position, name, .. }) => {
            format!("unreadable {position} {}", name.unwrap_or_default())
        }
        Ok(ListEvent::FirstPage { expected_total }) => match expected_total {
            Some(total) => format!("of {total}"),
            None => "of ?".to_owned(),
        },
        Ok(ListEvent::Restarted) => "restarted".to_owned(),
        Err(error) => format!("error: {error}"),
    };
    list.map(short).collect().await
}

async fn listed(answers: impl IntoIterator<Item = Answer>) -> Vec<String> {
    events(list(&server(answers).0, pods(), &Budget::default())).await
}

#[tokio::test]
async fn pages_follow_one_another_and_the_first_has_the_total() {
    let (cluster, asked) = server([
        Answer::page(&["a", "b"], "t/1", Some(1)),
        Answer::page(&["c"], "", None),
    ]);
    let request = pods().in_namespace("shop").selected_by(Some("app=x".into()));
    assert_eq!(
        events(list(&cluster, request, &Budget::default())).await,
        ["a", "b", "of 3", "c"]
    );
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "/api/v1/namespaces/shop/pods?limit=500&labelSelector=app%3Dx",
            "/api/v1/namespaces/shop/pods?limit=1000&labelSelector=app%3Dx&continue=t%2F1",
        ]
    );
}

#[tokio::test]
async fn the_total_is_known_for_one_page_or_by_the_servers_count() {
    assert_eq!(listed([Answer::page(&[], "", None)]).await, ["of 0"]);
    assert_eq!(listed([Answer::page(&["a"], "", None)]).await, ["a", "of 1"]);
    assert_eq!(
        listed([Answer::page(&["a"], "t", None), Answer::page(&[], "", None)]).await,
        ["a", "of ?"]
    );
}

#[tokio::test]
async fn items_get_the_type_they_lack() {
    let (cluster, _) = server([Answer::page(&["a"], "", None)]);
    let mut list = Box::pin(list(&cluster, pods(), &Budget::default()));
    let Some(Ok(ListEvent::Item(object))) = list.next().await else {
        panic!()
    };
    assert_eq!(
        object.json,
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#
    );
    assert_eq!(object.head.kind, "Pod");
}

#[tokio::test]
async fn an_unreadable_item_does_not_lose_the_others() {
    let body = json!({"items": [
        {"metadata": {"name": "a"}}, {"metadata": {"name": "b", "labels": 7}}, null, {"metadata": {"name": "c"}},
    ]});
    assert_eq!(
        listed([Answer::new(200, &body)]).await,
        ["a", "unreadable 1 b", "unreadable 2 ", "c", "of 4"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_later_page_that_breaks_continues_where_it_was() {
    let (cluster, asked) = server([
        Answer::page(&["a"], "t", Some(5)),
        Answer::page(&["b", "c", "d"], "u", Some(2)).breaking_after(2),
        Answer::page(&["b", "c", "d"], "u", Some(2)).breaking_after(1),
        // A smaller limit cuts the pages differently: the delivered items are in two of them.
        Answer::page(&["b"], "t2", Some(4)),
        Answer::page(&["c", "d"], "u", Some(2)),
        Answer::page(&["e", "f"], "", None),
    ]);
    let seen = events(list(&cluster, pods(), &Budget::default())).await;
    assert_eq!(seen, ["a", "of 6", "b", "c", "d", "e", "f"]);
    let asked = asked.lock().unwrap();
    let limits: Vec<&str> = asked
        .iter()
        .filter_map(|query| query.split(['=', '&']).nth(1))
        .collect();
    assert_eq!(limits, ["500", "1000", "500", "250", "500", "1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_first_page_that_breaks_is_read_again_and_reported() {
    let whole = || Answer::page(&["a", "b"], "", None);
    assert_eq!(
        listed([whole().breaking_after(1), whole()]).await,
        ["a", "restarted", "a", "b", "of 2"]
    );
    let cut_off = Answer {
        chunks: vec![Ok(Bytes::from_static(b"{\"items\":["))],
        ..whole()
    };
    assert_eq!(
        listed([cut_off, whole()]).await,
        ["a", "b", "of 2"],
        "nothing was handed out"
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_by_the_one_in_the_answer() {
    let (cluster, asked) = server([
        Answer::page(&["a"], "t", Some(1)),
        Answer::expired("newer"),
        Answer::page(&["b"], "", None),
    ]);
    assert_eq!(
        events(list(&cluster, pods(), &Budget::default())).await,
        ["a", "of 2", "b"]
    );
    assert!(asked.lock().unwrap()[2].ends_with("continue=newer"));
}

#[tokio::test(start_paused = true)]
async fn a_page_half_handed_out_may_repeat_when_its_token_expires() {
    let seen = listed([
        Answer::page(&["a"], "t", Some(2)),
        Answer::page(&["b", "c"], "", None).breaking_after(1),
        Answer::expired("newer"),
        Answer::page(&["b", "c"], "", None),
    ]);
    assert_eq!(seen.await, ["a", "of 3", "b", "restarted", "b", "c"]);
}

#[tokio::test]
async fn without_a_token_in_the_answer_the_list_starts_over() {
    let (cluster, asked) = server([
        Answer::page(&["a"], "t", Some(1)),
        Answer::expired(""),
        Answer::page(&["a"], "t", Some(1)),
        Answer::page(&["b"], "", None),
    ]);
    let seen = events(list(&cluster, pods(), &Budget::default())).await;
    assert_eq!(seen, ["a", "of 2", "restarted", "a", "b"]);
    assert!(!asked.lock().unwrap()[2].contains("continue"));
}

#[tokio::test]
async fn a_list_that_keeps_expiring_fails() {
    let answers = (0..6).flat_map(|_| [Answer::page(&["a"], "t", None), Answer::expired("")]);
    let seen = listed(answers).await;
    assert_eq!(seen.iter().filter(|event| *event == "restarted").count(), 5);
    assert_eq!(
        seen.last().unwrap(),
        "error: list pods: started over 5 times, the last time after: list pods: gone"
    );
}

#[tokio::test(start_paused = true)]
async fn transient_errors_are_retried_after_the_servers_pause() {
    let start = Instant::now();
    let busy = Answer {
        retry_after: Some("7"),
        ..Answer::refusal(429, "slow down")
    };
    let seen = listed([busy, Answer::refusal(503, "starting"), Answer::page(&["a"], "", None)]).await;
    assert_eq!(seen, ["a", "of 1"]);
    assert!((7..9).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_list_of_a_server_that_never_recovers_fails() {
    let seen = listed((0..7).map(|_| Answer::refusal(500, "conversion webhook failed"))).await;
    assert_eq!(seen, ["error: list pods: conversion webhook failed"]);
}

#[tokio::test]
async fn a_refusal_is_final() {
    assert_eq!(
        listed([Answer::refusal(403, "forbidden")]).await,
        ["error: list pods: forbidden"]
    );
    assert_eq!(
        listed([Answer::expired("t")]).await,
        ["error: list pods: gone"],
        "there was no token to expire"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_a_list_is_final() {
    let seen = listed([Answer::new(200, &json!({"kind": "Pod"}))]).await;
    assert_eq!(seen, ["error: list pods: the answer is not a list: it has no items"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_data_for_too_long_is_requested_again() {
    let start = Instant::now();
    let page = || Answer::page(&["a", "b"], "", None);
    assert_eq!(
        listed([page().hanging_after(1), page()]).await,
        ["a", "restarted", "a", "b", "of 2"]
    );
    assert!((30..32).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn items_hold_their_bytes_until_they_are_dropped() {
    let (cluster, _) = server([Answer::page(&["a", "b", "c"], "", None)]);
    let budget = Budget::new(120); // two of them
    let mut list = Box::pin(list(&cluster, pods(), &budget));
    let first = list.next().await;
    let second = list.next().await;
    assert!(list.next().now_or_never().is_none());
    drop(first);
    assert!(matches!(list.next().await, Some(Ok(ListEvent::Item(_)))));
    drop((second, list));
    assert_eq!(budget.free(), 120);
}

#[tokio::test]
async fn an_item_larger_than_the_budget_is_delivered() {
    let (cluster, _) = server([Answer::page(&["a", "b"], "", None)]);
    assert_eq!(
        events(list(&cluster, pods(), &Budget::new(8))).await,
        ["a", "b", "of 2"]
    );
}

#[test]
fn the_limit_follows_the_measured_size() {
    // limit, items, bytes -> next
    for (limit, items, bytes, next) in [
        (500, 500, 500 * 1_000, 1_000),       // room for 4,194, but not more than double
        (4_000, 4_000, 4_000 * 1_000, 4_194), // settles at 4 MiB
        (500, 500, 500 * 100_000, 41),        // shrinks at once
        (41, 41, 41 * 8_000_000, 1),
        (1, 1, 100, 2),
        (8_000, 8_000, 8_000, 10_000),
        (500, 0, 0, 500),
        (500, 3, 0, 1_000),
    ] {
        assert_eq!(next_limit(limit, items, bytes), next, "{limit} {items} {bytes}");
    }
}
