//! The page of metrics after one backup and one restore, against the names, types and labels of the recorded page.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Server, data};

/// What the recorded page has and ours has not, by the feature that will bring it.
fn missing(line: &str) -> Option<&'static str> {
    line.contains("schedule=\"daily\"").then_some("schedules")
}

/// Holds the page of a server that has made a backup and a restore against the recorded one.
pub fn are_as_recorded(server: &Server<'_>) {
    let page = page(server);
    let ours = lines(&page);
    let recorded = std::fs::read_to_string(data("go-1.18.1/metrics.txt")).expect("the recorded page");
    for line in lines(&recorded) {
        match missing(&line) {
            None => assert!(ours.contains(&line), "{line} is missing in\n{page}"),
            Some(feature) => assert!(
                !ours.contains(&line),
                "{feature} are there: {line} is not missing any more"
            ),
        }
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

fn page(server: &Server<'_>) -> String {
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
