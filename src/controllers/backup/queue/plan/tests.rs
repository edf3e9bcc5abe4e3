use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::api::time;

/// A backup of these namespaces, separated by spaces; none means all.
fn backup(name: &str, created: i64, phase: &str, position: i64, namespaces: &str) -> Arc<Backup> {
    let mut backup = Backup::new("velero", name);
    backup.metadata.creation_timestamp = Some(time(jiff::Timestamp::from_second(created).unwrap()));
    backup.spec.included_namespaces = namespaces.split_whitespace().map(str::to_owned).collect();
    backup.status.phase = (!phase.is_empty()).then(|| BackupPhase::from(phase));
    backup.status.queue_position = position;
    Arc::new(backup)
}

fn alive() -> Vec<String> {
    ["app-a", "app-b", "x", "y", "z"].map(str::to_owned).to_vec()
}

/// The plan in short: `a starts`, `b 1`, `b 1 after a in x`.
fn planned(backups: &[Arc<Backup>], places: usize) -> Vec<String> {
    let short = |(backup, step): &(Arc<Backup>, Step)| {
        let name = backup.metadata.name.as_deref().unwrap();
        match step {
            Step::Start => format!("{name} starts"),
            Step::Wait { position, why } => match why {
                Why::NamespaceConflict { namespace, with } => format!("{name} {position} after {with} in {namespace}"),
                _ => format!("{name} {position}"),
            },
        }
    };
    plan(backups, Some(places), &alive()).iter().map(short).collect()
}

#[test]
fn free_places_go_to_those_who_wait_longest_and_the_others_stand_without_gaps() {
    let all = [
        backup("c", 3, "", 0, "z"),
        backup("a", 1, "New", 0, "x"),
        backup("b2", 2, "", 0, "app-a"),
        backup("b1", 2, "", 0, "y"),
        backup("done", 0, "Completed", 0, ""),
    ];
    assert_eq!(planned(&all, 0), ["a 1", "b1 2", "b2 3", "c 4"]);
    assert_eq!(planned(&all, 1), ["a starts", "b1 1", "b2 2", "c 3"]);
    assert_eq!(planned(&all, 3), ["a starts", "b1 starts", "b2 starts", "c 1"]);
    assert_eq!(planned(&all, 9).len(), 4);
}

#[test]
fn running_and_promised_places_are_taken_whatever_process_gave_them() {
    let all = [
        backup("a", 1, "InProgress", 0, "x"),
        backup("b", 2, "ReadyToStart", 0, "y"),
        backup("c", 3, "", 0, "z"),
    ];
    assert_eq!(planned(&all, 2), ["c 1"]);
    assert_eq!(planned(&all, 3), ["c starts"]);
    assert_eq!(planned(&all, 1), ["c 1"], "there may be fewer places than before");
}

#[test]
fn a_place_that_was_given_is_kept_from_whoever_was_created_earlier() {
    let all = [
        backup("late", 9, "Queued", 1, "x"),
        backup("later", 10, "Queued", 4, "x"),
        backup("unplaced", 3, "Queued", 0, "x"),
        backup("early", 2, "", 0, "x"),
    ];
    assert_eq!(planned(&all, 0), ["late 1", "later 2", "early 3", "unplaced 4"]);
    assert_eq!(first(&all[1..]).unwrap().metadata.name.as_deref(), Some("later"));
    assert_eq!(first(&[]), None);
}

#[test]
fn who_waits_for_a_namespace_lets_pass_whom_it_does_not_concern() {
    // What they save in order, after one that runs and saves x; what becomes of them with three places.
    for (waiting, expected) in [
        (&["x", "y"][..], &["0 1 after run in x", "1 starts"][..]),
        (
            &["x", "x y", "z"],
            &["0 1 after run in x", "1 2 after run in x", "2 starts"],
        ),
        // The turn of one that waits is kept, also for what only that one saves.
        (&["x y", "y"], &["0 1 after run in x", "1 2 after 0 in y"]),
        (
            &["y", "y z", "z"],
            &["0 starts", "1 1 after 0 in y", "2 2 after 1 in z"],
        ),
        (&["", "y"], &["0 1 after run in x", "1 2 after 0 in y"]),
        (
            &["app-*", "app-b", "app-c"],
            &["0 starts", "1 1 after 0 in app-b", "2 starts"],
        ),
        // Two places are left.
        (&["y", "app-a", "z"], &["0 starts", "1 starts", "2 1"]),
        // A namespace that does not exist conflicts with none.
        (&["gone", "gone"], &["0 starts", "1 starts"]),
        // What will be refused conflicts with none.
        (&["* x", "y"], &["0 starts", "1 starts"]),
        (&["x[", "y"], &["0 starts", "1 starts"]),
    ] {
        let running = backup("run", 0, "InProgress", 0, "x");
        let waiting = waiting
            .iter()
            .zip(0..)
            .map(|(namespaces, number)| backup(&number.to_string(), number, "Queued", number + 1, namespaces));
        let all: Vec<_> = std::iter::once(running).chain(waiting).collect();
        assert_eq!(planned(&all, 3), expected);
    }
}

#[test]
fn excludes_make_room() {
    let mut all_but_x = (*backup("a", 1, "", 0, "*")).clone();
    all_but_x.spec.excluded_namespaces = vec!["x".to_owned(), "app-*".to_owned()];
    let all = [
        Arc::new(all_but_x),
        backup("b", 2, "", 0, "x app-a"),
        backup("c", 3, "", 0, "y"),
    ];
    assert_eq!(planned(&all, 3), ["a starts", "b starts", "c 1 after a in y"]);
}

