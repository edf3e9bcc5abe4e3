//! What the controllers come to together, over a cluster and a bucket in this process.

pub(super) mod backup_death;
mod cancel_death;
mod delete_requests;
mod deletion;
mod dry_run;
mod expiry;
mod hook_death;
mod location;
mod operations;
mod operations_cancelled;
mod reasons;
mod records;
mod requests;
mod restore_death;
mod restore_operations;
mod retention;
mod schedule_death;
mod sync;
mod third_kind;
mod third_kind_death;
mod two_clusters;
