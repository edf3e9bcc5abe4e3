//! Dying on purpose, for tests: every write goes through a [`WriteGate`](super::WriteGate), so counting them there makes each
//! of them a moment at which a process can be made to die.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dies {
    /// Not at all.
    Never,
    /// Before its nth write.
    Before(usize),
    /// When its nth write was begun: it happens, or not, without the process.
    Within(usize),
    /// After its nth write, whose answer it does not hear any more.
    After(usize),
}

/// The end of one process. Nothing is written through its gate afterwards; the test drops what is left of the process.
#[derive(Debug)]
pub struct Death {
    at: Dies,
    writes: AtomicUsize,
    dead: CancellationToken,
    thawed: CancellationToken,
}

impl Death {
    /// The death of a process that is about to begin.
    pub fn new(at: Dies) -> Arc<Self> {
        Arc::new(Self {
            at,
            writes: AtomicUsize::new(0),
            dead: CancellationToken::new(),
            thawed: CancellationToken::new(),
        })
    }

    /// How many writes were begun.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Returns when it has come.
    pub async fn come(&self) {
        self.dead.cancelled().await;
    }

    /// It was none: the process was only stopped, and goes on where it was.
    pub fn thaw(&self) {
        self.thawed.cancel();
    }

    async fn rest(&self) {
        if self.dead.is_cancelled() {
            self.thawed.cancelled().await;
        }
    }
}

/// A write of a process that may be about to die.
pub(super) async fn around<F: Future>(death: Option<&Death>, write: F) -> F::Output {
    let Some(death) = death else { return write.await };
    let nth = death.writes.fetch_add(1, Ordering::SeqCst) + 1;
    if death.at == Dies::Before(nth) {
        death.dead.cancel();
    }
    death.rest().await;
    let mut write = std::pin::pin!(write);
    let early = if death.at == Dies::Within(nth) {
        let begun = futures::poll!(write.as_mut());
        death.dead.cancel();
        death.rest().await;
        begun
    } else {
        Poll::Pending
    };
    let done = match early {
        Poll::Ready(done) => done,
        Poll::Pending => write.await,
    };
    if death.at == Dies::After(nth) {
        death.dead.cancel();
    }
    death.rest().await;
    done
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::lease::WriteGate;

    #[test]
    fn a_process_dies_around_a_write_and_writes_nothing_more() {
        for (at, done) in [
            (Dies::Before(2), 1),
            (Dies::Within(2), 2),
            (Dies::After(2), 2),
            (Dies::Never, 4),
        ] {
            let death = Death::new(at);
            let gate = WriteGate::until(&death);
            let written = AtomicUsize::new(0);
            for _ in 0..4 {
                let write = async { written.fetch_add(1, Ordering::SeqCst) };
                let _ = gate.write(write).now_or_never();
            }
            assert_eq!(written.load(Ordering::SeqCst), done, "{at:?}");
            assert_eq!(death.come().now_or_never().is_some(), at != Dies::Never);
        }
    }
}
