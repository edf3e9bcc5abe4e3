//! The restore engine: selects items of a backup's archive, restores them in order, and reports the result. It knows neither
//! phases nor a queue of Restores; the controller passes a request and gets a report.
//!
//! ```text
//!   request     archive + spec + settings
//!      |
//!   prepared    the spec, resolved; plan: the items and their waves (planner, priorities, type_names, missing; pure)
//!      |
//!   engine      begin -> waves -> retries -> report (standstill beside them)     dry_run: the same waves, nothing written
//!      |
//!   waves       as many items at once as memory allows
//!      |
//!   item/       one item: namespace -> actions -> create -> compare -> status
//!      |
//!   apply       what a run and a dry run do differently: Live here, DryRun in dry_run
//!      |
//!   parts       what all items share; each owns its state and its locks
//!                 archived    the items of the archive         client      the cluster, with a limit on requests (limiter)
//!                 types       what the cluster serves          namespaces  each target namespace once
//!                 in_flight   each item once, no deadlock      tracker     the state of each item:
//!                   journal     the ledger, and when it is stored
//!                   retry_queue the waiting items (wait_reason, retry: which errors are transient)
//!                   progress    counts and standstill
//!      |
//!   object/     the rules on JSON (pure)     actions/  changes for certain types
//!
//!   report      results and resource list
//! ```
//!
//! Hooks, the data of volumes, plugins and resource modifiers are not implemented yet. Each has its place: plugins implement
//! [`actions::RestoreItemAction`], modifiers follow the actions in `item/process`, hooks attach in `item/hooks`, volume data in
//! `item/volumes`. A spec that uses them is refused ([`request::unsupported`]), an object that does is a warning.

pub mod actions;
mod apply;
mod archived;
mod client;
mod deps;
pub mod dry_run;
pub mod engine;
mod error_text;
mod fatal;
mod in_flight;
mod item;
pub mod item_id;
mod journal;
mod kinds;
pub mod ledger;
pub mod ledger_sink;
pub mod limiter;
mod messages;
mod missing;
mod namespaces;
mod note;
pub mod object;
mod parts;
pub mod plan;
pub mod planner;
mod prepared;
pub mod priorities;
mod processed;
pub mod progress;
pub mod report;
pub mod request;
mod restore_item;
mod retries;
pub mod retry;
mod retry_queue;
pub mod retry_reason;
mod standstill;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tracker;
pub mod type_names;
mod types;
mod wait_reason;
mod waves;
