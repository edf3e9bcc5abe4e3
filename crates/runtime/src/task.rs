//! Tasks with a name and an owner. The only place that spawns.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// A running task. Dropping it aborts the task at its next await.
#[derive(Debug)]
#[must_use = "dropping a task aborts it"]
pub struct Task<T> {
    name: String,
    handle: JoinHandle<T>,
    /// Whether the task ends with this value; a detached one belongs to its group alone.
    owned: bool,
}

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It panicked, with this message.
    #[error("task `{name}` panicked: {message}")]
    Panicked {
        /// The task's name.
        name: String,
        /// The message.
        message: String,
    },
    /// It was aborted.
    #[error("task `{name}` was aborted")]
    Aborted {
        /// The task's name.
        name: String,
    },
}

impl<T> Task<T> {
    /// The name it was spawned with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends it at its next await. Await the task to see it ended.
    pub fn abort(&self) {
        self.handle.abort();
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if self.owned {
            self.handle.abort();
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(cx).map_err(|error| {
            let name = self.name.clone();
            match error.try_into_panic() {
                Ok(cause) => TaskError::Panicked {
                    name,
                    message: panic_text(&*cause),
                },
                Err(_) => TaskError::Aborted { name },
            }
        })
    }
}

/// Starts a task within the current span.
pub fn spawn<F>(name: impl Into<String>, work: F) -> Task<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    spawn_outside(name.into(), work.in_current_span())
}

/// Starts a task outside of any span.
fn spawn_outside<F>(name: String, work: F) -> Task<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that spawns; others get a named task from here"
    )]
    let handle = tokio::spawn(work);
    Task {
        name,
        handle,
        owned: true,
    }
}

/// The message of a panic.
pub fn panic_text(cause: &(dyn Any + Send)) -> String {
    cause
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

/// Tasks that are stopped together. The group knows which of them still run.
///
/// A member counts until its future was dropped, so an aborted task that blocks its thread still counts. Clones
/// are the same group.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    stop: CancellationToken,
    members: Mutex<Members>,
    alive: watch::Sender<usize>,
}

#[derive(Default)]
struct Members {
    next: u64,
    present: BTreeMap<u64, Present>,
}

struct Present {
    name: String,
    /// Missing for the moment between joining and being spawned.
    abort: Option<AbortHandle>,
}

impl Inner {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock()
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Group {
    /// A group without members.
    pub fn new() -> Self {
        Self::stopped_by(CancellationToken::new())
    }

    /// A group that stops with this token.
    pub fn stopped_by(stop: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                stop,
                members: Mutex::default(),
                alive: watch::Sender::new(0),
            }),
        }
    }

    /// Fires when members should end.
    pub fn stop(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Starts a task within the current span. It counts as a member until it is gone.
    pub fn spawn<F>(&self, name: impl Into<String>, work: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.add(name.into(), work.in_current_span())
    }

    /// Starts a detached member: it ends by itself, by [`stop`](Self::stop) or by [`abort`](Self::abort).
    /// It may outlast the current span and is outside of it.
    pub fn spawn_detached<F>(&self, name: impl Into<String>, work: F)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.add(name.into(), work).owned = false;
    }

    fn add<F>(&self, name: String, work: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let member = Member::join(&self.inner, name.clone());
        let number = member.number;
        let task = spawn_outside(name, async move {
            let _member = member;
            work.await
        });
        if let Some(present) = self.inner.members().present.get_mut(&number) {
            present.abort = Some(task.handle.abort_handle());
        }
        task
    }

    /// Ends all members at their next await. Use [`empty`](Self::empty) to see them gone.
    pub fn abort(&self) {
        for present in self.inner.members().present.values() {
            if let Some(abort) = &present.abort {
                abort.abort();
            }
        }
    }

    /// The names of the remaining members.
    pub fn alive(&self) -> Vec<String> {
        let members = self.inner.members();
        members.present.values().map(|present| present.name.clone()).collect()
    }

    /// Returns when no member is left.
    pub async fn empty(&self) {
        // The sender lives as long as `self`.
        let _ = self.inner.alive.subscribe().wait_for(|alive| *alive == 0).await;
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("stopping", &self.inner.stop.is_cancelled())
            .field("alive", &self.alive())
            .finish()
    }
}

struct Member {
    group: Arc<Inner>,
    number: u64,
}

impl Member {
    fn join(group: &Arc<Inner>, name: String) -> Self {
        let mut members = group.members();
        let number = members.next;
        members.next += 1;
        members.present.insert(number, Present { name, abort: None });
        group.alive.send_replace(members.present.len());
        Self {
            group: group.clone(),
            number,
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.group.members();
        members.present.remove(&self.number);
        self.group.alive.send_replace(members.present.len());
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_returned_with_the_name_of_its_task() {
        let error = spawn("counting", async { panic!("lost count at {}", 7) })
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "task `counting` panicked: lost count at 7");
    }

    #[tokio::test]
    async fn a_dropped_task_leaves_its_group() {
        let group = Group::new();
        let task = group.spawn("waiting", pending::<()>());
        assert_eq!(group.alive(), ["waiting"]);
        drop(task);
        group.empty().await;
        assert!(group.alive().is_empty());
    }

    #[tokio::test]
    async fn a_group_is_empty_when_its_last_member_ended() {
        let group = Group::new();
        let tasks: Vec<_> = ["a", "b"]
            .map(|name| group.spawn(name, group.stop().clone().cancelled_owned()))
            .into();
        group.stop().cancel();
        group.empty().await;
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_group_can_be_ended_by_force() {
        let group = Group::new();
        group.spawn_detached("stubborn", pending::<()>());
        let task = group.spawn("deaf", pending::<()>());
        group.abort();
        group.empty().await;
        task.await.unwrap_err();
    }

    #[tokio::test]
    async fn an_aborted_task_says_so() {
        let task = spawn("waiting", pending::<()>());
        task.abort();
        assert_eq!(task.await, Err(TaskError::Aborted { name: "waiting".into() }));
    }
}
