//! The backup engine: select -> collect -> items -> archive. Knows no phase and no queue.
//!
//! ```text
//!   engine        one run: phase A, phase B, namespaces, definitions (decision 10)
//!   request       what is asked for; report: what comes back; sink: where the archive goes
//!   plan, scope   which types are collected, when, and from which lists
//!   collect       the lists: put aside (A) or streamed (B)
//!   shared_pvcs       pods that no list brought, and that share a claim with those that one did
//!   aside, block  phase A's objects in scratch, and what must be saved together
//!   hooks         the commands around a block
//!   save          one object, step by step: judged, acted on, packed
//!   actions       what is done with an item before it is saved; one file a built-in action
//!   packer        tar and gzip on a thread of their own, into the sink
//!   names         the resource list, sorted outside of memory
//! ```

pub mod actions;
mod block;
mod collect;
mod crds;
mod done;
mod engine;
mod facts;
mod hooks;
mod inclusion;
pub mod item;
mod item_log;
mod namespaces;
mod order;
mod packer;
mod plan;
mod progress;
mod reader;
mod related;
mod report;
mod request;
mod resource_list;
mod retry;
mod run;
mod save;
mod scope;
mod selectors;
mod shared_pvcs;
mod sink;
mod staging;
mod types;
mod volumes;

pub use engine::{Deps, run};
pub use progress::{Progress, Snapshot};
pub use reader::Reader;
pub use report::{Fatal, Report};
pub use request::{Request, unsupported};
pub use sink::ArchiveSink;
