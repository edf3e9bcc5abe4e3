//! `--wait`: watching a run until it is over (spec server-cli 8.4).

use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Client;
use tokio::time::{MissedTickBehavior, interval};

use super::artifact::outlook::{self, Known, Place};
use super::artifact::{Artifacts, DownloadArgs};
use super::context::Context;
use super::failure::Ending;
use super::objects::{Kind, Objects};
use super::output::describe::Fetched;
use super::output::pace::{Pace, Paced};
use super::terminal;
use crate::api::artifact::{MessageSet, Results};
use crate::api::v1::{Backup, BackupPhase, DownloadTargetKind, Restore, RestorePhase};
use crate::runtime::clock::{Clock, System};

/// A backup or a restore.
pub trait Run: Kind + Paced {
    /// `Backup` or `Restore`, as in messages.
    const NOUN: &'static str;

    /// How far it is.
    fn phase(&self) -> &str;

    /// Whether it is over.
    fn is_over(&self) -> bool;

    /// Whether it is over and nothing went wrong.
    fn succeeded(&self) -> bool;

    /// What its status says about how it went.
    fn account(&self) -> Account<'_>;

    /// The run as one that has files.
    fn with_files(&self) -> outlook::Run<'_>;
}

/// What a status says about how a run went.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    validation_errors: &'a [String],
    failure_reason: &'a str,
    warnings: i64,
    errors: i64,
    /// The file with the texts of the warnings and errors.
    results: DownloadTargetKind,
}

impl Run for Backup {
    const NOUN: &'static str = "Backup";

    fn phase(&self) -> &str {
        self.status.phase().as_str()
    }

    fn is_over(&self) -> bool {
        self.status.phase().is_terminal()
    }

    fn succeeded(&self) -> bool {
        *self.status.phase() == BackupPhase::Completed
    }

    fn account(&self) -> Account<'_> {
        Account {
            validation_errors: &self.status.validation_errors,
            failure_reason: &self.status.failure_reason,
            warnings: self.status.warnings,
            errors: self.status.errors,
            results: DownloadTargetKind::BackupResults,
        }
    }

    fn with_files(&self) -> outlook::Run<'_> {
        outlook::Run::Backup(self)
    }
}

impl Run for Restore {
    const NOUN: &'static str = "Restore";

    fn phase(&self) -> &str {
        self.status.phase().as_str()
    }

    fn is_over(&self) -> bool {
        self.status.phase().is_terminal()
    }

    fn succeeded(&self) -> bool {
        *self.status.phase() == RestorePhase::Completed
    }

    fn account(&self) -> Account<'_> {
        Account {
            validation_errors: &self.status.validation_errors,
            failure_reason: &self.status.failure_reason,
            warnings: self.status.warnings,
            errors: self.status.errors,
            results: DownloadTargetKind::RestoreResults,
        }
    }

    fn with_files(&self) -> outlook::Run<'_> {
        outlook::Run::Restore(self)
    }
}

/// How long the texts of warnings and errors are waited for.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// So many warnings, and so many errors, are said; the others are counted.
const SAID: usize = 5;

/// Access to the files of runs, for what is said in the end.
pub fn artifacts(client: &Client, context: &Context) -> Artifacts {
    let options = DownloadArgs::default().options(FETCH_TIMEOUT, context);
    Artifacts::new(client.clone(), &context.namespace, options)
}

/// Waits until the run is over and says how it ended, and why where it did not go well. An error if it is deleted
/// meanwhile, or with `fail_on_error` if it did not complete without errors.
pub async fn wait<R: Run>(
    objects: &Objects<R>,
    artifacts: &Artifacts,
    name: &str,
    fail_on_error: bool,
) -> anyhow::Result<()> {
    let (noun, verb) = (R::NOUN, R::NOUN.to_lowercase());
    terminal::say(&format!(
        "Waiting for {verb} to complete. You may safely press ctrl-c to stop waiting - your {verb} will continue in the background."
    ))?;
    let run = watch_to_the_end(objects, name).await?;
    terminal::say(&format!(
        "\n{noun} completed with status: {}. You may check for more information using the commands `velero {verb} describe {name}` and `velero {verb} logs {name}`.",
        run.phase()
    ))?;
    let account = run.account();
    let results = if account.warnings > 0 || account.errors > 0 {
        let known = Known::new(run.with_files(), Place::Usable);
        // boxed: the ways to a file make a large future
        Box::pin(artifacts.json(&known, &account.results)).await
    } else {
        Fetched::Missing
    };
    let more = format!("velero {verb} describe {name}");
    terminal::print(&reasons(&account, &results, &more))?;
    if fail_on_error && !run.succeeded() {
        Err(Ending::Silent.into())
    } else {
        Ok(())
    }
}

