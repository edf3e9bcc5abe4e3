//! How the data of each volume is saved (spec backup 12), decided and recorded. No data is saved yet (decision 22): a chosen volume
//! is logged, and recorded as skipped.
//!
//! ```text
//!   facts      the fields of pods and volumes that are read
//!   files      file by file, through a pod: chosen or not, and obstacles
//!   snapshot   by a snapshot of the volume: taken or not
//!   policy     the volume policies' decisions, one a volume
//!   decide     reads the facts and applies the three
//!   record     the outcome of each volume, for the volume-info file
//! ```

mod decide;
mod facts;
mod files;
mod policy;
mod record;
mod snapshot;

pub(super) use decide::{VolumeChoices, claims_saved_by};
pub(super) use record::{SkippedVolume, VolumeRecords};
