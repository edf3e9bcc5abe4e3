//! `--wait`: watches a run until it has finished (spec server-cli 8.4).

use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Client;
use tokio::time::{MissedTickBehavior, interval};

use super::artifact::availability::{FilesLocation, RunFiles, RunRef};
use super::artifact::{Artifacts, DownloadArgs};
use super::context::Context;
use super::failure::Failure;
use super::objects::{Kind, Objects};
use super::output::describe::Fetched;
use super::output::rate::{Rate, RunProgress};
use super::terminal;
use crate::api::artifact::{MessageSet, Results};
use crate::api::v1::{Backup, BackupPhase, DownloadTargetKind, Restore, RestorePhase};
use crate::runtime::clock::{Clock, System};

/// A backup or a restore.
pub trait Awaited: Kind + RunProgress {
    /// `Backup` or `Restore`, as in messages.
    const NOUN: &'static str;

    /// The phase of its status.
    fn phase(&self) -> &str;

    /// Whether its phase is final.
    fn is_finished(&self) -> bool;

    /// Whether it finished without errors.
    fn succeeded(&self) -> bool;

    /// The messages and counts of its status.
    fn result(&self) -> RunResult<'_>;

    /// The run as the owner of files in the object store.
    fn as_run_ref(&self) -> RunRef<'_>;
}

/// The result of a run, from its status.
#[derive(Clone, Debug)]
pub struct RunResult<'a> {
    validation_errors: &'a [String],
    failure_reason: &'a str,
    warnings: i64,
    errors: i64,
    /// The file with the texts of the warnings and errors.
    results: DownloadTargetKind,
}

impl Awaited for Backup {
    const NOUN: &'static str = "Backup";

    fn phase(&self) -> &str {
        self.status.phase().as_str()
    }

    fn is_finished(&self) -> bool {
        self.status.phase().is_terminal()
    }

    fn succeeded(&self) -> bool {
        *self.status.phase() == BackupPhase::Completed
    }

    fn result(&self) -> RunResult<'_> {
        RunResult {
            validation_errors: &self.status.validation_errors,
            failure_reason: &self.status.failure_reason,
            warnings: self.status.warnings,
            errors: self.status.errors,
            results: DownloadTargetKind::BackupResults,
        }
    }

    fn as_run_ref(&self) -> RunRef<'_> {
        RunRef::Backup(self)
    }
}

impl Awaited for Restore {
    const NOUN: &'static str = "Restore";

    fn phase(&self) -> &str {
        self.status.phase().as_str()
    }

    fn is_finished(&self) -> bool {
        self.status.phase().is_terminal()
    }

    fn succeeded(&self) -> bool {
        *self.status.phase() == RestorePhase::Completed
    }

    fn result(&self) -> RunResult<'_> {
        RunResult {
            validation_errors: &self.status.validation_errors,
            failure_reason: &self.status.failure_reason,
            warnings: self.status.warnings,
            errors: self.status.errors,
            results: DownloadTargetKind::RestoreResults,
        }
    }

    fn as_run_ref(&self) -> RunRef<'_> {
        RunRef::Restore(self)
    }
}

/// How long to wait for the file with the warnings and errors.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// At most so many warnings, and so many errors, are printed. The others are counted.
const PRINTED: usize = 5;

/// Access to the files of runs, for the warnings and errors that are printed at the end.
pub fn artifacts(client: &Client, context: &Context) -> Artifacts {
    let options = DownloadArgs::default().options(FETCH_TIMEOUT, context);
    Artifacts::new(client.clone(), &context.namespace, options)
}

