//! The backup engine: select -> collect -> items -> archive. Knows no phase and no queue.
//!
//! ```text
//!   engine        one run: phase A, phase B, namespaces, CRDs (decision 10)
//!   request       input of a run; report: its result; sink: where the archive goes
//!   plan, scope   which types are collected, when, and from which lists
//!   collect       the lists: staged (A) or streamed (B)
//!   shared_pvcs   pods that no list returned and that share a claim with a listed pod
//!   staging       phase A's objects in scratch; block: the items that must be saved together
//!   hooks         the commands around a block
//!   save          one object, step by step: checked, changed by actions, packed
//!   actions       changes to an item before it is saved; one file a built-in action
//!   packer        tar and gzip on a thread of their own, into the sink
//!   resource_list the names of saved objects, sorted outside of memory
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

pub use engine::{EngineDeps, run};
pub use progress::{Progress, Snapshot};
pub use reader::Reader;
pub use report::{Fatal, Report};
pub use request::{Request, unsupported};
pub use sink::ArchiveSink;
