//! The restore engine: plan -> waves -> items. Knows no phase and no queue.

pub mod actions;
pub mod flights;
mod identifiers;
pub mod ledger;
pub mod limiter;
pub mod names;
pub mod object;
pub mod plan;
pub mod priorities;
pub mod request;
pub mod retry;
#[cfg(test)]
mod testing;