#[test]
fn nothing_leaves_the_queue_where_backups_are_not_carried_out_and_it_says_so() {
    let steps = plan(&[backup("a", 1, "Queued", 1, "x")], None, &alive());
    let Step::Wait { position: 1, why } = &steps[0].1 else {
        panic!("{steps:?}")
    };
    assert!(why.to_string().contains("--restore-only"), "{why}");
}

#[test]
fn a_backup_that_is_being_deleted_waits_for_nothing_and_holds_neither_place_nor_namespace() {
    for phase in ["Queued", "ReadyToStart", "InProgress"] {
        let mut gone = (*backup("a", 1, phase, 0, "x")).clone();
        gone.metadata.deletion_timestamp = Some(time(jiff::Timestamp::UNIX_EPOCH));
        let all = [Arc::new(gone), backup("b", 2, "Queued", 1, "x")];
        assert_eq!(planned(&all, 1), ["b starts"], "{phase}");
    }
}

#[test]
fn hundreds_that_wait_are_planned_in_a_moment() {
    let alive: Vec<String> = (0..500).map(|n| format!("n{n}")).collect();
    let mut all = vec![backup("run", 0, "InProgress", 0, "n0")];
    all.extend((0..500).map(|n| backup(&format!("b{n}"), n, "Queued", n + 1, "")));
    let start = std::time::Instant::now();
    let steps = plan(&all, Some(2), &alive);
    assert!(steps.iter().all(|(_, step)| *step != Step::Start));
    // A decision a pair would take minutes.
    assert!(
        start.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

const CHOICES: [&str; 9] = ["x", "y", "z", "x y", "app-*", "app-a", "*", "", "app-b z"];

fn saved(backup: &Backup) -> BTreeSet<String> {
    namespaces(backup, &alive()).map(str::to_owned).collect()
}

fn name(backup: &Backup) -> String {
    backup.metadata.name.clone().unwrap()
}

fn step_of(backup: &mut Arc<Backup>, phase: BackupPhase, position: i64) {
    let backup = Arc::make_mut(backup);
    backup.status.phase = Some(phase);
    backup.status.queue_position = position;
}

proptest! {
    /// Backups come, are planned and end in any order: what the plan promises holds at every step, and all come to their turn.
    #[test]
    fn running_backups_never_overlap_and_none_that_could_run_waits(
        asked in prop::collection::vec((0..CHOICES.len(), 0..6i64, any::<prop::sample::Index>()), 1..14),
        at_first in 0..14usize,
        places in 1..4usize,
    ) {
        let mut coming: Vec<_> = asked
            .iter()
            .enumerate()
            .map(|(number, (choice, created, _))| backup(&format!("b{number}"), *created, "", 0, CHOICES[*choice]))
            .collect();
        let mut all: Vec<Arc<Backup>> = coming.drain(..at_first.min(coming.len())).collect();
        let mut before: Vec<String> = Vec::new();
        for round in 0..=2 * asked.len() {
            let steps = plan(&all, Some(places), &alive());
            let mut waiting = Vec::new();
            for (backup, step) in &steps {
                let at = all.iter().position(|b| name(b) == name(backup)).unwrap();
                match step {
                    Step::Start => step_of(&mut all[at], BackupPhase::InProgress, 0),
                    Step::Wait { position, .. } => {
                        waiting.push((name(backup), saved(backup)));
                        prop_assert_eq!(*position, i64::try_from(waiting.len()).unwrap());
                        step_of(&mut all[at], BackupPhase::Queued, *position);
                    }
                }
            }
            let running: Vec<_> = all.iter().filter(|b| runs(b)).map(|b| (name(b), saved(b))).collect();
            prop_assert!(running.len() <= places);
            for (at, (a, taken)) in running.iter().enumerate() {
                for (b, other) in &running[at + 1..] {
                    prop_assert!(taken.is_disjoint(other), "{} and {} run at once", a, b);
                }
            }
            // One that waits although a place is free conflicts with one before it.
            if running.len() < places {
                for (at, (waits, its)) in waiting.iter().enumerate() {
                    let mut earlier = running.iter().chain(&waiting[..at]);
                    prop_assert!(earlier.any(|(_, taken)| !taken.is_disjoint(its)), "{} waits for nothing", waits);
                }
            }
            prop_assert!(waiting.is_empty() || !running.is_empty(), "nothing goes on");
            // None overtakes.
            let now: Vec<String> = waiting.into_iter().map(|(name, _)| name).collect();
            let kept: Vec<&String> = before.iter().filter(|name| now.contains(name)).collect();
            let order: Vec<&String> = now.iter().filter(|name| before.contains(name)).collect();
            prop_assert_eq!(kept, order);
            before = now;
            // One comes, one ends.
            all.extend(coming.pop());
            if !running.is_empty() {
                let ends = &running[asked[round % asked.len()].2.index(running.len())].0;
                let at = all.iter().position(|b| name(b) == *ends).unwrap();
                step_of(&mut all[at], BackupPhase::Completed, 0);
            }
        }
        prop_assert!(all.iter().all(|b| *b.status.phase() == BackupPhase::Completed), "some never had their turn");
    }
}
