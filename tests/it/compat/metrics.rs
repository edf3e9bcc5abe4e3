//! The page of metrics after one backup and one restore, against the names, types and labels of the recorded page.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Plane, Server, data, eventually, phase};

/// Holds the page of a server that has made a backup and a restore, and has a schedule named `daily`, against the recorded one.
pub fn are_as_recorded(server: &Server<'_>) {
    let page = eventually("the series of the schedule", || {
        let page = page(server);
        page.contains("schedule=\"daily\"").then_some(page)
    });
    let ours = lines(&page);
    let recorded = std::fs::read_to_string(data("go-1.18.1/metrics.txt")).expect("the recorded page");
    for line in lines(&recorded) {
        assert!(ours.contains(&line), "{line} is missing in\n{page}");
    }
    for line in [
        "velero_backup_attempt_total{schedule=\"\"} 1",
        "velero_backup_success_total{schedule=\"\"} 1",
        "velero_backup_last_status{schedule=\"\"} 1",
        "velero_backup_location_status_gauge{backup_location_name=\"default\"} 1",
        "velero_restore_attempt_total{schedule=\"\"} 1",
        "velero_restore_partial_failure_total{schedule=\"\"} 1",
        "velero_restore_success_total{schedule=\"\"} 0",
    ] {
        assert!(page.lines().any(|have| have == line), "{line} is missing in\n{page}");
    }
}

/// Values of restores without a schedule, in the order of [`RESTORES`]; missing ones count as zero.
fn restores(server: &Server<'_>) -> Vec<Option<u32>> {
    let page = page(server);
    let value = |name: &&str| {
        let line = page.lines().find_map(|line| line.strip_prefix(*name))?;
        line.trim().parse().ok()
    };
    RESTORES.iter().map(value).collect()
}

const RESTORES: [&str; 6] = [
    "velero_restore_attempt_total{schedule=\"\"}",
    "velero_restore_success_total{schedule=\"\"}",
    "velero_restore_partial_failure_total{schedule=\"\"}",
    "velero_restore_failed_total{schedule=\"\"}",
    "velero_restore_validation_failed_total{schedule=\"\"}",
    "velero_restore_duration_seconds_count{schedule=\"\"}",
];

#[test]
fn a_restore_is_counted_once_even_across_a_restart() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    plane.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: small}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: small}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: small}\n\
         spec: {type: NodePort, ports: [{port: 80, nodePort: 30099}]}\n",
    );
    server.velero(&["backup", "create", "b", "--include-namespaces", "small", "--wait"]);
    let restore = |server: &Server<'_>, name: &str, more: &[&str], want: &str| {
        let mut arguments = vec!["restore", "create", name, "--from-backup", "b", "--wait"];
        arguments.extend(more);
        server.velero(&arguments);
        let ended = server.object("restore", name);
        assert_eq!(phase(&ended), want, "{ended:#}");
    };
    let at_first = restores(&server);
    assert_eq!(at_first, [Some(0), Some(0), Some(0), Some(0), Some(0), None]);
    let whole = [
        "--namespace-mappings",
        "small:copy",
        "--include-resources",
        "configmaps",
    ];
    restore(&server, "whole", &whole, "Completed");
    restore(
        &server,
        "refused",
        &["--include-resources", "nodes"],
        "FailedValidation",
    );
    // The counter changes right after the status is written, which ended the command's wait.
    eventually("two restores to be counted", || {
        (restores(&server) == [Some(2), Some(1), Some(0), Some(0), Some(1), Some(1)]).then_some(())
    });

    server.restart();
    eventually("the restores that are there to be counted", || {
        TcpStream::connect(&server.metrics).ok()?;
        page(&server)
            .lines()
            .find(|line| *line == "velero_restore_total 2")
            .map(drop)
    });
    // The port of its service is taken by the one that was backed up.
    let conflict = ["--namespace-mappings", "small:second"];
    restore(&server, "partly", &conflict, "PartiallyFailed");
    let after = [Some(1), Some(0), Some(1), Some(0), Some(0), Some(1)];
    eventually("the third restore to be counted", || {
        (restores(&server) == after).then_some(())
    });
    // A moment later, after passes over all of them, it is still so.
    server.velero(&["backup", "create", "c", "--include-namespaces", "small", "--wait"]);
    assert_eq!(restores(&server), after);
}

/// The page of metrics.
pub fn page(server: &Server<'_>) -> String {
    let mut stream = TcpStream::connect(&server.metrics).expect("the page is served");
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\nHost: velero\r\n\r\n")
        .expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(
        answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
        "{answer}"
    );
    answer
}

/// The lines of a page without help, comments and values, labels in the order of their names.
fn lines(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter(|line| line.starts_with("# TYPE velero_") || line.starts_with("velero_"))
        .map(|line| match line.strip_prefix("# TYPE ") {
            Some(_) => line.to_owned(),
            None => series(line),
        })
        .collect()
}

/// `name{labels}` of a line, which may have a value behind it.
fn series(line: &str) -> String {
    match line.split_once('}') {
        Some((labels, _)) => format!("{labels}}}"),
        None => line.split(' ').next().unwrap_or_default().to_owned(),
    }
}