/// Why a run did not go well, in lines; nothing for one that did. `more`: the command that shows everything.
fn reasons(account: &Account<'_>, results: &Fetched<Results>, more: &str) -> String {
    let mut lines = Vec::new();
    if !account.validation_errors.is_empty() {
        lines.push("Validation errors:".to_owned());
        lines.extend(account.validation_errors.iter().map(|error| format!("  {error}")));
    }
    if !account.failure_reason.is_empty() {
        lines.push("Failure reason:".to_owned());
        lines.push(format!("  {}", account.failure_reason));
    }
    let none = Results::default();
    let texts = match results {
        Fetched::Got(results) => results,
        _ => &none,
    };
    for (heading, count, set) in [
        ("Errors", account.errors, &texts.errors),
        ("Warnings", account.warnings, &texts.warnings),
    ] {
        let Ok(count) = usize::try_from(count) else { continue };
        if count == 0 {
            continue;
        }
        lines.push(format!("{heading}: {count}"));
        let said: Vec<String> = messages(set).take(SAID).collect();
        if count > said.len() {
            let more = format!(
                "  (`{more}` shows {})",
                if said.is_empty() { "them" } else { "all of them" }
            );
            lines.extend(said.into_iter().chain([more]));
        } else {
            lines.extend(said);
        }
    }
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The messages, each with what it is about.
fn messages(set: &MessageSet) -> impl Iterator<Item = String> {
    let namespaced = set.namespaces.iter();
    let namespaced = namespaced.flat_map(|(name, texts)| texts.iter().map(move |text| format!("  {name}: {text}")));
    let others = set.velero.iter().chain(&set.cluster);
    others.map(|text| format!("  {text}")).chain(namespaced)
}

async fn watch_to_the_end<R: Run>(objects: &Objects<R>, name: &str) -> anyhow::Result<R> {
    let mut ticker = Ticker::new(terminal::is_watched());
    let ended = watch(objects, name, &mut ticker).await;
    if ended.is_err() {
        // What went wrong gets a line of its own.
        terminal::print(ticker.leave())?;
    }
    ended
}

async fn watch<R: Run>(objects: &Objects<R>, name: &str, ticker: &mut Ticker) -> anyhow::Result<R> {
    let mut changes = objects.watch(name);
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds.tick().await;
    let mut latest: Option<R> = None;
    loop {
        tokio::select! {
            _ = seconds.tick() => terminal::print(&ticker.tick(latest.as_ref(), System.now()))?,
            change = changes.next() => match change {
                Some(Ok(Some(run))) if run.is_over() => {
                    terminal::print(&ticker.end(&run, System.now()))?;
                    return Ok(run);
                }
                Some(Ok(Some(run))) => latest = Some(run),
                Some(Ok(None)) => {
                    anyhow::bail!("{} {name:?} was deleted before it was over", R::NOUN.to_lowercase())
                }
                Some(Err(error)) => return Err(error.into()),
                None => anyhow::bail!("the watch of {} {name:?} ended", R::NOUN.to_lowercase()),
            },
        }
    }
}

/// What is written each second: a dot as upstream, or one line that is written anew if somebody watches.
struct Ticker {
    watched: bool,
    /// The total of the last look: one that still grows is nothing to count towards.
    total: Option<i64>,
    /// Length of the line that stands there.
    width: usize,
}

impl Ticker {
    fn new(watched: bool) -> Self {
        Self {
            watched,
            total: None,
            width: 0,
        }
    }

    fn tick<R: Run>(&mut self, run: Option<&R>, now: Timestamp) -> String {
        match run {
            _ if !self.watched => ".".to_owned(),
            Some(run) => self.rewritten(run, now),
            None => String::new(),
        }
    }

    /// Whoever watches is left with the last count, not with that of a second ago.
    fn end<R: Run>(&mut self, run: &R, now: Timestamp) -> String {
        if self.watched {
            self.rewritten(run, now)
        } else {
            String::new()
        }
    }

    /// What ends the line that stands there.
    fn leave(&self) -> &'static str {
        if self.width > 0 { "\n" } else { "" }
    }

    fn rewritten<R: Run>(&mut self, run: &R, now: Timestamp) -> String {
        let total = run.count().map(|count| count.total);
        let settled = self.total == total;
        self.total = total;
        let line = line(run, settled, now);
        // Blanks wipe out what a longer line left behind.
        let text = format!("\r{line:width$}", width = self.width);
        self.width = line.len();
        text
    }
}

