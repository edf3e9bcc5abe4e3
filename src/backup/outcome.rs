//! The outcome of an object that was to be saved.

/// The result for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaveOutcome {
    /// It is in the archive.
    Saved,
    /// It was begun before.
    AlreadyDone,
    /// It does not belong to the backup.
    PassedOver,
    /// It could not be saved; there is an error line.
    Failed,
}
