//! Runs hooks, and thaws everything that they froze.

mod command_span;
mod failure;
mod lines;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use tracing::Instrument;

use self::failure::{Failure, why_never};
use self::lines::{HookLog, log_output};
use self::state::{Idle, State};
use super::command::{Hook, OnError, Phase};
use super::freeze::{Freeze, Journal, JournalError, Unthawed};
use super::pod::PodHooks;
use super::standing::Standing;
use super::tally::Tally;
use crate::cluster::exec::{Exec, ExecError, Ran};
use crate::runtime::backoff::{Backoff, Policy};
use crate::runtime::task::Group;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

/// How often a post hook is tried when the connection to its container fails.
const TRIES: u32 = 4;

/// The waits in between.
const WAITS: Policy = Policy::doubling(Duration::from_secs(1), Duration::from_secs(4));

/// Pods that are thawed at a time after an interrupted run.
const AT_ONCE: usize = 8;

/// Runs a command in a container.
pub trait Executor: Send + Sync {
    /// Runs it to its end or until its timeout.
    fn execute<'a>(&'a self, exec: &'a Exec) -> BoxFuture<'a, Ran>;

    /// The present state of a pod's containers; `None` if the pod does not exist.
    fn look<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, Result<Option<Standing>, ExecError>>;
}

/// Runs the hooks of one backup. Each has its lines in the backup's log; errors and warnings there count.
///
/// A caller may stop waiting for hooks, because a run that is cancelled or fails is dropped. A command that was begun
/// continues to its end, and [`Runner::settle`] waits for it before it thaws. Otherwise a command that ends after the thaw
/// could freeze the application again.
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    executor: Arc<dyn Executor>,
    /// Held across the write on purpose: the last record written must be the latest state.
    journal: tokio::sync::Mutex<Box<dyn Journal>>,
    log: HookLog,
    commands: Group,
    state: Mutex<State>,
}

/// A pod after its pre hooks.
#[derive(Debug)]
#[must_use = "a frozen pod must be thawed"]
pub struct Frozen {
    /// The pod.
    pub pod: PodHooks,
    /// Whether it must not be saved: a pre hook with `onError: Fail` failed.
    pub refused: bool,
    freeze: Option<u64>,
    /// Whether this run or an earlier one began a pre hook of it, so that it may be frozen.
    begun: bool,
}

/// The outcome of a hook.
enum Turn {
    Ran,
    Failed(Failure),
    /// The pod has ended or is gone.
    Gone(Failure),
    /// Its container does not run and is in this state. Nothing was begun.
    Stopped(String),
}

