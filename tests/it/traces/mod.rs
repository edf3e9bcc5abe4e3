//! One trace from the command to the last byte (decision 51), as a collector gets it.

mod receiver;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use self::receiver::{Exported, Receiver, Trace};
use crate::harness::{Plane, Server, text, within};
use crate::leadership::{leads, under_way};
use crate::s3;
use crate::survival::fill;

/// Objects of a run that is large for a trace.
const MANY: usize = 20_000;

const LIMIT: Duration = Duration::from_mins(5);

/// The most spans of one run.
const MOST: usize = 500;

/// A server that exports, and so do its commands.
fn server<'a>(plane: &'a Plane, receiver: &Receiver, flags: &[&str]) -> Server<'a> {
    server_in("velero", plane, receiver, flags)
}

fn server_in<'a>(namespace: &str, plane: &'a Plane, receiver: &Receiver, flags: &[&str]) -> Server<'a> {
    let mut server = Server::start_with(plane, namespace, flags);
    server.environment = receiver.environment();
    server.restart();
    leads(&server);
    server
}

/// The trace of an object, by its annotation.
#[track_caller]
fn trace_id(object: &Value) -> String {
    let annotation = text(object, "/metadata/annotations/velero.io~1traceparent");
    let parts: Vec<_> = annotation.split('-').collect();
    assert_eq!(parts.len(), 4, "{annotation:?} in {object}");
    parts[1].to_owned()
}

/// Waits until the attempt that ended a run was exported, and gives the trace.
#[track_caller]
fn trace_of(receiver: &Receiver, object: &Value, kind: &str) -> Trace {
    let phase = format!("velero.{kind}.phase");
    let is_end = |span: &Exported| span.attributes.contains_key(&phase);
    receiver.trace_with(&trace_id(object), &format!("the end of the {kind}"), is_end)
}

/// The attempt that ended a run. On a loaded machine a server can lose its lease, and then there are several.
#[track_caller]
fn last_attempt<'t>(trace: &'t Trace, kind: &str) -> &'t Exported {
    let phase = format!("velero.{kind}.phase");
    let name = format!("{kind} attempt");
    let attempts = trace.named(&name);
    let mut ended = attempts.iter().filter(|span| span.attributes.contains_key(&phase));
    let last = ended.next().unwrap_or_else(|| panic!("{}", trace.shown()));
    assert!(ended.next().is_none(), "a run ends once\n{}", trace.shown());
    let linked = attempts.len() == 1 || !last.links.is_empty();
    assert!(linked, "a later attempt is linked to the one before\n{}", trace.shown());
    last
}

/// Restores the backup `b` as `r` into another namespace.
fn restore_mapped(server: &Server<'_>, mapping: &str, more: &[&str]) {
    let restore = [
        "restore",
        "create",
        "r",
        "--from-backup",
        "b",
        "--namespace-mappings",
        mapping,
    ];
    server.velero(&[&restore, more].concat());
}

fn names<'n>(names: &[&'n str]) -> BTreeSet<&'n str> {
    names.iter().copied().collect()
}

#[track_caller]
fn assert_attributes(span: &Exported, wanted: &[(&str, &str)]) {
    for (key, value) in wanted {
        assert_eq!(
            span.attributes.get(*key).map(String::as_str),
            Some(*value),
            "{key} of {span:?}"
        );
    }
}

/// Whether a page has a line with this label and value.
fn shows(page: &str, label: &str, value: &str) -> bool {
    page.lines()
        .any(|line| line.split_whitespace().eq(label.split_whitespace().chain([value])))
}

