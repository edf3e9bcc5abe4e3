//! Against a server in this process that speaks the protocol over a real socket.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::*;
use crate::runtime::task::{self, Task};
use crate::testing::fake_api::{FakeApi, Fault};

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;

/// What the server does with a command.
enum Step {
    Write(u8, Vec<u8>),
    Status(Value),
    /// Until the client is gone.
    Hang,
}

type Socket = WebSocketStream<TcpStream>;

async fn accepted(listener: &TcpListener) -> (Socket, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut asked = String::new();
    #[expect(clippy::result_large_err, reason = "the callback's type is the crate's")]
    let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        asked = request.uri().to_string();
        let offered = request.headers()["sec-websocket-protocol"].to_str().unwrap();
        assert!(offered.starts_with("v5.channel.k8s.io"), "{offered}");
        let chosen = "v5.channel.k8s.io".parse().unwrap();
        response.headers_mut().insert("sec-websocket-protocol", chosen);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap();
    (socket, asked)
}

/// A server that takes these steps for one command; returns the request.
async fn serving(steps: Vec<Step>) -> (Cluster, Task<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = task::spawn("exec server", async move {
        let (mut socket, asked) = accepted(&listener).await;
        for step in steps {
            match step {
                Step::Write(channel, bytes) => send(&mut socket, channel, &bytes).await,
                Step::Status(status) => send(&mut socket, STATUS, status.to_string().as_bytes()).await,
                Step::Hang => while socket.next().await.is_some_and(|message| message.is_ok()) {},
            }
        }
        asked
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    (Cluster::from_client(kube::Client::try_from(config).unwrap()), server)
}

async fn send(socket: &mut Socket, channel: u8, bytes: &[u8]) {
    let message = [&[channel], bytes].concat();
    socket.send(Message::Binary(Bytes::from(message))).await.unwrap();
}

fn exec() -> Exec {
    Exec {
        namespace: "shop".to_owned(),
        pod: "db-0".to_owned(),
        container: "db".to_owned(),
        command: vec!["sh".to_owned(), "-c".to_owned(), "sync && echo $?".to_owned()],
        timeout: Duration::from_secs(20),
    }
}

fn exited(code: i32) -> Value {
    json!({"status": "Failure", "reason": "NonZeroExitCode", "message": format!("command terminated with exit code {code}"),
           "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
}

#[tokio::test]
async fn a_command_comes_back_with_its_exit_code_and_both_outputs() {
    let (cluster, server) = serving(vec![
        Step::Write(STDOUT, b"syncing\n".to_vec()),
        Step::Write(STDERR, b"disk is ".to_vec()),
        Step::Write(STDOUT, b"half\n".to_vec()),
        Step::Write(STDERR, b"full\n".to_vec()),
        Step::Status(exited(3)),
    ])
    .await;
    let ran = run(&cluster, &exec()).await;
    assert_eq!(ran.outcome, Ok(3));
    assert_eq!(
        (ran.output.stdout.to_string(), ran.output.stderr.to_string()),
        ("syncing\nhalf\n".to_owned(), "disk is full\n".to_owned())
    );
    assert_eq!(
        server.await.unwrap(),
        "/api/v1/namespaces/shop/pods/db-0/exec?&stdout=true&stderr=true&container=db&command=sh&command=-c&command=sync+%26%26+echo+%24%3F"
    );
}

#[tokio::test]
async fn outputs_larger_than_every_pipe_do_not_block() {
    let mut steps = Vec::new();
    for _ in 0..40 {
        steps.push(Step::Write(STDOUT, vec![b'o'; 100_000]));
        steps.push(Step::Write(STDERR, vec![b'e'; 100_000]));
    }
    steps.push(Step::Status(json!({"status": "Success"})));
    let (cluster, _server) = serving(steps).await;
    let ran = run(&cluster, &exec()).await;
    assert_eq!(ran.outcome, Ok(0));
    assert!(ran.output.stdout.to_string().len() < 100_000);
}

#[tokio::test]
async fn the_connection_is_closed_when_a_command_times_out() {
    let (cluster, server) = serving(vec![Step::Write(STDOUT, b"begun".to_vec()), Step::Hang]).await;
    let short = Exec {
        timeout: Duration::from_millis(300),
        ..exec()
    };
    let ran = run(&cluster, &short).await;
    assert_eq!(ran.outcome, Err(ExecError::TimedOut(short.timeout)));
    assert_eq!(ran.output.stdout.to_string(), "begun", "what came until then is kept");
    let error = ran.outcome.unwrap_err();
    assert!(error.may_have_run() && !error.is_transient());
    assert!(error.to_string().contains("may still be running"), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_is_seen_at_once() {
    let (cluster, _server) = serving(vec![Step::Write(STDOUT, b"half".to_vec())]).await;
    let ran = run(&cluster, &exec()).await;
    let lost = ran.outcome.unwrap_err();
    assert_eq!(lost, ExecError::Lost);
    assert!(lost.may_have_run() && lost.is_transient());
}

#[tokio::test]
async fn a_program_that_is_not_in_the_image_did_not_run() {
    let status = json!({"status": "Failure", "reason": "InternalError",
                        "message": "error executing command in container: \"sync\": executable file not found in $PATH"});
    let (cluster, _server) = serving(vec![Step::Status(status)]).await;
    let error = run(&cluster, &exec()).await.outcome.unwrap_err();
    assert!(
        matches!(&error, ExecError::NotRun(message) if message.contains("not found in $PATH")),
        "{error}"
    );
    assert!(!error.may_have_run() && !error.is_transient());
}

#[tokio::test]
async fn a_command_in_a_stopped_container_was_not_begun() {
    for message in [
        "Internal error occurred: unable to upgrade connection: container not found (\"one\")",
        "failed to exec in container: container is in CONTAINER_EXITED state",
        "failed to exec in container: failed to load task: no running task found: task 0a not found: not found",
        "container is not created or running",
        "container not running (0a)",
        "exec failed: cannot exec in a stopped container: unknown",
    ] {
        let status = json!({"status": "Failure", "reason": "InternalError", "message": message});
        let (cluster, _server) = serving(vec![Step::Status(status)]).await;
        let error = run(&cluster, &exec()).await.outcome.unwrap_err();
        assert_eq!(error, ExecError::Stopped(message.to_owned()));
        assert!(
            error.was_not_begun() && !error.may_have_run() && !error.is_transient(),
            "{error}"
        );
        assert!(!error.to_string().contains("image"), "{error}");
    }
}

#[test]
fn only_after_a_refusal_the_command_was_certainly_not_begun() {
    let refused = |code| ExecError::Refused {
        code,
        reason: "BadRequest".to_owned(),
        message: "pod db-0 does not have a host assigned".to_owned(),
    };
    for (error, certain) in [
        (refused(400), true),
        (refused(404), true),
        (refused(429), false),
        (refused(500), false),
        (ExecError::Stopped(String::new()), true),
        // The command may have been begun before the container went away.
        (ExecError::NotRun("task not found".to_owned()), false),
        (ExecError::NoAnswer(String::new()), false),
        (ExecError::Lost, false),
        (ExecError::TimedOut(Duration::from_secs(1)), false),
    ] {
        assert_eq!(error.was_not_begun(), certain, "{error:?}");
    }
}

#[tokio::test]
async fn a_pod_is_read_as_it_is() {
    let api = FakeApi::new();
    let cluster = Cluster::from_client(api.client());
    assert_eq!(look(&cluster, "shop", "db-0").await, Ok(None));
    api.insert(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "shop"},
        "spec": {"nodeName": "n"}, "status": {"phase": "Running", "containerStatuses": "garbage"}}));
    let pod = look(&cluster, "shop", "db-0").await.unwrap().unwrap();
    assert_eq!(
        (&pod["spec"]["nodeName"], &pod["status"]["containerStatuses"]),
        (&json!("n"), &json!("garbage"))
    );
    api.fault(Fault::new(1, 500, "InternalError", |_| true));
    assert!(look(&cluster, "shop", "db-0").await.is_err());
}

#[tokio::test]
async fn without_an_answer_the_command_may_have_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let cluster = Cluster::from_client(kube::Client::try_from(config).unwrap());
    let error = run(&cluster, &exec()).await.outcome.unwrap_err();
    assert!(matches!(error, ExecError::NoAnswer(_)), "{error}");
    assert!(error.may_have_run() && error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn only_a_429_is_retried_any_other_refusal_is_final() {
    let api = FakeApi::new();
    api.fault(Fault::new(2, 429, "TooManyRequests", |seen| {
        seen.path.ends_with("/exec")
    }));
    let completed = "cannot exec into a container in a completed pod; current phase is Succeeded";
    api.fault(Fault::new(1, 400, "BadRequest", |seen| seen.path.ends_with("/exec")).message(completed));
    let cluster = Cluster::from_client(api.client());
    let begun = Instant::now();
    let ended = run(&cluster, &exec()).await.outcome.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert!(ended.is_pod_ended() && !ended.may_have_run(), "{ended}");
    api.fault(Fault::new(1, 404, "NotFound", |seen| seen.path.ends_with("/exec")));
    let gone = run(&cluster, &exec()).await.outcome.unwrap_err();
    assert!(
        gone.is_pod_gone() && !gone.may_have_run() && !gone.is_transient(),
        "{gone}"
    );
    assert!(!gone.is_node_gone(), "{gone}");
    let no_node = "nodes \"n1\" not found";
    api.fault(Fault::new(1, 404, "NotFound", |seen| seen.path.ends_with("/exec")).message(no_node));
    let gone = run(&cluster, &exec()).await.outcome.unwrap_err();
    assert!(gone.is_node_gone() && gone.is_pod_gone(), "{gone}");
    api.fault(
        Fault::new(1, 500, "InternalError", |seen| seen.path.ends_with("/exec")).message("error dialing backend"),
    );
    let unreachable = run(&cluster, &exec()).await.outcome.unwrap_err();
    assert!(
        unreachable.is_transient() && !unreachable.may_have_run(),
        "{unreachable}"
    );
}

#[tokio::test]
async fn a_command_that_is_forbidden_names_the_verb_that_is_missing() {
    let named = "pods \"db-0\" is forbidden: User \"u\" cannot get resource \"pods/exec\" in API group \"\" in the namespace \"shop\"";
    for (message, want) in [
        (named, "; get on pods/exec is missing: "),
        (
            "pods \"db-0\" is forbidden: ",
            "pods \"db-0\" is forbidden; create on pods/exec is missing: ",
        ),
    ] {
        let api = FakeApi::new();
        api.fault(Fault::new(1, 403, "Forbidden", |seen| seen.path.ends_with("/exec")).message(message));
        let cluster = Cluster::from_client(api.client());
        let error = run(&cluster, &exec()).await.outcome.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(want) && text.contains("both get and create"), "{text}");
        assert!(
            !text.contains("Status {") && !error.may_have_run() && !error.is_transient(),
            "{text}"
        );
    }
}
