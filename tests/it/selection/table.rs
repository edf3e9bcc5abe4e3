//! The truth tables, case by case: a backup each, of one scene.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::cases::{BY_LABELS, Case, IN_NAMESPACES, NEW_FILTERS, OLD_FILTERS};
use super::scene;
use crate::harness::{Plane, Server, phase};

/// All backups of the tables together.
const LIMIT: Duration = Duration::from_mins(5);

/// How many installations share the work: backups of one wait for each other where their namespaces overlap.
const INSTALLATIONS: usize = 3;

#[test]
fn every_case_of_the_truth_tables_saves_exactly_what_it_names() {
    let plane = Plane::start();
    scene::set(&plane);
    let cases: Vec<&Case> = [OLD_FILTERS, NEW_FILTERS, IN_NAMESPACES, BY_LABELS]
        .into_iter()
        .flatten()
        .collect();
    let servers: Vec<Server<'_>> = (0..INSTALLATIONS)
        .map(|at| Server::start_with(&plane, &format!("velero-{at}"), &["--concurrent-backups", "4"]))
        .collect();

    let backups = cases.iter().enumerate().map(|(at, case)| {
        format!(
            "{{apiVersion: velero.io/v1, kind: Backup, metadata: {{name: case-{at}, namespace: {}}}, spec: {}}}",
            servers[at % INSTALLATIONS].namespace,
            case.spec
        )
    });
    plane.apply(&backups.collect::<Vec<_>>().join("\n---\n"));

    let mut wrong = String::new();
    for (first, server) in servers.iter().enumerate() {
        let mine: Vec<usize> = (first..cases.len()).step_by(INSTALLATIONS).collect();
        let names: Vec<String> = mine.iter().map(|at| format!("case-{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ended = server.all_ended("backup", &names, LIMIT);
        for (at, name) in mine.into_iter().zip(names) {
            for what in differences(server, name, cases[at], &phase(&ended[name])) {
                let _ = writeln!(wrong, "{}\n    {}\n    {what}", cases[at].about, cases[at].spec);
            }
        }
        server.was_well(&[]);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn differences(server: &Server<'_>, backup: &str, case: &Case, phase: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if phase != case.ends {
        return vec![format!(
            "is {phase}, not {}: {}",
            case.ends,
            server.object("backup", backup)
        )];
    }
    let archive = server.archive(backup);
    let saved: BTreeSet<String> = archive.objects().keys().map(|path| scene::called(path)).collect();
    let wanted: BTreeSet<String> = case
        .saves
        .iter()
        .flat_map(|names| names.split(' '))
        .map(str::to_owned)
        .collect();
    let list = |names: std::collections::btree_set::Difference<'_, String>| {
        names.map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    if saved != wanted {
        wrong.push(format!(
            "saved besides: {}; missing: {}",
            list(saved.difference(&wanted)),
            list(wanted.difference(&saved))
        ));
    }
    if !archive.objects().keys().eq(archive.versioned().keys()) {
        wrong.push("its copies are not of the same objects".to_owned());
    }
    let log = server.unpacked(&format!("backups/{backup}/{backup}-logs.gz"));
    if !log.contains(case.logged) {
        wrong.push(format!("the log does not contain {:?}:\n{log}", case.logged));
    }
    wrong
}
