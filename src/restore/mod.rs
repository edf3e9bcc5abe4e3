//! The restore engine: what of a backup's archive goes into a cluster, in which order, and what it came to. Knows no phase
//! and no queue; the controller gives it a request and gets a report.
//!
//! ```text
//!   request  archive + spec + settings
//!      |
//!   plan     what, in which waves (pure; priorities, names)
//!      |
//!   engine   wave after wave, as many items at once as the API server takes (limiter, calls)
//!      |        parked: what could not be restored yet; ledger: what was done, kept outside
//!   item     one item: namespace -> actions -> create -> compare -> status (flights: once each, no deadlock)
//!      |        object/: the rules on JSON (pure); actions/: what is changed for which type
//!   report   results and resource list
//! ```
//!
//! Hooks, the data of volumes, plugins and resource modifiers are not there yet. Each has its place: plugins implement
//! [`actions::RestoreItemAction`], modifiers come after the actions in [`item`](self), hooks and volume data after a
//! creation. What a spec asks of them is refused ([`request::unsupported`]), what an object asks is said.

pub mod actions;
mod client;
pub mod engine;
pub mod foresight;
mod in_flight;
mod item;
pub mod item_id;
pub mod ledger;
pub mod limiter;
mod missing;
mod namespaces;
pub mod object;
pub mod plan;
pub mod priorities;
pub mod progress;
pub mod report;
pub mod request;
pub mod retry;
mod retry_queue;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod type_names;
