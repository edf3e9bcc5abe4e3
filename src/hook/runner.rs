//! Runs hooks, and sees to it that nothing stays frozen.

mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::sync::oneshot;

use self::state::{Idle, State};
use super::command::{Hook, OnError, Phase};
use super::freeze::{Freeze, Journal, JournalError};
use super::pod::PodHooks;
use super::tally::Tally;
use crate::api::GoDuration;
use crate::cluster::exec::{Exec, ExecError, Ran};
use crate::runtime::backoff::{Backoff, Policy};
use crate::runtime::task::Group;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// How often a post hook is tried that the way to its container keeps from running.
const TRIES: u32 = 4;

/// The waits in between.
const WAITS: Policy = Policy::doubling(Duration::from_secs(1), Duration::from_secs(4));

/// Pods that are thawed at a time after a run that broke off.
const AT_ONCE: usize = 8;

/// Runs a command in a container.
pub trait Executor: Send + Sync {
    /// Runs it to its end or until its time is over.
    fn execute<'a>(&'a self, exec: &'a Exec) -> BoxFuture<'a, Ran>;
}

/// Runs the hooks of one backup. Its log tells of each; errors and warnings in it count.
///
/// Whoever waits for hooks here may stop waiting (a run that is cancelled or fails is dropped where it stands): a command
/// that was begun goes on to its end, and [`Runner::settle`] waits for it before it thaws. Otherwise an application could
/// be frozen by a command that ends after its thaw.
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    executor: Arc<dyn Executor>,
    /// Held across the write on purpose: what is written last must be what is true last.
    journal: tokio::sync::Mutex<Box<dyn Journal>>,
    log: RunLog,
    commands: Group,
    state: Mutex<State>,
}

/// A pod whose pre hooks have had their turn.
#[derive(Debug)]
#[must_use = "a frozen pod must be thawed"]
pub struct Frozen {
    /// The pod.
    pub pod: PodHooks,
    /// Whether it must not be saved: a pre hook failed that was not to.
    pub refused: bool,
    freeze: Option<u64>,
}

/// A freeze that could not be ended, because its pod could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "pod {namespace}/{pod} may still be frozen: its post hooks could not be run: {error}; they are tried again until the pod is reached or gone"
)]
pub struct Unthawed {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Why.
    pub error: ExecError,
}

/// Why a hook failed.
struct Failure {
    text: String,
    error: Option<ExecError>,
}

impl Failure {
    fn of(hook: &Hook, ran: &Ran) -> Option<Self> {
        match &ran.outcome {
            Ok(0) => None,
            Ok(code) => {
                let said = ran.output.stderr.last_line().or_else(|| ran.output.stdout.last_line());
                let said = said.map(|line| format!(": {line}")).unwrap_or_default();
                let program = hook.command.first().map_or("", String::as_str);
                Some(Self {
                    text: format!("`{program}` ended with exit code {code}{said}"),
                    error: None,
                })
            }
            Err(error) => Some(Self {
                text: error.to_string(),
                error: Some(error.clone()),
            }),
        }
    }

    fn is(&self, what: impl Fn(&ExecError) -> bool) -> bool {
        self.error.as_ref().is_some_and(what)
    }
}