impl Runner {
    /// A runner for a run. `left`: the freezes that an earlier run of the same backup left open; [`Runner::settle`] ends
    /// them.
    pub fn new(executor: Arc<dyn Executor>, journal: Box<dyn Journal>, log: RunLog, left: Vec<Freeze>) -> Self {
        Self {
            shared: Arc::new(Shared {
                executor,
                journal: tokio::sync::Mutex::new(journal),
                log: HookLog(log),
                commands: Group::new(),
                state: Mutex::new(State::with(left)),
            }),
        }
    }

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// Runs the pre hooks of pods that are saved together, pod after pod. The freezes are recorded before the first command.
    pub async fn freeze(&self, mut pods: Vec<PodHooks>) -> Vec<Frozen> {
        self.refresh_stopped(&mut pods).await;
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

    /// Runs the post hooks of pods after they are saved, pod after pod.
    pub async fn thaw(&self, frozen: Vec<Frozen>) {
        for frozen in frozen.iter().filter(|frozen| !frozen.refused) {
            self.thaw_pod(&frozen.pod, frozen.freeze, frozen.begun).await;
        }
    }

    /// Ends every freeze that is still open, also those of earlier runs. To be called before a run and after it, with any outcome.
    /// Returns the freezes of unreachable pods, which stay open. May be repeated.
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

    /// Reads the pods with stopped containers again: they may have been listed long ago.
    async fn refresh_stopped(&self, pods: &mut [PodHooks]) {
        for pod in pods {
            let is_stopped = |hook: &Hook| pod.now.stopped(&hook.container).is_some();
            if pod.now.ended || !pod.pre.iter().any(is_stopped) {
                continue;
            }
            match self.shared.executor.look(&pod.namespace, &pod.name).await {
                Ok(Some(now)) => pod.now = now,
                // A pod that is gone is not running either.
                Ok(None) => {}
                // Then the answers to its commands decide.
                Err(_) => pod.now = Standing::default(),
            }
        }
    }

    /// Opens a freeze for a pod with pre and post hooks, unless nothing in it can be frozen.
    fn intend(&self, pod: &PodHooks) -> Option<u64> {
        let runs = |hook: &Hook| pod.now.stopped(&hook.container).is_none();
        // A post hook of a stopped container may thaw another container.
        let is_for = |hook: &Hook| runs(hook) || pod.pre.iter().all(|pre| pre.container != hook.container);
        let thaw: Vec<Hook> = pod.post.iter().filter(|hook| is_for(hook)).cloned().collect();
        let freezes = !pod.now.ended && pod.pre.iter().any(runs) && !thaw.is_empty();
        freezes.then(|| {
            self.state().open(Freeze {
                namespace: pod.namespace.clone(),
                pod: pod.name.clone(),
                thaw,
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
            self.shared
                .log
                .about(Level::Warning, &pod.namespace, &pod.name)
                .msg(format!("Hook of the pod: {warning}"));
        }
        self.state().tally.attempted += pod.pre.len();
        let mut refused = false;
        // Whether something may be frozen: by an earlier command, by one with an unknown outcome, or by one of an earlier run.
        let suspect = self.state().is_suspect(&pod.namespace, &pod.name);
        let (mut effective, mut begun) = (suspect, suspect);
        if pod.now.ended && !pod.pre.is_empty() {
            self.shared
                .log
                .about(Level::Info, &pod.namespace, &pod.name)
                .msg("The pod has ended: its hooks are not run");
        } else {
            self.state().begin(freeze);
            let mut untouched = BTreeSet::new();
            let mut touched = BTreeSet::new();
            for hook in &pod.pre {
                let turn = match (pod.now.stopped(&hook.container), recorded) {
                    (Some(state), _) if why_never(&pod, hook).is_none() => Turn::Stopped(state.to_owned()),
                    (None, Err(error)) if freeze.is_some() => Turn::Failed(Failure::before(error.to_string())),
                    _ => self.turn(&pod, hook, freeze).await,
                };
                match turn {
                    Turn::Ran => {
                        (effective, begun) = (true, true);
                        touched.insert(hook.container.clone());
                    }
                    Turn::Gone(failure) => {
                        self.shared.log.gone(&pod, hook, &failure);
                        pod.post.clear();
                        break;
                    }
                    Turn::Stopped(state) => {
                        self.shared.log.idle(&pod, hook, &state);
                        untouched.insert(hook.container.clone());
                    }
                    Turn::Failed(failure) => {
                        effective |= failure.is(ExecError::may_have_run);
                        begun |= failure.begun;
                        touched.insert(hook.container.clone());
                        self.failed(&pod, hook, &failure);
                        if hook.on_error == OnError::Fail {
                            refused = true;
                            break;
                        }
                    }
                }
            }
            if !suspect {
                // Only containers that may be frozen are thawed.
                let only_untouched = !untouched.is_empty() && touched.is_empty();
                let is_untouched = |name: &String| untouched.contains(name) && !touched.contains(name);
                pod.post
                    .retain(|hook| !only_untouched && !is_untouched(&hook.container));
            }
        }
        if refused && effective && !pod.post.is_empty() {
            self.shared
                .log
                .about(Level::Info, &pod.namespace, &pod.name)
                .msg("A pre hook failed when the pod may have been frozen already: its post hooks are run");
            self.thaw_pod(&pod, freeze, begun).await;
        } else if refused || pod.post.is_empty() {
            self.close(freeze.take()).await;
        }
        Frozen {
            pod,
            refused,
            freeze,
            begun,
        }
    }

    /// `begun`: it may be frozen. Then a post hook in a stopped container keeps the freeze open, because a frozen filesystem
    /// outlives the container that froze it.
    async fn thaw_pod(&self, pod: &PodHooks, freeze: Option<u64>, begun: bool) {
        self.state().tally.attempted += pod.post.len();
        let mut left_frozen = false;
        for hook in pod.post.iter().filter(|_| !pod.now.ended) {
            match self.turn(pod, hook, freeze).await {
                Turn::Ran => {}
                Turn::Gone(failure) => {
                    self.shared.log.gone(pod, hook, &failure);
                    left_frozen = false;
                    break;
                }
                Turn::Stopped(state) if begun && freeze.is_some() => {
                    self.failed(pod, hook, &Failure::before(ExecError::Stopped(state).to_string()));
                    left_frozen = true;
                }
                Turn::Stopped(state) => self.shared.log.idle(pod, hook, &state),
                Turn::Failed(failure) => {
                    self.failed(pod, hook, &failure);
                    if freeze.is_some() && failure.is(ExecError::is_transient) {
                        left_frozen = true;
                        break;
                    }
                    if hook.on_error == OnError::Fail {
                        break;
                    }
                }
            }
        }
        // An open freeze is tried again when the run has ended.
        if !left_frozen {
            self.close(freeze).await;
        }
    }

    /// Runs the remaining post hooks of an interrupted run. All of them run, even if one fails. A failure is a warning,
    /// because there may be nothing to thaw (any more).
    async fn thaw_left(&self, idle: Idle) -> Option<Unthawed> {
        let Idle { id, freeze } = idle;
        let Freeze { namespace, pod, thaw } = freeze;
        let mut stopped = None;
        for hook in &thaw {
            let line = |level| self.shared.log.line(level, &namespace, &pod, hook);
            line(Level::Info).msg("running exec hook to end a freeze that was left open");
            let ran = self.persist(&hook.exec(&namespace, &pod), hook, Some(id)).await;
            log_output(&line, &ran);
            let Some(failure) = Failure::of(hook, &ran) else {
                continue;
            };
            if let Some(error) = failure.error.clone().filter(ExecError::is_transient) {
                return Some(Unthawed { namespace, pod, error });
            }
            match self.classify(&namespace, &pod, hook, failure).await {
                Turn::Ran => {}
                Turn::Gone(failure) => {
                    line(Level::Info)
                        .field("error", failure.text)
                        .msg("The pod is not there any more: nothing is frozen");
                    stopped = None;
                    break;
                }
                // The others still run: they may thaw it.
                Turn::Stopped(state) => stopped = Some(ExecError::Stopped(state)),
                Turn::Failed(failure) if failure.is(|e| matches!(e, ExecError::Stopped(_))) => stopped = failure.error,
                Turn::Failed(failure) => {
                    let advice = "if the application is still frozen, run the command by hand";
                    line(Level::Warning)
                        .field("error", failure.text)
                        .msg(format!("Post hook of an interrupted run failed; {advice}"));
                }
            }
        }
        if let Some(error) = stopped {
            // The record leaves out those that have run.
            self.note_record().await;
            return Some(Unthawed { namespace, pod, error });
        }
        self.close(Some(id)).await;
        None
    }

    /// Runs one hook. It is tried again while its container is reported as running but takes no command: the container has just
    /// restarted, or has just stopped and the kubelet has not reported it yet. A command that was begun is never begun again.
    async fn turn(&self, pod: &PodHooks, hook: &Hook, freeze: Option<u64>) -> Turn {
        let mut waits = Backoff::new(WAITS);
        for tried in 1.. {
            let Err(failure) = self.run(pod, hook, freeze).await else {
                break;
            };
            let turn = self.classify(&pod.namespace, &pod.name, hook, failure).await;
            match &turn {
                Turn::Failed(failure) if tried < TRIES && failure.is(|e| matches!(e, ExecError::Stopped(_))) => {
                    tokio::time::sleep(waits.failed()).await;
                }
                _ => return turn,
            }
        }
        Turn::Ran
    }

    /// What a failure means. If nothing was begun, the pod is read again: its state decides whether there is anything to freeze
    /// or to thaw.
    async fn classify(&self, namespace: &str, pod: &str, hook: &Hook, failure: Failure) -> Turn {
        if failure.is(|e| e.is_pod_gone() || e.is_pod_ended()) {
            return Turn::Gone(failure);
        }
        if !failure.is(ExecError::was_not_begun) {
            return Turn::Failed(failure);
        }
        match self.shared.executor.look(namespace, pod).await {
            Ok(None) => Turn::Gone(failure),
            Ok(Some(now)) if now.ended => Turn::Gone(failure),
            Ok(Some(now)) => match now.stopped(&hook.container) {
                Some(state) => Turn::Stopped(state.to_owned()),
                None => Turn::Failed(failure),
            },
            Err(_) => Turn::Failed(failure),
        }
    }

    /// Runs one hook, as part of this freeze if there is one.
    async fn run(&self, pod: &PodHooks, hook: &Hook, freeze: Option<u64>) -> Result<(), Failure> {
        let line = |level| self.shared.log.line(level, &pod.namespace, &pod.name, hook);
        line(Level::Info).msg("running exec hook");
        if let Some(text) = why_never(pod, hook) {
            return Err(Failure::before(text));
        }
        let exec = hook.exec(&pod.namespace, &pod.name);
        let ran = match hook.phase {
            // A command that may have frozen the application is not begun again.
            Phase::Pre => self.execute(&exec, hook, freeze).await,
            Phase::Post => self.persist(&exec, hook, freeze).await,
        };
        log_output(&line, &ran);
        Failure::of(hook, &ran).map_or(Ok(()), Err)
    }

    /// Tries again while the connection to the container fails: a restart of the API server must not leave an application
    /// frozen.
    async fn persist(&self, exec: &Exec, hook: &Hook, freeze: Option<u64>) -> Ran {
        let mut waits = Backoff::new(WAITS);
        for _ in 1..TRIES {
            let ran = self.execute(exec, hook, freeze).await;
            if !ran.outcome.as_ref().is_err_and(ExecError::is_transient) {
                return ran;
            }
            tokio::time::sleep(waits.failed()).await;
        }
        self.execute(exec, hook, freeze).await
    }

    /// Runs a command as a task of its own, which continues when the caller stops waiting.
    async fn execute(&self, exec: &Exec, hook: &Hook, freeze: Option<u64>) -> Ran {
        let (done, outcome) = oneshot::channel();
        let (shared, exec, hook) = (self.shared.clone(), exec.clone(), hook.clone());
        let name = format!("hook in {}/{}", exec.namespace, exec.pod);
        shared.state().command_begins(freeze);
        let span = command_span::begin(&exec, hook.phase);
        self.shared.commands.spawn_detached(name, async move {
            let ran = shared.executor.execute(&exec).instrument(span.clone()).await;
            command_span::end(&span, &ran);
            let missed = |error: &ExecError| error.is_transient() || matches!(error, ExecError::Stopped(_));
            let has_run = hook.phase == Phase::Post && !ran.outcome.as_ref().is_err_and(missed);
            shared.state().command_ended(freeze, has_run.then_some(&hook));
            // The caller may have stopped waiting.
            let _ = done.send(ran);
        });
        outcome.await.unwrap_or_else(|_| Ran::failed(ExecError::Lost))
    }

    /// Closes a freeze.
    async fn close(&self, freeze: Option<u64>) {
        if let Some(id) = freeze {
            self.state().close(id);
            self.note_record().await;
        }
    }

    /// Records the open freezes where nothing depends on it: a freeze that stays recorded is only thawed once more.
    async fn note_record(&self) {
        if let Err(error) = self.record().await {
            tracing::warn!(%error, "a freeze that has ended stays recorded; its post hooks may run once more");
        }
    }

    async fn record(&self) -> Result<(), JournalError> {
        let mut journal = self.shared.journal.lock().await;
        let open = self.state().freezes();
        // Until the outcome is known: this future may be dropped before.
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
        self.shared.log.failed(pod, hook, failure);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Commands are left only after an abort: a run that ends normally has settled.
        self.shared.commands.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}
