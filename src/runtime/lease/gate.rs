//! Keeps writes within the lease.

use std::future::Future;

/// Lets writes through while we lead. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct WriteGate {
    _todo: (),
}

/// We do not lead, or not for long enough to start a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead: the write was not started or was broken off")]
pub struct NotLeading;

impl WriteGate {
    /// A gate that is always open, for a process that needs no leader.
    pub fn open() -> Self {
        Self { _todo: () }
    }

    /// Whether a write may start now.
    ///
    /// # Errors
    /// We do not lead, or the lease ends too soon.
    pub fn check(&self) -> Result<(), NotLeading> {
        todo!()
    }

    /// Runs a write if it may start now, and drops it when the lease ends meanwhile.
    ///
    /// # Errors
    /// It was not started or was broken off.
    pub async fn write<F: Future>(&self, write: F) -> Result<F::Output, NotLeading> {
        let _ = write;
        todo!()
    }
}
