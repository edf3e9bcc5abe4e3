//! Keeps writes within the lease.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Lets writes through while this process leads. Clones are the same gate.
///
/// No write starts in the last part of a lease, its margin, and none goes on after its end. So the next leader meets no write
/// that is still under way, if the clocks run at the same speed. A process that was stopped in between may still send a late request,
/// which must be harmless by its resource version.
#[derive(Debug, Clone)]
pub struct WriteGate {
    state: Arc<watch::Sender<State>>,
    layer: Option<Arc<dyn WriteLayer>>,
}

/// Wraps every write of a [`WriteGate`]: counts, traces or delays it. Tests use it as kill point.
pub trait WriteLayer: fmt::Debug + Send + Sync + 'static {
    /// Runs the write. A write that is not run counts as interrupted.
    fn around<'a>(&'a self, write: BoxFuture<'a, ()>) -> BoxFuture<'a, ()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is no election.
    Open,
    Closed,
    /// This process leads.
    Leading {
        /// Writes may start before this.
        start_before: Instant,
        /// And must have ended by then.
        end_by: Instant,
    },
}

/// This process does not lead, or not for long enough to start a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead: the write was not started or was broken off")]
pub struct NotLeading;

impl WriteGate {
    /// A gate that is always open, for a process that needs no leader.
    pub fn open() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::Open)),
            layer: None,
        }
    }

    /// The same gate with this layer around each write, instead of its current one.
    #[must_use]
    pub fn layered(self, layer: Arc<dyn WriteLayer>) -> Self {
        Self {
            layer: Some(layer),
            ..self
        }
    }

    /// Whether a write may start now.
    ///
    /// # Errors
    /// This process does not lead, or the lease ends too soon.
    pub fn check(&self) -> Result<(), NotLeading> {
        match *self.state.borrow() {
            State::Open => Ok(()),
            State::Leading { start_before, .. } if Instant::now() < start_before => Ok(()),
            State::Leading { .. } | State::Closed => Err(NotLeading),
        }
    }

    /// Runs a write if it may start now, and drops it when the lease ends meanwhile.
    ///
    /// # Errors
    /// The write was not started or was interrupted; an interrupted write may have taken effect.
    pub async fn write<F: Future<Output: Send> + Send>(&self, write: F) -> Result<F::Output, NotLeading> {
        self.check()?;
        let mut output = None;
        let write = async { output = Some(write.await) };
        let layered = async {
            match &self.layer {
                Some(layer) => layer.around(write.boxed()).await,
                None => write.await,
            }
        };
        tokio::select! {
            biased;
            () = layered => {}
            () = self.ended() => return Err(NotLeading),
        }
        output.ok_or(NotLeading)
    }

    /// Returns when no write may be under way any more. Follows renewals.
    async fn ended(&self) {
        let mut state = self.state.subscribe();
        loop {
            let now = *state.borrow_and_update();
            let end = async {
                match now {
                    State::Open => std::future::pending().await,
                    State::Closed => {}
                    State::Leading { end_by, .. } => sleep_until(end_by).await,
                }
            };
            tokio::select! {
                biased;
                // The sender lives as long as `self`.
                Ok(()) = state.changed() => {}
                () = end => return,
            }
        }
    }

    pub(crate) fn close(&self) {
        self.state.send_replace(State::Closed);
    }

    pub(crate) fn lead(&self, start_before: Instant, end_by: Instant) {
        self.state.send_replace(State::Leading { start_before, end_by });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::time::{advance, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn leading() -> WriteGate {
        let gate = WriteGate::open();
        renew(&gate);
        gate
    }

    fn renew(gate: &WriteGate) {
        gate.lead(Instant::now() + 7 * SECOND, Instant::now() + 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn no_write_starts_within_the_margin() {
        let gate = leading();
        advance(Duration::from_millis(6999)).await;
        assert_eq!(gate.check(), Ok(()));
        advance(Duration::from_millis(1)).await;
        assert_eq!(gate.check(), Err(NotLeading));
        assert_eq!(gate.write(async {}).await, Err(NotLeading));
        renew(&gate);
        assert_eq!(gate.write(async { 5 }).await, Ok(5));
    }

    #[tokio::test(start_paused = true)]
    async fn no_write_outlives_the_lease() {
        let gate = leading();
        let start = Instant::now();
        assert_eq!(gate.write(pending::<()>()).await, Err(NotLeading));
        assert_eq!(start.elapsed(), 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_write_continues_while_the_lease_is_renewed() {
        let gate = leading();
        let renewals = async {
            for _ in 0..10 {
                sleep(5 * SECOND).await;
                renew(&gate);
            }
        };
        let (written, ()) = tokio::join!(gate.write(sleep(40 * SECOND)), renewals);
        assert_eq!(written, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_breaks_a_write_off_at_once() {
        let gate = leading();
        let start = Instant::now();
        let closing = async {
            sleep(SECOND).await;
            gate.close();
        };
        let (written, ()) = tokio::join!(gate.write(pending::<()>()), closing);
        assert_eq!(written, Err(NotLeading));
        assert_eq!(start.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_election_the_gate_is_open() {
        assert_eq!(WriteGate::open().write(sleep(Duration::from_hours(1))).await, Ok(()));
    }
}