/// Waits until the run has finished, then prints its phase, errors and warnings.
///
/// # Errors
/// The run was deleted, or with `fail_on_error` it did not complete without errors.
pub async fn wait<R: Awaited>(
    objects: &Objects<R>,
    artifacts: &Artifacts,
    name: &str,
    fail_on_error: bool,
) -> anyhow::Result<()> {
    let (noun, verb) = (R::NOUN, R::NOUN.to_lowercase());
    terminal::println(&format!(
        "Waiting for {verb} to complete. You may safely press ctrl-c to stop waiting - your {verb} will continue in the background."
    ))?;
    let run = watch_until_finished(objects, name).await?;
    terminal::println(&format!(
        "\n{noun} completed with status: {}. You may check for more information using the commands `velero {verb} describe {name}` and `velero {verb} logs {name}`.",
        run.phase()
    ))?;
    let result = run.result();
    let results = if result.warnings > 0 || result.errors > 0 {
        let files = RunFiles::new(run.as_run_ref(), FilesLocation::Usable);
        // Boxed because the future is large.
        Box::pin(artifacts.json(&files, &result.results)).await
    } else {
        Fetched::Missing
    };
    let more = format!("velero {verb} describe {name}");
    terminal::print(&reasons(&result, &results, &more))?;
    if fail_on_error && !run.succeeded() {
        Err(Failure::Silent.into())
    } else {
        Ok(())
    }
}

/// The errors and warnings of a run, one a line; empty for a run without any. `more` is the command that shows all of them.
fn reasons(result: &RunResult<'_>, results: &Fetched<Results>, more: &str) -> String {
    let mut lines = Vec::new();
    if !result.validation_errors.is_empty() {
        lines.push("Validation errors:".to_owned());
        lines.extend(result.validation_errors.iter().map(|error| format!("  {error}")));
    }
    if !result.failure_reason.is_empty() {
        lines.push("Failure reason:".to_owned());
        lines.push(format!("  {}", result.failure_reason));
    }
    let none = Results::default();
    let texts = match results {
        Fetched::Got(results) => results,
        _ => &none,
    };
    for (heading, count, set) in [
        ("Errors", result.errors, &texts.errors),
        ("Warnings", result.warnings, &texts.warnings),
    ] {
        let Ok(count) = usize::try_from(count) else { continue };
        if count == 0 {
            continue;
        }
        lines.push(format!("{heading}: {count}"));
        let printed: Vec<String> = messages(set).take(PRINTED).collect();
        if count > printed.len() {
            let more = format!(
                "  (`{more}` shows {})",
                if printed.is_empty() { "them" } else { "all of them" }
            );
            lines.extend(printed.into_iter().chain([more]));
        } else {
            lines.extend(printed);
        }
    }
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The messages, each with its namespace.
fn messages(set: &MessageSet) -> impl Iterator<Item = String> {
    let namespaced = set.namespaces.iter();
    let namespaced = namespaced.flat_map(|(name, texts)| texts.iter().map(move |text| format!("  {name}: {text}")));
    let others = set.velero.iter().chain(&set.cluster);
    others.map(|text| format!("  {text}")).chain(namespaced)
}

async fn watch_until_finished<R: Awaited>(objects: &Objects<R>, name: &str) -> anyhow::Result<R> {
    let mut ticker = Ticker::new(terminal::is_tty());
    let ended = watch(objects, name, &mut ticker).await;
    if ended.is_err() {
        // The error is printed on a line of its own.
        terminal::print(ticker.end_line())?;
    }
    ended
}

async fn watch<R: Awaited>(objects: &Objects<R>, name: &str, ticker: &mut Ticker) -> anyhow::Result<R> {
    let mut changes = objects.watch(name);
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds.tick().await;
    let mut latest: Option<R> = None;
    loop {
        tokio::select! {
            _ = seconds.tick() => terminal::print(&ticker.tick(latest.as_ref(), System.now()))?,
            change = changes.next() => match change {
                Some(Ok(Some(run))) if run.is_finished() => {
                    terminal::print(&ticker.finish(&run, System.now()))?;
                    return Ok(run);
                }
                Some(Ok(Some(run))) => latest = Some(run),
                Some(Ok(None)) => {
                    anyhow::bail!("{} {name:?} was deleted before it finished", R::NOUN.to_lowercase())
                }
                Some(Err(error)) => return Err(error.into()),
                None => anyhow::bail!("the watch of {} {name:?} ended", R::NOUN.to_lowercase()),
            },
        }
    }
}

/// What is written each second: a dot as upstream, or on a terminal one line that is rewritten.
struct Ticker {
    is_tty: bool,
    /// The total at the last tick. While it still grows there is no estimate.
    total: Option<i64>,
    /// Length of the current line.
    width: usize,
}

impl Ticker {
    fn new(is_tty: bool) -> Self {
        Self {
            is_tty,
            total: None,
            width: 0,
        }
    }

    fn tick<R: Awaited>(&mut self, run: Option<&R>, now: Timestamp) -> String {
        match run {
            _ if !self.is_tty => ".".to_owned(),
            Some(run) => self.rewritten(run, now),
            None => String::new(),
        }
    }

    /// On a terminal the last line shows the final count, not the count of a second ago.
    fn finish<R: Awaited>(&mut self, run: &R, now: Timestamp) -> String {
        if self.is_tty {
            self.rewritten(run, now)
        } else {
            String::new()
        }
    }

    /// Ends the current line, if there is one.
    fn end_line(&self) -> &'static str {
        if self.width > 0 { "\n" } else { "" }
    }

    fn rewritten<R: Awaited>(&mut self, run: &R, now: Timestamp) -> String {
        let total = run.count().map(|count| count.total);
        let settled = self.total == total;
        self.total = total;
        let line = line(run, settled, now);
        // Blanks overwrite the rest of a longer line.
        let text = format!("\r{line:width$}", width = self.width);
        self.width = line.len();
        text
    }
}

