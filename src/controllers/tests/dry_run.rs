//! The endpoint that plans restores: authorisation, refusals, and its end when the client goes away.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use futures::StreamExt;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::{BoxError, ServiceExt};

use super::backup_death::shop;
use crate::api::restore_plan::{Invalid, PlanLine};
use crate::cluster::Cluster;
use crate::controllers::artifact::finder::Finder;
use crate::controllers::artifact::token::{HEADER, KEY_BYTES, Key};
use crate::controllers::endpoint::Endpoint;
use crate::controllers::restore::dry_run::{DryRuns, MAX_BODY};
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::testing::world::{Process, World};
use crate::runtime::testing::death::Dies;

fn key() -> Key {
    Key::from_bytes(&[7; KEY_BYTES]).unwrap()
}

fn token(backup: &str) -> String {
    key().issue("BackupContents", backup, "2030-01-01T00:05:00Z".parse().unwrap())
}

/// A finished backup, and the endpoint of a server over it.
async fn scene() -> (World, Process, Endpoint) {
    let world = shop();
    world.serve(Dies::Never).await;
    let process = Process::start(&world, Dies::Never).await;
    let endpoint = Endpoint {
        ctx: process.ctx.clone(),
        finder: Finder {
            backups: world.watch(),
            restores: world.watch(),
            locations: world.watch(),
            namespace: "velero".to_owned(),
        },
        key: key(),
        live_logs: LiveLogs::default(),
        dry_runs: DryRuns::new(&process.ctx.cluster),
    };
    (world, process, endpoint)
}

fn restore(spec: &Value) -> Vec<u8> {
    let object = json!({
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r", "namespace": "velero", "uid": "odd"},
        "spec": spec,
    });
    object.to_string().into_bytes()
}

async fn post(endpoint: &Endpoint, backup: &str, token: &str, body: impl Into<Body>) -> Response {
    let request = Request::post(format!("/restores/plan/{backup}"))
        .header(HEADER, token)
        .body(body.into())
        .unwrap();
    endpoint.clone().router().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = to_bytes(response.into_body(), 16 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

fn lines(text: &str) -> Vec<PlanLine> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_restore_is_planned_line_by_line_and_nothing_is_written() {
    let (world, process, endpoint) = scene().await;
    let before = (world.api.everything(), world.files());
    let writes = process.death.writes();
    let spec = json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}});
    let response = post(&endpoint, "b", &token("b"), restore(&spec)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let text = text(response).await;
    let lines = lines(&text);
    let PlanLine::Restore(restore) = &lines[0] else {
        panic!("{:?}", lines[0]);
    };
    assert_eq!(restore.metadata.uid, None, "it is a new one");
    assert!(
        restore.spec.excluded_resources.contains(&"nodes".to_owned()),
        "completed as by a run"
    );
    let items = lines.iter().filter(|line| matches!(line, PlanLine::Item(_))).count() as u64;
    let Some(PlanLine::End { summary, warnings }) = lines.last() else {
        panic!("{text}");
    };
    assert_eq!(
        (summary.create, summary.deny, warnings.len()),
        (items - summary.skip, 0, 0),
        "{text}"
    );
    assert!(summary.create >= 13, "{text}");
    assert_eq!((world.api.everything(), world.files()), before);
    assert_eq!(process.death.writes(), writes);
    assert_eq!(endpoint.dry_runs.free(), 1);
}

#[tokio::test]
async fn only_whoever_may_read_the_backup_may_have_it_planned() {
    let (_world, _process, endpoint) = scene().await;
    let later = "2030-01-01T00:05:00Z".parse().unwrap();
    let earlier = "2030-01-01T00:00:00Z".parse().unwrap();
    for token in [
        String::new(),
        "x".to_owned(),
        token("c"),
        key().issue("BackupLog", "b", later),
        key().issue("BackupContents", "b", earlier),
        Key::random().issue("BackupContents", "b", later),
    ] {
        // without a valid token the body is not even read
        let response = post(&endpoint, "b", &token, "nonsense").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{token}");
    }
    // a token for one backup opens no other by the body
    let other = json!({"backupName": "b"});
    let response = post(&endpoint, "c", &token("c"), restore(&other)).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_a_restore_would_be_refused_for_is_said_in_the_same_words() {
    let (world, process, endpoint) = scene().await;
    for (name, spec) in [
        (
            "policy",
            json!({"backupName": "b", "existingResourcePolicy": "replace"}),
        ),
        ("nodes", json!({"backupName": "b", "includedResources": ["nodes"]})),
        (
            "modifier",
            json!({"backupName": "b", "resourceModifier": {"kind": "configmap", "name": "m"}}),
        ),
        (
            "mapping",
            json!({"backupName": "b", "namespaceMapping": {"shop": "No"}}),
        ),
        ("source", json!({})),
        ("both", json!({"backupName": "b", "scheduleName": "s"})),
        ("gone", json!({"backupName": "gone"})),
    ] {
        world.ask("Restore", name, spec.clone());
        process.pass(&world).await;
        let real = world.object("Restore", name);
        assert_eq!(real["status"]["phase"], "FailedValidation", "{real:#}");
        let response = post(&endpoint, "b", &token("b"), restore(&spec)).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let invalid: Invalid = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(
            json!(invalid.validation_errors),
            real["status"]["validationErrors"],
            "{name}"
        );
    }
    assert_eq!(endpoint.dry_runs.free(), 1);
}

#[tokio::test]
async fn nonsense_and_what_is_too_large_are_refused() {
    let (_world, _process, endpoint) = scene().await;
    let response = post(&endpoint, "b", &token("b"), "nonsense").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let mut large = restore(&json!({"backupName": "b"}));
    large.resize(MAX_BODY + 1, b' ');
    let response = post(&endpoint, "b", &token("b"), large.clone()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    large.truncate(MAX_BODY);
    let response = post(&endpoint, "b", &token("b"), large).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_dry_run_ends_with_whoever_reads_it_and_meanwhile_a_second_one_is_turned_away() {
    let (_world, _process, mut endpoint) = scene().await;
    let body = restore(&json!({"backupName": "b"}));
    let silent =
        tower::service_fn(|_: Request<kube::client::Body>| std::future::pending::<Result<Response, BoxError>>());
    let silent = Cluster::from_client(kube::Client::new(silent, "default"));
    endpoint.dry_runs = DryRuns::new(&silent);
    let mut response = post(&endpoint, "b", &token("b"), body.clone())
        .await
        .into_body()
        .into_data_stream();
    let first = response.next().await.unwrap().unwrap();
    assert!(matches!(
        lines(std::str::from_utf8(&first).unwrap())[0],
        PlanLine::Restore(_)
    ));
    let second = post(&endpoint, "b", &token("b"), body.clone()).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(text(second).await.contains("another dry run"));

    drop(response);
    let free = async {
        while endpoint.dry_runs.free() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free)
        .await
        .expect("it went on without its client");
    let third = post(&endpoint, "b", &token("b"), body).await;
    assert_eq!(third.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_is_the_last_line() {
    let (world, _process, endpoint) = scene().await;
    std::fs::write(world.bucket().join("backups/b/b.tar.gz"), "no archive").unwrap();
    let response = post(&endpoint, "b", &token("b"), restore(&json!({"backupName": "b"}))).await;
    let text = text(response).await;
    let Some(PlanLine::Failed { reason }) = lines(&text).pop() else {
        panic!("{text}");
    };
    assert!(!reason.is_empty());
    assert_eq!(endpoint.dry_runs.free(), 1);
}
