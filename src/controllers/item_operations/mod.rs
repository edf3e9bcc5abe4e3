//! Operations of items: work that item actions have started and that goes on after the run, of backups and of restores
//! (spec backup 14, restore 19 and 20; decision 57).
//!
//! ```text
//!   run ends with operations --> Waiting* --[waiting: ask, until all have ended]--> Finalizing* --[finalizer: files]--> final phase
//!
//!   kind       what a Backup and a Restore have in common here
//!   waiting    the controllers `backup-operations` and `restore-operations`
//!   finalizer  the controllers `backup-finalizer` and `restore-finalizer`; the files of each kind are finished in its own room
//!   step       one operation and one answer -> the operation; pure
//!   poll       asks the actions; file: the operations in the bucket
//!   cancelled  an object that is cancelled while they run
//!   blocked    a location that cannot be used: the object waits, and gives up after the time of its operations
//!   failures   failed operations as lines of the log; results, log_tail: additions to the files of a run that are made once
//! ```
//!
//! All state is in the bucket's file of operations and in the object. A pass that dies has changed nothing that the next one counts twice.

pub mod blocked;
pub mod cancelled;
mod error;
pub mod failures;
pub mod file;
pub mod finalizer;
pub mod kind;
pub mod log_tail;
mod poll;
pub mod results;
mod step;
pub mod waiting;
