//! Who saves which volume's data (spec backup 12), decided and recorded. Nothing carries data yet (decision 22): what was
//! chosen is told, and recorded as skipped.
//!
//! ```text
//!   facts      what is read of pods and volumes
//!   files      file by file, through a pod: chosen or not, and what stands in the way
//!   snapshot   by a snapshot of the volume: taken or not
//!   decide     reads the facts, asks the two, and hands on what they chose
//!   record     what became of each volume, for the volume-info file
//! ```

mod decide;
mod facts;
mod files;
mod record;
mod snapshot;

pub(super) use record::{Approach, SkippedVolume, Volumes};