#[test]
fn a_backup_and_a_restore_of_many_objects_are_one_trace_each() {
    let plane = Plane::start();
    let receiver = Receiver::start();
    let server = server(&plane, &receiver, &[]);
    fill(&plane, "many", MANY);

    server.velero(&["backup", "create", "b", "--include-namespaces", "many", "--wait"]);
    let backup = server.object("backup", "b");
    // The command is the first span; it ends last.
    let id = trace_id(&backup);
    receiver.trace_with(&id, "the command's span", |span| span.name == "velero backup create");
    let trace = trace_of(&receiver, &backup, "backup");
    trace.assert_whole();
    assert!(trace.0.len() < MOST, "{}", trace.shown());
    let command = trace.one("velero backup create");
    assert_eq!((command.parent.as_str(), command.service.as_str()), ("", "velero-cli"));
    assert_eq!(
        trace.below(command),
        names(&["queue", "accept", "backup attempt"]),
        "{}",
        trace.shown()
    );
    let attempt = last_attempt(&trace, "backup");
    assert_eq!(attempt.service, "velero");
    assert_attributes(
        attempt,
        &[
            ("k8s.namespace.name", "velero"),
            ("velero.backup.name", "b"),
            ("velero.backup.uid", &text(&backup, "/metadata/uid")),
            ("velero.backup.phase", "Completed"),
            ("velero.items", &text(&backup, "/status/progress/itemsBackedUp")),
            ("velero.errors", "0"),
            ("velero.spans.unshown", "0"),
        ],
    );
    let steps = [
        "lock name",
        "discover",
        "prepare",
        "list",
        "finish archive",
        "store files",
        "seal",
    ];
    let below = trace.below(attempt);
    assert!(below.is_superset(&names(&steps)), "{}", trace.shown());
    let lists = trace.named("list");
    let config_maps = lists
        .iter()
        .find(|span| span.attributes["velero.resource"] == "configmaps");
    let config_maps = config_maps.unwrap_or_else(|| panic!("{}", trace.shown()));
    assert_attributes(config_maps, &[("velero.items", &MANY.to_string())]);
    let bytes: usize = config_maps.attributes["velero.bytes"].parse().expect("a number");
    assert!(bytes > 100 * MANY, "{bytes}");
    assert!(attempt.began <= config_maps.began && config_maps.ended <= attempt.ended);

    // Where people look for the id.
    let page = server.velero(&["backup", "describe", "b"]);
    assert!(shows(&page, "Trace ID:", &id), "{page}");
    assert!(backup["status"]["conditions"].to_string().contains(&id), "{backup}");
    let log = server.unpacked("backups/b/b-logs.gz");
    assert!(log.contains(&format!("trace_id={id}")), "{log:.2000}");
    let log = server.log();
    let mut of_process = log.lines().filter(|line| !line.contains(" backup=velero/b "));
    assert!(
        of_process.any(|line| line.contains(&format!("trace_id={id}"))),
        "a line of the process"
    );

    plane.kubectl(&["delete", "namespace", "many", "--wait=false"]);
    restore_mapped(&server, "many:copy", &[]);
    server.all_ended("restore", &["r"], LIMIT);
    let restore = server.object("restore", "r");
    let trace = trace_of(&receiver, &restore, "restore");
    trace.assert_whole();
    assert!(trace.0.len() < MOST, "{}", trace.shown());
    let command = trace.one("velero restore create");
    assert_eq!(
        trace.below(command),
        names(&["accept", "restore attempt"]),
        "{}",
        trace.shown()
    );
    let attempt = last_attempt(&trace, "restore");
    let steps = ["download", "index", "prepare", "wave", "store files"];
    assert!(trace.below(attempt).is_superset(&names(&steps)), "{}", trace.shown());
    let waves = trace.named("wave");
    let config_maps = waves
        .iter()
        .find(|span| span.attributes["velero.resource"] == "configmaps");
    assert_attributes(config_maps.expect("its wave"), &[("velero.items", &MANY.to_string())]);
    let page = server.velero(&["restore", "describe", "r"]);
    assert!(shows(&page, "Trace ID:", &trace_id(&restore)), "{page}");
}

/// So slow that a run is met in the middle.
const SLOW: [&str; 2] = ["--client-qps=20", "--client-burst=1"];

const OBJECTS: usize = 200;