/// `InProgress  12,345 of 30,000 items, 1100 items/s, about 45s left`.
fn line<R: Run>(run: &R, settled: bool, now: Timestamp) -> String {
    let count = run.count().filter(|count| count.total > 0);
    let pace = run.pace(now).map(|pace| Pace {
        left: pace.left.filter(|_| settled),
        ..pace
    });
    let items = count.map(|count| format!("  {count}")).unwrap_or_default();
    let pace = pace.map(|pace| format!(", {pace}")).unwrap_or_default();
    // Why is told by describe: here it would not stay within one line.
    let blocked = run.standstill().map(|_| ", blocked").unwrap_or_default();
    format!("{}{items}{pace}{blocked}", run.phase())
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
    fn one_line_is_written_anew_for_who_watches_and_dots_for_a_script() {
        let half = restore(
            "InProgress",
            &json!({"totalItems": 30_000, "itemsRestored": 12_345}),
            "False",
        );
        let mut watched = Ticker::new(true);
        assert_eq!(watched.tick::<Restore>(None, at(10)), "");
        assert_eq!(watched.leave(), "");
        let first = "InProgress  12,345 of 30,000 items, 1234 items/s";
        assert_eq!(watched.tick(Some(&half), at(10)), format!("\r{first}"));
        let second = "InProgress  12,345 of 30,000 items, 1122 items/s, about 16s left";
        assert_eq!(watched.tick(Some(&half), at(11)), format!("\r{second}"));
        assert_eq!(watched.leave(), "\n");
        let end = restore(
            "Completed",
            &json!({"totalItems": 30_000, "itemsRestored": 30_000}),
            "False",
        );
        let last = "Completed  30,000 of 30,000 items";
        let blanks = " ".repeat(second.len() - last.len());
        assert_eq!(watched.end(&end, at(12)), format!("\r{last}{blanks}"));

        let mut script = Ticker::new(false);
        assert_eq!(script.tick::<Restore>(None, at(10)), ".");
        assert_eq!(script.tick(Some(&half), at(11)), ".");
        assert_eq!(script.end(&end, at(12)), "");
        assert_eq!(script.leave(), "");
    }

    #[test]
    fn the_line_says_what_is_known_and_estimates_nothing_while_the_total_grows() {
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
    fn a_run_that_did_not_go_well_says_why() {
        let told = |status: &serde_json::Value, results: &Fetched<Results>| {
            let restore: Restore = serde_json::from_value(json!({
                "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r"}, "spec": {}, "status": status,
            }))
            .unwrap();
            reasons(&restore.account(), results, "velero restore describe r")
        };
        assert_eq!(told(&json!({"phase": "Completed"}), &Fetched::Missing), "");
        assert_eq!(
            told(
                &json!({"phase": "FailedValidation", "validationErrors": ["a is wrong", "b is, too"]}),
                &Fetched::Missing
            ),
            "Validation errors:\n  a is wrong\n  b is, too\n"
        );
        assert_eq!(
            told(
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
            told(&status, &Fetched::Got(results)),
            "Errors: 1\n  shop: pods \"a\" is forbidden\nWarnings: 7\n  w0\n  w1\n  w2\n  w3\n  w4\n  (`velero restore describe r` shows all of them)\n"
        );
        let out_of_reach = Fetched::NotFetched("no way".to_owned());
        assert_eq!(
            told(&json!({"warnings": 1}), &out_of_reach),
            "Warnings: 1\n  (`velero restore describe r` shows them)\n"
        );
    }

    #[test]
    fn only_final_phases_end_the_wait() {
        let mut backup = Backup::new("velero", "x");
        for (phase, over) in [
            ("New", false),
            ("WaitingForPluginOperations", false),
            ("Finalizing", false),
            ("Failed", true),
            ("FailedValidation", true),
            ("Completed", true),
        ] {
            backup.status.phase = Some(phase.into());
            assert_eq!(backup.is_over(), over, "{phase}");
        }
    }
}