impl Runner {
    /// A runner for a run. `left`: the freezes that an earlier run of the same backup left open; [`Runner::settle`] ends
    /// them.
    pub fn new(executor: Arc<dyn Executor>, journal: Box<dyn Journal>, log: RunLog, left: Vec<Freeze>) -> Self {
        Self {
            shared: Arc::new(Shared {
                executor,
                journal: tokio::sync::Mutex::new(journal),
                log,
                commands: Group::new(),
                state: Mutex::new(State::with(left)),
            }),
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// Runs the pre hooks of pods that are to be saved together, pod after pod. That they may be frozen is written down
    /// before the first command.
    pub async fn freeze(&self, pods: Vec<PodHooks>) -> Vec<Frozen> {
        let intended: Vec<Option<u64>> = pods.iter().map(|pod| self.intend(pod)).collect();
        let recorded = if intended.iter().any(Option::is_some) {
            self.record().await
        } else {
            Ok(())
        };
        let mut frozen = Vec::with_capacity(pods.len());
        for (pod, freeze) in pods.into_iter().zip(intended) {
            frozen.push(self.freeze_pod(pod, freeze, &recorded).await);
        }
        frozen
    }

    /// Runs the post hooks of pods after everything of them is saved, pod after pod.
    pub async fn thaw(&self, frozen: Vec<Frozen>) {
        for frozen in frozen.iter().filter(|frozen| !frozen.refused) {
            self.thaw_pod(&frozen.pod, frozen.freeze).await;
        }
    }

    /// Ends every freeze that is still open, whoever began it. To be called before a run and after it, however it ended;
    /// returns those whose pods could not be reached, which stay open. May be repeated.
    pub async fn settle(&self) -> Vec<Unthawed> {
        let mut stock = self.state().take_stock();
        let mut unthawed = self.thaw_all(stock.idle).await;
        if stock.busy {
            // One slow command does not keep the others frozen.
            self.shared.commands.empty().await;
            stock = self.state().take_stock();
            unthawed = self.thaw_all(stock.idle).await;
        }
        if self.state().unwritten {
            self.note_record().await;
        }
        unthawed
    }

    async fn thaw_all(&self, idle: Vec<Idle>) -> Vec<Unthawed> {
        stream::iter(idle)
            .map(|idle| self.thaw_left(idle))
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// A pod with hooks on both sides is one that may be frozen.
    fn intend(&self, pod: &PodHooks) -> Option<u64> {
        let freezes = !pod.ended && !pod.pre.is_empty() && !pod.post.is_empty();
        freezes.then(|| {
            self.state().open(Freeze {
                namespace: pod.namespace.clone(),
                pod: pod.name.clone(),
                thaw: pod.post.clone(),
            })
        })
    }

    async fn freeze_pod(
        &self,
        mut pod: PodHooks,
        mut freeze: Option<u64>,
        recorded: &Result<(), JournalError>,
    ) -> Frozen {
        for warning in &pod.warnings {
            self.about(Level::Warning, &pod.namespace, &pod.name)
                .msg(format!("Hook of the pod: {warning}"));
        }
        self.state().tally.attempted += pod.pre.len();
        let mut refused = false;
        // Whether something may be frozen: by an earlier command, by one of which nothing is known, or by one that a run
        // before this one began.
        let mut effective = self.state().is_suspect(&pod.namespace, &pod.name);
        if pod.ended && !pod.pre.is_empty() {
            self.about(Level::Info, &pod.namespace, &pod.name)
                .msg("The pod has run to its end: its hooks need not run");
        } else {
            self.state().begin(freeze);
            for hook in &pod.pre {
                let ended = match recorded {
                    Err(error) if freeze.is_some() => Err(Failure {
                        text: error.to_string(),
                        error: None,
                    }),
                    _ => self.run(&pod, hook, freeze).await,
                };
                match ended {
                    Ok(()) => effective = true,
                    Err(failure) if failure.is(|e| e.is_pod_gone() || e.is_pod_ended()) => {
                        self.gone(&pod, hook, &failure);
                        pod.post.clear();
                        break;
                    }
                    Err(failure) => {
                        effective |= failure.is(ExecError::may_have_run);
                        self.failed(&pod, hook, &failure);
                        if hook.on_error == OnError::Fail {
                            refused = true;
                            break;
                        }
                    }
                }
            }
        }
        if refused && effective && !pod.post.is_empty() {
            self.about(Level::Info, &pod.namespace, &pod.name)
                .msg("A pre hook failed when the pod may have been frozen already: its post hooks are run");
            self.thaw_pod(&pod, freeze).await;
        } else if refused || pod.post.is_empty() {
            self.close(freeze.take()).await;
        }
        Frozen { pod, refused, freeze }
    }

    async fn thaw_pod(&self, pod: &PodHooks, freeze: Option<u64>) {
        self.state().tally.attempted += pod.post.len();
        for hook in pod.post.iter().filter(|_| !pod.ended) {
            let Err(failure) = self.run(pod, hook, freeze).await else {
                continue;
            };
            if failure.is(|e| e.is_pod_gone() || e.is_pod_ended()) {
                self.gone(pod, hook, &failure);
                break;
            }
            self.failed(pod, hook, &failure);
            if freeze.is_some() && failure.is(ExecError::can_pass) {
                // Stays open: it is tried again when the run has ended.
                return;
            }
            if hook.on_error == OnError::Fail {
                break;
            }
        }
        self.close(freeze).await;
    }

    /// What is left of the post hooks of a run that broke off. All of them run, whatever becomes of each; that one fails
    /// may only mean that there was nothing to thaw (any more), so it is a warning.
    async fn thaw_left(&self, idle: Idle) -> Option<Unthawed> {
        let Idle { id, freeze, done } = idle;
        let Freeze { namespace, pod, thaw } = freeze;
        for hook in thaw.iter().skip(done) {
            let line = |level| self.line(level, &namespace, &pod, hook);
            line(Level::Info).msg("running exec hook to end a freeze that was left open");
            let ran = self.persist(&exec(&namespace, &pod, hook), Some(id)).await;
            tell(&line, &ran);
            let Some(failure) = Failure::of(hook, &ran) else {
                continue;
            };
            if let Some(error) = failure.error.clone().filter(ExecError::can_pass) {
                return Some(Unthawed { namespace, pod, error });
            }
            if failure.is(|e| e.is_pod_gone() || e.is_pod_ended()) {
                line(Level::Info)
                    .field("error", failure.text)
                    .msg("The pod is not there any more: nothing is frozen");
                break;
            }
            line(Level::Warning).field("error", failure.text).msg(
                "Post hook of a run that broke off failed; if the application still stands still, run the command by hand",
            );
        }
        self.close(Some(id)).await;
        None
    }

    /// Runs one hook, of this freeze if it is of one.
    async fn run(&self, pod: &PodHooks, hook: &Hook, freeze: Option<u64>) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure { text, error: None });
        let line = |level| self.line(level, &pod.namespace, &pod.name, hook);
        line(Level::Info).msg("running exec hook");
        if hook.command.is_empty() {
            return refuse("the command is empty: name the program to run and its arguments".to_owned());
        }
        if !pod.containers.contains(&hook.container) {
            return refuse(format!(
                "container `{}` is not in the pod; it has {}",
                hook.container,
                pod.containers.join(", ")
            ));
        }
        let exec = exec(&pod.namespace, &pod.name, hook);
        let ran = match hook.phase {
            // What may have frozen the application is not begun a second time.
            Phase::Pre => self.execute(&exec, freeze, Phase::Pre).await,
            Phase::Post => self.persist(&exec, freeze).await,
        };
        tell(&line, &ran);
        Failure::of(hook, &ran).map_or(Ok(()), Err)
    }

    /// Tries again as long as it is the way to the container that fails: an API server that restarts must not leave an
    /// application frozen.
    async fn persist(&self, exec: &Exec, freeze: Option<u64>) -> Ran {
        let mut waits = Backoff::new(WAITS);
        for _ in 1..TRIES {
            let ran = self.execute(exec, freeze, Phase::Post).await;
            if !ran.outcome.as_ref().is_err_and(ExecError::can_pass) {
                return ran;
            }
            tokio::time::sleep(waits.failed()).await;
        }
        self.execute(exec, freeze, Phase::Post).await
    }

    /// Runs a command as a task of its own, which ends with it and not with whoever waits.
    async fn execute(&self, exec: &Exec, freeze: Option<u64>, phase: Phase) -> Ran {
        let (told, outcome) = oneshot::channel();
        let (shared, exec) = (self.shared.clone(), exec.clone());
        let name = format!("hook in {}/{}", exec.namespace, exec.pod);
        shared.state().command_begins(freeze);
        self.shared.commands.spawn_detached(name, async move {
            let ran = shared.executor.execute(&exec).await;
            let reached = !ran.outcome.as_ref().is_err_and(ExecError::can_pass);
            shared.state().command_ended(freeze, phase == Phase::Post && reached);
            // Nobody may be waiting any more.
            let _ = told.send(ran);
        });
        outcome.await.unwrap_or_else(|_| Ran::failed(ExecError::Lost))
    }

    /// A freeze is over.
    async fn close(&self, freeze: Option<u64>) {
        if let Some(id) = freeze {
            self.state().close(id);
            self.note_record().await;
        }
    }

    /// Writes down what is open where nothing depends on it: what is written too much is only thawed once more.
    async fn note_record(&self) {
        if let Err(error) = self.record().await {
            tracing::warn!(%error, "a freeze that is over stays written down; its post hooks may run once more");
        }
    }

    async fn record(&self) -> Result<(), JournalError> {
        let mut journal = self.shared.journal.lock().await;
        let open = self.state().freezes();
        // Until it is known: this may be dropped in the middle.
        self.state().unwritten = true;
        let recorded = journal.record(&open).await;
        self.state().unwritten = recorded.is_err();
        recorded
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    fn failed(&self, pod: &PodHooks, hook: &Hook, failure: &Failure) {
        self.state().tally.failed += 1;
        self.line(Level::Error, &pod.namespace, &pod.name, hook)
            .field("error", failure.text.clone())
            .msg("Error executing hook");
    }

    fn gone(&self, pod: &PodHooks, hook: &Hook, failure: &Failure) {
        self.line(Level::Warning, &pod.namespace, &pod.name, hook)
            .field("error", failure.text.clone())
            .msg("The pod has ended or is gone since it was listed: its hooks are not run");
    }

    fn about(&self, level: Level, namespace: &str, pod: &str) -> Line<'_> {
        self.shared
            .log
            .line(level)
            .field("resource", "pods")
            .field("namespace", namespace)
            .field("name", pod)
    }

    /// A line about a hook, with upstream's fields (spec backup 10).
    fn line(&self, level: Level, namespace: &str, pod: &str, hook: &Hook) -> Line<'_> {
        self.about(level, namespace, pod)
            .field("hookSource", hook.source.as_str())
            .field("hookType", "exec")
            .field("hookPhase", hook.phase.as_str())
            .field("hookName", &hook.name)
            .field("hookContainer", &hook.container)
            .field("hookCommand", format!("[{}]", hook.command.join(" ")))
            .field("hookOnError", hook.on_error.as_str())
            .field("hookTimeout", format!("{{{}}}", GoDuration::from(hook.timeout)))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Only by force: who ends in good order has settled.
        self.shared.commands.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn exec(namespace: &str, pod: &str, hook: &Hook) -> Exec {
    Exec {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        container: hook.container.clone(),
        command: hook.command.clone(),
        timeout: hook.timeout,
    }
}

fn tell<'l>(line: &dyn Fn(Level) -> Line<'l>, ran: &Ran) {
    line(Level::Info).msg(format!("stdout: {}", ran.output.stdout));
    line(Level::Info).msg(format!("stderr: {}", ran.output.stderr));
}