/// `InProgress  12,345 of 30,000 items, 1100 items/s, about 45s left`.
fn line<R: Awaited>(run: &R, settled: bool, now: Timestamp) -> String {
    let count = run.count().filter(|count| count.total > 0);
    let rate = run.rate(now).map(|rate| Rate {
        seconds_left: rate.seconds_left.filter(|_| settled),
        ..rate
    });
    let items = count.map(|count| format!("  {count}")).unwrap_or_default();
    let rate = rate.map(|rate| format!(", {rate}")).unwrap_or_default();
    // `describe` shows the reason: it is too long for one line.
    let blocked = run.blocked_by().map(|_| ", blocked").unwrap_or_default();
    format!("{}{items}{rate}{blocked}", run.phase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn restore(phase: &str, progress: &serde_json::Value, blocked: &str) -> Restore {
        serde_json::from_value(json!({
            "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r"}, "spec": {},
            "status": {
                "phase": phase, "startTimestamp": "1970-01-01T00:00:00Z", "progress": progress,
                "conditions": [{"type": "Blocked", "status": blocked, "reason": "Quota", "message": "a quota is used up",
                    "lastTransitionTime": "1970-01-01T00:00:00Z"}],
            },
        }))
        .unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_terminal_shows_one_line_that_is_rewritten_and_a_pipe_dots() {
        let half = restore(
            "InProgress",
            &json!({"totalItems": 30_000, "itemsRestored": 12_345}),
            "False",
        );
        let mut tty = Ticker::new(true);
        assert_eq!(tty.tick::<Restore>(None, at(10)), "");
        assert_eq!(tty.end_line(), "");
        let first = "InProgress  12,345 of 30,000 items, 1234 items/s";
        assert_eq!(tty.tick(Some(&half), at(10)), format!("\r{first}"));
        let second = "InProgress  12,345 of 30,000 items, 1122 items/s, about 16s left";
        assert_eq!(tty.tick(Some(&half), at(11)), format!("\r{second}"));
        assert_eq!(tty.end_line(), "\n");
        let end = restore(
            "Completed",
            &json!({"totalItems": 30_000, "itemsRestored": 30_000}),
            "False",
        );
        let last = "Completed  30,000 of 30,000 items";
        let blanks = " ".repeat(second.len() - last.len());
        assert_eq!(tty.finish(&end, at(12)), format!("\r{last}{blanks}"));

        let mut pipe = Ticker::new(false);
        assert_eq!(pipe.tick::<Restore>(None, at(10)), ".");
        assert_eq!(pipe.tick(Some(&half), at(11)), ".");
        assert_eq!(pipe.finish(&end, at(12)), "");
        assert_eq!(pipe.end_line(), "");
    }

    #[test]
    fn the_line_has_no_estimate_while_the_total_grows() {
        let cases = [
            (restore("New", &json!(null), "False"), true, "New"),
            (restore("InProgress", &json!({}), "False"), true, "InProgress"),
            (
                restore("InProgress", &json!({"totalItems": 50, "itemsRestored": 0}), "False"),
                true,
                "InProgress  0 of 50 items",
            ),
            (
                restore("InProgress", &json!({"totalItems": 50, "itemsRestored": 20}), "False"),
                false,
                "InProgress  20 of 50 items, 2.0 items/s",
            ),
            (
                restore("InProgress", &json!({"totalItems": 50, "itemsRestored": 20}), "False"),
                true,
                "InProgress  20 of 50 items, 2.0 items/s, about 15s left",
            ),
            (
                restore("InProgress", &json!({"totalItems": 50, "itemsRestored": 20}), "True"),
                true,
                "InProgress  20 of 50 items, 2.0 items/s, blocked",
            ),
            (
                restore("Finalizing", &json!({"totalItems": 50, "itemsRestored": 50}), "False"),
                true,
                "Finalizing  50 of 50 items",
            ),
        ];
        for (restore, settled, want) in cases {
            assert_eq!(line(&restore, settled, at(10)), want);
        }
    }

    #[test]
    fn errors_and_warnings_are_printed_after_the_run() {
        let printed = |status: &serde_json::Value, results: &Fetched<Results>| {
            let restore: Restore = serde_json::from_value(json!({
                "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r"}, "spec": {}, "status": status,
            }))
            .unwrap();
            reasons(&restore.result(), results, "velero restore describe r")
        };
        assert_eq!(printed(&json!({"phase": "Completed"}), &Fetched::Missing), "");
        assert_eq!(
            printed(
                &json!({"phase": "FailedValidation", "validationErrors": ["a is wrong", "b is, too"]}),
                &Fetched::Missing
            ),
            "Validation errors:\n  a is wrong\n  b is, too\n"
        );
        assert_eq!(
            printed(
                &json!({"phase": "Failed", "failureReason": "the archive is damaged"}),
                &Fetched::Missing
            ),
            "Failure reason:\n  the archive is damaged\n"
        );
        let mut results = Results::default();
        results.errors.add(Some("shop"), "pods \"a\" is forbidden");
        for number in 0..7 {
            results.warnings.add(None, format!("w{number}"));
        }
        let status = json!({"phase": "PartiallyFailed", "errors": 1, "warnings": 7});
        assert_eq!(
            printed(&status, &Fetched::Got(results)),
            "Errors: 1\n  shop: pods \"a\" is forbidden\nWarnings: 7\n  w0\n  w1\n  w2\n  w3\n  w4\n  (`velero restore describe r` shows all of them)\n"
        );
        let out_of_reach = Fetched::NotFetched("no connection".to_owned());
        assert_eq!(
            printed(&json!({"warnings": 1}), &out_of_reach),
            "Warnings: 1\n  (`velero restore describe r` shows them)\n"
        );
    }

    #[test]
    fn only_final_phases_end_the_wait() {
        let mut backup = Backup::new("velero", "x");
        for (phase, is_final) in [
            ("New", false),
            ("WaitingForPluginOperations", false),
            ("Finalizing", false),
            ("Failed", true),
            ("FailedValidation", true),
            ("Completed", true),
        ] {
            backup.status.phase = Some(phase.into());
            assert_eq!(backup.is_finished(), is_final, "{phase}");
        }
    }
}