/// The attempts at a run: the one that was interrupted, and the one that ended it.
#[track_caller]
fn attempts<'t>(trace: &'t Trace, kind: &str) -> (&'t Exported, &'t Exported) {
    trace.assert_whole();
    let name = format!("{kind} attempt");
    let mut attempts = trace.named(&name);
    attempts.sort_by_key(|span| span.began);
    let [first, second] = attempts[..] else {
        panic!("{}", trace.shown())
    };
    assert!(first.failed && !second.failed, "{}", trace.shown());
    assert_eq!(second.links, std::slice::from_ref(&first.id), "{}", trace.shown());
    assert_eq!(first.parent, second.parent, "{}", trace.shown());
    (first, second)
}

fn is_below(parent: &Exported) -> impl Fn(&Exported) -> bool {
    let parent = parent.id.clone();
    move |span| span.parent == parent
}

#[test]
fn a_standby_continues_the_trace_of_a_killed_leader() {
    let plane = Plane::start();
    let receiver = Receiver::start();
    let mut first = server(&plane, &receiver, &SLOW);
    fill(&plane, "many", OBJECTS);
    let second = first.standby();

    first.velero(&["backup", "create", "b", "--include-namespaces", "many"]);
    let id = trace_id(&first.object("backup", "b"));
    // What ended before the last export is not lost.
    receiver.trace_with(&id, "a type's span", |span| span.name == "list");
    first.kill();
    let backup = second.ended("backup", "b");
    assert_eq!(trace_id(&backup), id, "another process does not begin another trace");
    let trace = trace_of(&receiver, &backup, "backup");
    let (lost, resumed) = attempts(&trace, "backup");
    assert_attributes(lost, &[("error.type", "process_died"), ("velero.backup.name", "b")]);
    assert!(trace.0.iter().any(is_below(lost)), "{}", trace.shown());
    assert_eq!(resumed.events, ["resumed: it collects afresh"], "{}", trace.shown());

    // The same process is told to stop, as by an upgrade: it exports its span itself.
    first.flags.clear();
    let mut second = second;
    second.flags = SLOW.map(str::to_owned).to_vec();
    second.restart();
    leads(&second);
    restore_mapped(&second, "many:copy", &[]);
    under_way(&second, "restore", "r", "/status/progress/itemsRestored");
    second.stop(Duration::from_secs(30));
    first.begin();
    let restore = first.ended("restore", "r");
    let trace = trace_of(&receiver, &restore, "restore");
    let (stopped, resumed) = attempts(&trace, "restore");
    assert_attributes(stopped, &[("error.type", "interrupted")]);
    assert_eq!(
        resumed.events[0],
        "resumed: it goes on from the ledger",
        "{}",
        trace.shown()
    );
}

#[test]
fn without_an_exporter_in_the_command_the_server_begins_the_trace() {
    let plane = Plane::start();
    let receiver = Receiver::start();
    let server = server(&plane, &receiver, &[]);
    fill(&plane, "few", 3);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00";
    for (name, annotation) in [
        ("none", ""),
        ("garbage", "some text"),
        ("given", parent),
        ("unsampled", unsampled),
    ] {
        let mut object = serde_json::json!({
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {"name": name, "namespace": server.namespace},
            "spec": {"includedNamespaces": ["few"]},
        });
        if !annotation.is_empty() {
            object["metadata"]["annotations"] = serde_json::json!({"velero.io/traceparent": annotation});
        }
        plane.apply(&object.to_string());
        let backup = server.ended("backup", name);
        if annotation == unsampled {
            assert_eq!(text(&backup, "/metadata/annotations/velero.io~1traceparent"), unsampled);
            assert!(!server.velero(&["backup", "describe", name]).contains("Trace ID"));
            continue;
        }
        let trace = trace_of(&receiver, &backup, "backup");
        let attempt = trace.one("backup attempt");
        if annotation == parent {
            assert_eq!(attempt.parent, "00f067aa0ba902b7", "{}", trace.shown());
            continue;
        }
        trace.assert_whole();
        assert_eq!(trace.one("backup").id, attempt.parent, "{}", trace.shown());
    }
    // The command has no exporter, and its caller has a trace.
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4738-00f067aa0ba902b8-01";
    let mut create = server.command(&["backup", "create", "called", "--include-namespaces", "few"]);
    create
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .env("TRACEPARENT", caller);
    assert!(create.status().expect("it runs").success());
    let trace = trace_of(&receiver, &server.ended("backup", "called"), "backup");
    assert_eq!(trace.one("backup attempt").parent, "00f067aa0ba902b8");
    // What was not sampled was not exported; all of it would have been by now.
    assert!(receiver.trace("4bf92f3577b34da6a3ce929d0e0e4737").0.is_empty());
}

