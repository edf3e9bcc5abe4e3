//! The backup engine: select -> collect -> items -> archive. Knows no phase and no queue.

mod block;
mod done;
mod facts;
mod names;
mod order;
mod scope;
