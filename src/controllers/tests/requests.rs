//! What people ask the server for by objects: their life from question to removal, and the tokens that come with an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::backup_death::shop;
use crate::api::v1::{DownloadRequest, ServerStatusRequest};
use crate::controllers::artifact::base::BaseUrl;
use crate::controllers::artifact::finder::Finder;
use crate::controllers::artifact::token::{HEADER, KEY_BYTES, Key};
use crate::controllers::download_request::{DownloadRequests, TOKEN};
use crate::controllers::endpoint::Endpoint;
use crate::controllers::restore::dry_run::DryRuns;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::server_status_request::StatusRequests;
use crate::controllers::testing::world::{Process, World};
use crate::controllers::version;
use crate::runtime::testing::death::Dies;
use crate::runtime::{Next, Reconciler};

fn key() -> Key {
    Key::from_bytes(&[7; KEY_BYTES]).unwrap()
}

fn finder(world: &World) -> Finder {
    Finder {
        backups: world.watch(),
        restores: world.watch(),
        locations: world.watch(),
        namespace: "velero".to_owned(),
    }
}

fn ask(world: &World, name: &str, kind: &str, target: &str) {
    world.ask(
        "DownloadRequest",
        name,
        json!({"target": {"kind": kind, "name": target}}),
    );
}

/// One pass for a download request.
async fn answer(world: &World, process: &Process, name: &str) {
    let request: DownloadRequest = serde_json::from_value(world.object("DownloadRequest", name)).unwrap();
    let base = BaseUrl::of_service("velero");
    let requests = DownloadRequests::new(process.ctx.clone(), finder(world), key(), base);
    requests.reconcile(Arc::new(request)).await.unwrap();
}

