//! One reconciler a kind; the only writers of status. A reconciler reads top to bottom: what was seen, what is decided
//! (pure functions with tables of cases), what is written.

pub mod artifact;
pub mod backup;
pub mod backup_deletion;
pub mod backup_storage_location;
pub mod backup_sync;
pub mod context;
pub mod download_request;
pub mod dry_only;
pub mod endpoint;
pub mod events;
pub mod freeze;
pub(crate) mod fresh;
pub mod gated;
pub mod gc;
pub mod item_operations;
pub mod location;
pub mod restore;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod served;
pub mod server_status_request;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod version;
pub mod watches;
pub mod write;
