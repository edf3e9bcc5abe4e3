//! Why a run cannot continue.

use std::io;

use super::report::Fatal;

/// Why a run cannot continue.
#[derive(Debug)]
pub(super) enum Stop {
    /// The archive's thread has ended; its error is the reason.
    Packer,
    /// An error of the run itself.
    Fatal(Fatal),
}

impl Stop {
    /// A temporary file failed.
    pub(super) fn scratch(error: io::Error) -> Self {
        Self::Fatal(Fatal::Scratch(error))
    }
}

impl<E: Into<Fatal>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}