/// What the artifact endpoint says.
async fn get(world: &World, process: &Process, path: &str, token: &str) -> (StatusCode, Vec<u8>) {
    let endpoint = Endpoint {
        ctx: process.ctx.clone(),
        finder: finder(world),
        key: key(),
        live_logs: LiveLogs::default(),
        dry_runs: DryRuns::new(&process.ctx.engine),
    };
    let mut request = Request::get(path);
    if !token.is_empty() {
        request = request.header(HEADER, token);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = endpoint.router().oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
}

fn token_of(request: &Value) -> String {
    request["metadata"]["annotations"][TOKEN]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_download_request_is_answered_good_for_ten_minutes_and_then_gone() {
    let world = shop();
    world.serve(Dies::Never).await;
    let process = Process::start(&world, Dies::Never).await;
    ask(&world, "d", "BackupResults", "b");
    answer(&world, &process, "d").await;
    let request = world.object("DownloadRequest", "d");
    assert_eq!(request["status"]["phase"], "Processed", "{request:#}");
    assert_eq!(request["status"]["expiration"], "2030-01-01T00:10:10Z");
    let token = token_of(&request);
    let path = "/artifacts/BackupResults/b";
    let (status, body) = get(&world, &process, path, &token).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        std::fs::read(world.bucket().join("backups/b/b-results.gz")).unwrap()
    );

    world.clock.advance(Duration::from_secs(599));
    answer(&world, &process, "d").await;
    assert_eq!(world.object("DownloadRequest", "d"), request, "an answer stands");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(get(&world, &process, path, &token).await.0, StatusCode::FORBIDDEN);
    answer(&world, &process, "d").await;
    assert!(!world.has("DownloadRequest", "d"));
}

/// The path of a URL of the endpoint, with its token.
fn path_of(request: &Value) -> String {
    let url = request["status"]["downloadURL"].as_str().unwrap_or_default();
    url.strip_prefix("https://velero.velero.svc:8443")
        .unwrap_or_else(|| panic!("no URL of the endpoint: {request:#}"))
        .to_owned()
}

#[tokio::test]
async fn a_store_that_cannot_sign_is_read_at_the_url_of_the_endpoint_which_carries_the_token() {
    let world = shop();
    world.serve(Dies::Never).await;
    let process = Process::start(&world, Dies::Never).await;
    ask(&world, "d", "BackupResults", "b");
    answer(&world, &process, "d").await;
    let path = path_of(&world.object("DownloadRequest", "d"));
    let (status, body) = get(&world, &process, &path, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        std::fs::read(world.bucket().join("backups/b/b-results.gz")).unwrap()
    );
    let (status, body) = get(&world, &process, &path.replace("BackupResults", "BackupLog"), "").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a token is for one file");
    assert!(String::from_utf8_lossy(&body).contains("not for this artifact"));
    world.clock.advance(Duration::from_mins(10));
    let (status, body) = get(&world, &process, &path, "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(String::from_utf8_lossy(&body).contains("expired"));
}

#[tokio::test]
async fn a_download_request_for_what_is_not_there_is_answered_and_its_url_says_why() {
    let world = shop();
    let process = Process::start(&world, Dies::Never).await;
    world.ask("Restore", "orphan", json!({"backupName": "never"}));
    world.ask("Backup", "nowhere", json!({"storageLocation": "gone"}));
    let cases = [
        (
            "unknown-kind",
            "BackupDreams",
            "b",
            "no artifact of kind `BackupDreams`",
        ),
        ("no-backup", "BackupLog", "never", "backup \"never\" is not there"),
        ("no-restore", "RestoreLog", "never", "restore \"never\" is not there"),
        (
            "restore-of-no-backup",
            "RestoreLog",
            "orphan",
            "backup \"never\" is not there",
        ),
        ("no-location", "BackupLog", "nowhere", "storage location \"gone\""),
        ("not-begun", "BackupLog", "b", "has not begun"),
        ("no-name", "BackupLog", "../../b", "is not there"),
    ];
    for (name, kind, target, why) in cases {
        ask(&world, name, kind, target);
        answer(&world, &process, name).await;
        let request = world.object("DownloadRequest", name);
        assert_eq!(request["status"]["phase"], "Processed", "{request:#}");
        let (status, body) = get(&world, &process, &path_of(&request), "").await;
        let body = String::from_utf8_lossy(&body);
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}: {body}");
        assert!(body.contains(why), "{name}: {body}");
    }
    world.clock.advance(Duration::from_mins(10));
    for (name, ..) in cases {
        answer(&world, &process, name).await;
        assert!(!world.has("DownloadRequest", name), "{name}");
    }
}

#[tokio::test]
async fn a_target_that_the_watch_does_not_show_yet_is_waited_for() {
    let world = shop();
    let process = Process::start(&world, Dies::Never).await;
    let before = finder(&world);
    world.ask("Backup", "young", json!({"storageLocation": "default"}));
    ask(&world, "d", "BackupLog", "young");
    let request: DownloadRequest = serde_json::from_value(world.object("DownloadRequest", "d")).unwrap();
    let base = BaseUrl::of_service("velero");
    let requests = DownloadRequests::new(process.ctx.clone(), before, key(), base);
    let next = requests.reconcile(Arc::new(request)).await.unwrap();
    assert_eq!(next, Next::After(Duration::from_secs(1)));
    answer(&world, &process, "d").await;
    assert_eq!(world.object("DownloadRequest", "d")["status"]["phase"], "Processed");
}

#[tokio::test]
async fn a_request_for_a_run_that_wrote_nothing_fails_where_the_schema_has_that() {
    let world = shop();
    let process = Process::start(&world, Dies::Never).await;
    for (kind, phase) in [
        ("Backup", "FailedValidation"),
        ("Restore", "New"),
        ("Backup", "InProgress"),
    ] {
        let target = format!("{}-{}", kind.to_lowercase(), phase.to_lowercase());
        let spec = json!({"storageLocation": "default", "backupName": "b"});
        world.api.insert(json!({
            "apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": target, "namespace": "velero"},
            "spec": spec, "status": {"phase": phase},
        }));
        for can_fail in [true, false] {
            let name = format!("{target}-{can_fail}");
            ask(&world, &name, &format!("{kind}Log"), &target);
            let request: DownloadRequest = serde_json::from_value(world.object("DownloadRequest", &name)).unwrap();
            let base = BaseUrl::of_service("velero");
            let mut requests = DownloadRequests::new(process.ctx.clone(), finder(&world), key(), base);
            assert!(!requests.can_fail, "the definitions of this release lack it");
            requests.can_fail = can_fail;
            requests.reconcile(Arc::new(request)).await.unwrap();
            let status = world.object("DownloadRequest", &name)["status"].clone();
            assert_eq!(status["expiration"], "2030-01-01T00:10:10Z", "{status:#}");
            if can_fail && phase != "InProgress" {
                let kind = kind.to_lowercase();
                let why = format!("{kind} \"{target}\" is in phase \"{phase}\" and has not written any artifacts");
                assert_eq!(status["phase"], "Failed", "{status:#}");
                assert_eq!(status["message"], why);
                assert_eq!(status.get("downloadURL"), None);
            } else {
                assert_eq!(status["phase"], "Processed", "{status:#}");
                assert_eq!(status.get("message"), None);
                assert!(status["downloadURL"].is_string());
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_does_not_fit_learns_nothing() {
    let world = shop();
    world.serve(Dies::Never).await;
    let process = Process::start(&world, Dies::Never).await;
    let later = "2030-01-01T00:05:00Z".parse().unwrap();
    let good = key().issue("BackupLog", "b", later);
    let another_servers = Key::from_bytes(&[8; KEY_BYTES]).unwrap().issue("BackupLog", "b", later);
    let another_kinds = key().issue("BackupResults", "b", later);
    let another_backups = key().issue("BackupLog", "c", later);
    let mut answers = Vec::new();
    for name in ["b", "never"] {
        for token in [&another_servers, &another_kinds, &another_backups] {
            answers.push(get(&world, &process, &format!("/artifacts/BackupLog/{name}"), token).await);
        }
        answers.push(get(&world, &process, &format!("/artifacts/BackupDreams/{name}"), &good).await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "there and not there look alike: {answers:?}");
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    for token in ["", "x", "1.x"] {
        let (status, _) = get(&world, &process, "/artifacts/BackupLog/b", token).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{token}");
    }
    let (status, _) = get(&world, &process, "/artifacts/BackupLog/b", &good).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = get(&world, &process, "/artifacts/BackupLog/../b", &good).await;
    assert_ne!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_status_request_is_answered_with_our_version_and_goes_after_a_minute() {
    let world = World::new();
    let process = Process::start(&world, Dies::Never).await;
    world.ask("ServerStatusRequest", "s", json!({}));
    let pass = async || {
        let request: ServerStatusRequest = serde_json::from_value(world.object("ServerStatusRequest", "s")).unwrap();
        let requests = StatusRequests::new(process.ctx.clone());
        requests.reconcile(Arc::new(request)).await.unwrap();
    };
    pass().await;
    let answered = world.object("ServerStatusRequest", "s");
    assert_eq!(answered["status"]["phase"], "Processed");
    assert_eq!(answered["status"]["serverVersion"], version::server());
    world.clock.advance(Duration::from_secs(59));
    pass().await;
    assert_eq!(world.object("ServerStatusRequest", "s"), answered);
    world.clock.advance(Duration::from_secs(1));
    pass().await;
    assert!(!world.has("ServerStatusRequest", "s"));
}
