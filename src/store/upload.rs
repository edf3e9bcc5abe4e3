//! An upload of unknown length in bounded memory.

use bytes::Bytes;

use super::{ObjectInfo, Result};

/// An upload under way. The object appears with [`Upload::finish`], whole, or not at all.
///
/// Dropping it leaves what was sent so far in the store: abort it by its recorded id.
#[derive(Debug)]
pub struct Upload {}

impl Upload {
    /// What [`super::Store::abort_upload`] takes after a crash. Known before the first byte is sent.
    pub fn id(&self) -> &str {
        todo!()
    }

    /// Bytes taken so far.
    pub fn written(&self) -> u64 {
        todo!()
    }

    /// Takes the next bytes; waits while too many are still on their way. After an error only [`Upload::abort`] makes sense.
    pub async fn write(&mut self, _bytes: Bytes) -> Result<()> {
        todo!()
    }

    /// Sends the rest, makes the object visible under its key, and returns it as the store shows it (size compared).
    pub async fn finish(self) -> Result<ObjectInfo> {
        todo!()
    }

    /// Removes what was sent.
    pub async fn abort(self) -> Result<()> {
        todo!()
    }
}
