//! One operation and what its action answered: the operation as it is now (spec backup 14.1).

use std::time::Duration;

use jiff::Timestamp;

use crate::api::artifact::{OperationPhase, OperationStatus};
use crate::api::{OperationProgress, time};
use crate::runtime::clock::later;

/// The text of an operation that has taken too long; upstream's.
const TIMED_OUT: &str = "Asynchronous action timed out";

/// What is known about an operation in a pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// What its action said.
    Progress(OperationProgress),
    /// Its action did not say it.
    Failed(String),
    /// There is no such action.
    NoAction,
    /// There was no time to ask.
    NotAsked,
}

/// An operation after a pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// How far it is.
    pub(super) status: OperationStatus,
    /// Its time is over: it is to be cancelled.
    pub(super) cancel: bool,
}

/// When the time of an operation is over. One without a time of its own counts from now.
pub(super) fn due(status: &OperationStatus, now: Timestamp, limit: Duration) -> Timestamp {
    later(status.created.as_ref().map_or(now, |created| created.0), limit)
}

/// The operation as it is now. One that has ended stays as it is.
///
/// An action that does not answer is asked again until the operation's time is over (spec restore 26, row 11).
pub(super) fn step(before: &OperationStatus, action: &str, answer: Answer, now: Timestamp, limit: Duration) -> Step {
    let mut status = before.clone();
    if status.phase().is_terminal() {
        return Step { status, cancel: false };
    }
    status.phase.get_or_insert(OperationPhase::New);
    status.created.get_or_insert_with(|| time(now));
    let trouble = match answer {
        Answer::Progress(progress) => {
            let (completed, error) = (progress.completed, progress.error.clone());
            copy(&mut status, progress);
            if completed {
                status.phase = Some(if error.is_empty() {
                    OperationPhase::Completed
                } else {
                    OperationPhase::Failed
                });
                status.error = error;
                return Step { status, cancel: false };
            }
            if *status.phase() == OperationPhase::New && status.started.is_some() {
                status.phase = Some(OperationPhase::InProgress);
            }
            None
        }
        Answer::NotAsked => None,
        Answer::Failed(why) => Some(format!("its progress is not known: {why}")),
        Answer::NoAction => Some(format!(
            "its progress is not known: the item action `{action}` is not installed here"
        )),
    };
    if due(&status, now, limit) <= now {
        status.phase = Some(OperationPhase::Failed);
        status.error = match trouble {
            Some(why) => format!("{TIMED_OUT}: {why}"),
            None => TIMED_OUT.to_owned(),
        };
        return Step { status, cancel: true };
    }
    if let Some(why) = trouble {
        status.description = why;
    }
    Step { status, cancel: false }
}

fn copy(status: &mut OperationStatus, progress: OperationProgress) {
    status.completed = progress.done;
    status.total = progress.total;
    status.operation_units = progress.units;
    status.description = progress.description;
    status.started = progress.started.or(status.started.take());
    status.updated = progress.updated.or(status.updated.take());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn progress(completed: bool, error: &str, started: bool) -> Answer {
        Answer::Progress(OperationProgress {
            completed,
            error: error.to_owned(),
            done: 3,
            total: 10,
            description: "copying".to_owned(),
            started: started.then(|| time(at(5))),
            ..OperationProgress::default()
        })
    }

    #[test]
    fn an_operation_ends_when_its_action_says_so_or_when_its_time_is_over() {
        const LATE: &str = "Asynchronous action timed out";
        let lost = || Answer::Failed("connection refused".to_owned());
        // before, answer, second; after, error, description, cancelled. It was created at 10 and has 100 seconds.
        for (before, answer, second, after, error, description, cancel) in [
            ("New", progress(false, "", false), 20, "New", "", "copying", false),
            ("New", progress(false, "", true), 20, "InProgress", "", "copying", false),
            (
                "InProgress",
                progress(false, "", false),
                109,
                "InProgress",
                "",
                "copying",
                false,
            ),
            (
                "InProgress",
                progress(false, "", false),
                110,
                "Failed",
                LATE,
                "copying",
                true,
            ),
            (
                "InProgress",
                progress(true, "", false),
                500,
                "Completed",
                "",
                "copying",
                false,
            ),
            (
                "New",
                progress(true, "no space", true),
                20,
                "Failed",
                "no space",
                "copying",
                false,
            ),
            (
                "InProgress",
                lost(),
                20,
                "InProgress",
                "",
                "its progress is not known: connection refused",
                false,
            ),
            (
                "InProgress",
                lost(),
                110,
                "Failed",
                "Asynchronous action timed out: its progress is not known: connection refused",
                "",
                true,
            ),
            (
                "New",
                Answer::NoAction,
                111,
                "Failed",
                "Asynchronous action timed out: its progress is not known: the item action `a/b` is not installed here",
                "",
                true,
            ),
            ("New", Answer::NotAsked, 109, "New", "", "", false),
            ("New", Answer::NotAsked, 110, "Failed", LATE, "", true),
            ("Completed", lost(), 500, "Completed", "", "", false),
            ("Failed", progress(true, "", true), 20, "Failed", "", "", false),
        ] {
            let status = OperationStatus {
                phase: Some(OperationPhase::from(before)),
                created: Some(time(at(10))),
                ..OperationStatus::default()
            };
            let case = format!("{before} {answer:?} at {second}");
            let step = step(&status, "a/b", answer, at(second), Duration::from_secs(100));
            let status = step.status;
            assert_eq!(status.phase().as_str(), after, "{case}");
            assert_eq!((&*status.error, &*status.description), (error, description), "{case}");
            assert_eq!(step.cancel, cancel, "{case}");
        }
    }

    #[test]
    fn an_operation_without_a_time_counts_from_the_first_pass_and_keeps_its_start() {
        let limit = Duration::from_secs(100);
        let first = step(
            &OperationStatus::default(),
            "a/b",
            progress(false, "", true),
            at(50),
            limit,
        )
        .status;
        assert_eq!(first.created, Some(time(at(50))));
        assert_eq!(due(&first, at(60), limit), at(150));
        let second = step(&first, "a/b", progress(false, "", false), at(60), limit).status;
        assert_eq!(second.started, Some(time(at(5))));
        assert_eq!(second, first, "nothing has changed, so nothing is written");
    }
}
