//! `--wait`: watching a run until it is over (spec server-cli 8.4).

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::failure::Ending;
use super::objects::{Kind, Objects};
use super::terminal;
use crate::api::v1::{Backup, BackupPhase, Restore, RestorePhase};

/// A backup or a restore.
pub trait Run: Kind {
    /// `Backup` or `Restore`, as in messages.
    const NOUN: &'static str;

    /// How far it is.
    fn phase(&self) -> &str;

    /// Whether it is over.
    fn is_over(&self) -> bool;

    /// Whether it is over and nothing went wrong.
    fn succeeded(&self) -> bool;

    /// Items done and items in all, once they are counted.
    fn progress(&self) -> Option<(i64, i64)>;
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

    fn progress(&self) -> Option<(i64, i64)> {
        self.status
            .progress
            .as_ref()
            .map(|progress| (progress.items_backed_up, progress.total_items))
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

    fn progress(&self) -> Option<(i64, i64)> {
        self.status
            .progress
            .as_ref()
            .map(|progress| (progress.items_restored, progress.total_items))
    }
}

/// Waits until the run is over and says how it ended. An error if it is deleted meanwhile, or with `fail_on_error` if it
/// did not complete without errors.
pub async fn wait<R: Run>(objects: &Objects<R>, name: &str, fail_on_error: bool) -> anyhow::Result<()> {
    let (noun, verb) = (R::NOUN, R::NOUN.to_lowercase());
    terminal::say(&format!(
        "Waiting for {verb} to complete. You may safely press ctrl-c to stop waiting - your {verb} will continue in the background."
    ))?;
    let run = watch_to_the_end(objects, name).await?;
    terminal::say(&format!(
        "\n{noun} completed with status: {}. You may check for more information using the commands `velero {verb} describe {name}` and `velero {verb} logs {name}`.",
        run.phase()
    ))?;
    if fail_on_error && !run.succeeded() {
        Err(Ending::Silent.into())
    } else {
        Ok(())
    }
}

async fn watch_to_the_end<R: Run>(objects: &Objects<R>, name: &str) -> anyhow::Result<R> {
    let mut changes = objects.watch(name);
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds.tick().await;
    let mut ticker = Ticker {
        watched: terminal::is_watched(),
        rate: Rate::default(),
    };
    let mut latest: Option<R> = None;
    loop {
        tokio::select! {
            _ = seconds.tick() => ticker.tick(latest.as_ref())?,
            change = changes.next() => match change {
                Some(Ok(Some(run))) if run.is_over() => {
                    ticker.end(&run)?;
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

/// What is written each second: a dot as upstream, or one line that changes if somebody watches.
struct Ticker {
    watched: bool,
    rate: Rate,
}

impl Ticker {
    fn tick<R: Run>(&mut self, run: Option<&R>) -> std::io::Result<()> {
        match run.and_then(Run::progress) {
            Some((done, total)) if self.watched => {
                let rate = self.rate.next(done, Instant::now());
                // The blanks wipe out what a longer line left behind.
                terminal::print(&format!("\r{}   ", progress_line(done, total, rate)))
            }
            _ => terminal::print("."),
        }
    }

    /// Whoever watches is left with the last count, not with that of a second ago.
    fn end<R: Run>(&mut self, run: &R) -> std::io::Result<()> {
        match run.progress() {
            Some((done, total)) if self.watched => terminal::print(&format!("\r{done}/{total} items{:12}", "")),
            _ => Ok(()),
        }
    }
}

fn progress_line(done: i64, total: i64, rate: i64) -> String {
    format!("{done}/{total} items, {rate}/s")
}

/// Items a second since the last look.
#[derive(Default)]
struct Rate {
    last: Option<(i64, Instant)>,
}

impl Rate {
    fn next(&mut self, done: i64, now: Instant) -> i64 {
        let (before, since) = self.last.replace((done, now)).unwrap_or((done, now));
        let millis = i64::try_from(now.duration_since(since).as_millis()).unwrap_or(i64::MAX);
        if millis == 0 {
            0
        } else {
            (done - before).saturating_mul(1000) / millis
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_since_the_last_look() {
        let mut rate = Rate::default();
        let start = Instant::now();
        assert_eq!(rate.next(100, start), 0);
        assert_eq!(rate.next(1300, start + Duration::from_secs(1)), 1200);
        assert_eq!(rate.next(1400, start + Duration::from_millis(1500)), 200);
        assert_eq!(progress_line(1400, 30_000, 200), "1400/30000 items, 200/s");
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