#[test]
fn no_secret_no_token_and_no_signature_is_exported() {
    const VALUE: &str = "correct-horse-battery-staple";
    let plane = Plane::start();
    let receiver = Receiver::start();
    let server = server(&plane, &receiver, &["--log-level=debug"]);
    let s3 = s3::s3_of(&server);
    let broken = s3::location(&server, "broken", &s3.endpoint, &[], &serde_json::json!({}));
    plane.create(&broken);
    server.until_available("broken");
    s3::fill(&plane, "few");
    let secret = [
        "create",
        "secret",
        "generic",
        VALUE,
        "-n",
        "few",
        &format!("--from-literal=password={VALUE}-2"),
    ];
    plane.kubectl(&secret);
    plane.apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config, namespace: few}}\ndata: {{text: {VALUE}-3}}\n"
    ));
    server.velero(&[
        "backup",
        "create",
        "b",
        "--include-namespaces",
        "few",
        "--storage-location",
        "broken",
        "--wait",
    ]);
    let log = server.velero(&["backup", "logs", "b"]);
    assert!(log.contains("level=info"), "{log}");
    let token = server.token("t", "BackupLog", "b");
    assert_eq!(server.artifact("BackupLog", "b", &token).0, 200);
    restore_mapped(&server, "few:copy", &["--wait"]);
    // Failures have texts of their own.
    server.velero(&["restore", "create", "q", "--from-backup", "b", "--wait"]);
    let trace = trace_of(&receiver, &server.object("restore", "r"), "restore");
    trace.assert_whole();
    let url = text(&server.object("downloadrequest", "t"), "/status/downloadURL");
    let exported = String::from_utf8_lossy(&receiver.bytes()).into_owned();
    assert!(exported.contains("restore attempt"));
    let signature = url.split("Signature=").nth(1).unwrap_or(&token);
    for secret in [
        &format!("{VALUE}-2"),
        &format!("{VALUE}-3"),
        &s3.secret_key,
        &s3.access_key,
        &token,
        signature,
        "X-Amz-",
        "?token=",
    ] {
        assert!(!exported.contains(secret), "{secret}");
    }
}

#[test]
fn metrics_and_log_lines_go_to_the_collector_too_over_both_protocols() {
    let plane = Plane::start();
    fill(&plane, "few", 3);
    for (namespace, receiver) in [("grpc", Receiver::start()), ("http", Receiver::start_http())] {
        let server = server_in(namespace, &plane, &receiver, &[]);
        server.velero(&["backup", "create", "b", "--include-namespaces", "few", "--wait"]);
        trace_of(&receiver, &server.object("backup", "b"), "backup").assert_whole();
        within(Duration::from_secs(20), "metrics and lines of logs", || {
            let (metrics, lines) = (receiver.metrics(), receiver.lines());
            let has_metrics =
                metrics.contains("velero_backup_success_total") && metrics.contains("velero_backup_duration_seconds");
            let starts = lines.iter().any(|(_, line)| line.contains("starting Velero server"));
            (has_metrics && starts).then_some(())
        });
    }
}

#[test]
fn a_server_with_an_exporter_that_is_not_known_works_without_it_and_says_so() {
    let plane = Plane::start();
    fill(&plane, "few", 3);
    let mut server = Server::start_with(&plane, "velero", &[]);
    server.environment = ["TRACES", "METRICS", "LOGS"]
        .map(|signal| (format!("OTEL_{signal}_EXPORTER"), "zipkin".to_owned()))
        .into();
    server.restart();
    leads(&server);
    server.velero(&["backup", "create", "b", "--include-namespaces", "few", "--wait"]);
    for signal in ["traces", "metrics", "logs"] {
        let warning = format!("setting up the exporter of {signal} failed");
        assert!(server.log().contains(&warning), "{warning}\n{}", server.log());
    }
}
