//! Pods in this process, with applications in them that can be frozen and thawed, and a journal beside them.
//!
//! Every command succeeds unless a test scripts another outcome. `freeze` and `thaw` (as first word) are as strict as
//! `fsfreeze`: what is frozen cannot be frozen again, and what is not cannot be thawed. Commands, records and a test's own
//! notes are events in one order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::cluster::exec::{Captured, Exec, ExecError, Output, Ran};
use crate::hook::{Executor, Freeze, Journal, JournalError, Standing};

/// The pods; clones are the same.
#[derive(Clone, Default)]
pub struct FakePods {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    events: Vec<String>,
    frozen: BTreeSet<String>,
    scripts: Vec<(String, Result<i32, ExecError>)>,
    rules: BTreeMap<String, i32>,
    held: BTreeMap<String, watch::Receiver<bool>>,
    /// Containers that do not run, as `shop/db-0 db`, each with its state.
    stopped: BTreeMap<String, String>,
    /// Scripted results of the next looks at pods.
    looks: Vec<Result<Option<Standing>, ExecError>>,
    journal_fails: bool,
    written: Vec<Freeze>,
}

/// Commands that do not end until they are released.
#[derive(Debug)]
pub struct Held(watch::Sender<bool>);

impl Held {
    /// They end.
    pub fn release(&self) {
        self.0.send_replace(true);
    }
}

impl FakePods {
    /// No pod is frozen.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next command with this text ends so. May be called more than once.
    pub fn script(&self, command: &str, outcome: Result<i32, ExecError>) {
        self.lock().scripts.push((command.to_owned(), outcome));
    }

    /// Every command with this text ends with this exit code.
    pub fn rule(&self, command: &str, code: i32) {
        self.lock().rules.insert(command.to_owned(), code);
    }

    /// From now on commands with this text do not end, and have no effect, until they are released.
    pub fn hold(&self, command: &str) -> Held {
        let (release, held) = watch::channel(false);
        self.lock().held.insert(command.to_owned(), held);
        Held(release)
    }

    /// From now on a container (`shop/db-0 db`) does not run.
    pub fn stop(&self, container: &str, state: &str) {
        self.lock().stopped.insert(container.to_owned(), state.to_owned());
    }

    /// It runs again.
    pub fn start(&self, container: &str) {
        self.lock().stopped.remove(container);
    }

    /// The next look at a pod returns this. May be called more than once.
    pub fn script_look(&self, seen: Result<Option<Standing>, ExecError>) {
        self.lock().looks.push(seen);
    }

    /// Whether recording the frozen pods fails from now on.
    pub fn fail_journal(&self, fails: bool) {
        self.lock().journal_fails = fails;
    }

    /// Adds an event of the test itself.
    pub fn note(&self, event: impl Into<String>) {
        self.lock().events.push(event.into());
    }

    /// What happened so far: `shop/db-0 db: sync` when a command begins, `written: shop/db-0` when it was written down that
    /// these may be frozen.
    pub fn events(&self) -> Vec<String> {
        self.lock().events.clone()
    }

    /// Forgets the events so far.
    pub fn forget_events(&self) {
        self.lock().events.clear();
    }

    /// The pods with a frozen application.
    pub fn frozen(&self) -> Vec<String> {
        self.lock().frozen.iter().cloned().collect()
    }

    /// A journal of these pods.
    pub fn journal(&self) -> Box<dyn Journal> {
        Box::new(FakeJournal(self.clone()))
    }

    /// The last record.
    pub fn written(&self) -> Vec<Freeze> {
        self.lock().written.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn standing(&self, pod: &str) -> Standing {
        let prefix = format!("{pod} ");
        let stopped = self.stopped.iter();
        stopped.fold(Standing::default(), |standing, (container, state)| {
            match container.strip_prefix(&prefix) {
                Some(name) => standing.with_stopped(name, state),
                None => standing,
            }
        })
    }

    fn outcome(&mut self, exec: &Exec) -> Ran {
        let container = format!("{}/{} {}", exec.namespace, exec.pod, exec.container);
        if self.stopped.contains_key(&container) {
            let text = format!("container not found ({:?})", exec.container);
            return Ran::failed(ExecError::Stopped(text));
        }
        let command = exec.command.join(" ");
        let pod = format!("{}/{}", exec.namespace, exec.pod);
        let scripted = self.scripts.iter().position(|(text, _)| *text == command);
        let ruled = self.rules.get(&command).copied().unwrap_or_default();
        let outcome = scripted.map_or(Ok(ruled), |at| self.scripts.remove(at).1);
        let takes_effect = match &outcome {
            Ok(code) => *code == 0,
            Err(error) => error.may_have_run(),
        };
        let possible = match exec.command.first().map(String::as_str) {
            Some("freeze") if takes_effect => self.frozen.insert(pod),
            Some("thaw") if takes_effect => self.frozen.remove(&pod),
            _ => true,
        };
        if !possible {
            return ended(Ok(1), "nothing to do");
        }
        ended(outcome, "")
    }
}

fn ended(outcome: Result<i32, ExecError>, stderr: &str) -> Ran {
    let output = Output {
        stdout: Captured::from("done\n"),
        stderr: Captured::from(stderr),
    };
    Ran { outcome, output }
}

impl Executor for FakePods {
    fn execute<'a>(&'a self, exec: &'a Exec) -> BoxFuture<'a, Ran> {
        async move {
            let command = exec.command.join(" ");
            self.note(format!("{}/{} {}: {command}", exec.namespace, exec.pod, exec.container));
            let held = self.lock().held.get(&command).cloned();
            if let Some(mut held) = held {
                // If the holder was dropped, the command never ends.
                if held.wait_for(|released| *released).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            self.lock().outcome(exec)
        }
        .boxed()
    }

    fn look<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, Result<Option<Standing>, ExecError>> {
        async move {
            let mut inner = self.lock();
            if inner.looks.is_empty() {
                Ok(Some(inner.standing(&format!("{namespace}/{pod}"))))
            } else {
                inner.looks.remove(0)
            }
        }
        .boxed()
    }
}

struct FakeJournal(FakePods);

impl Journal for FakeJournal {
    fn record<'a>(&'a mut self, open: &'a [Freeze]) -> BoxFuture<'a, Result<(), JournalError>> {
        async move {
            let mut inner = self.0.lock();
            if inner.journal_fails {
                return Err(JournalError("the disk is full".to_owned()));
            }
            let pods: Vec<String> = open
                .iter()
                .map(|open| format!("{}/{}", open.namespace, open.pod))
                .collect();
            inner.events.push(format!("written: {}", pods.join(", ")));
            inner.written = open.to_vec();
            Ok(())
        }
        .boxed()
    }
}
