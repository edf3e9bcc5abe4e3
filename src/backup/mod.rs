//! The backup engine: select -> collect -> items -> archive. Knows no phase and no queue.
//!
//! ```text
//!   engine        one run: prepare, phase A, phase B, namespaces, CRDs, report (decision 10)
//!   request       input of a run; report: its result; deps: what it works with; sink: where the archive goes
//!   prepared      the spec, resolved for its cluster; announce: the first lines of the log
//!   plan, scope   which types are collected, when, and from which lists
//!   lists         reads them; collect: phase A, staged; stream: phase B, saved as they are listed
//!   shared_pvcs   pods that no list returned and that share a claim with a listed pod
//!   staging       phase A's objects in scratch; block: the items that must be saved together
//!   save_blocks   saves the blocks; hooks: the commands around a block
//!   save          one object, step by step: checked, changed by actions, packed
//!   volumes       how the data of each volume is saved
//!   objects       the objects that a step asks for by name: staged, or of the cluster
//!   actions       changes to an item before it is saved; one file a built-in action
//!   operations    work that actions have started, which goes on after the run; again: collects items again once it is over
//!   packer        tar and gzip on a thread of their own, into the sink
//!   tracker       the outcome of each item, in these three:
//!     done          the items that were begun
//!     counts        the numbers of items and lists, and the progress
//!     resource_list the names of saved objects, sorted outside of memory
//! ```
//!
//! The steps of a run borrow its parts and run concurrently, on one task. A part that changes owns its state, behind a lock of its
//! own that is never held across an await. No part knows the engine.

pub mod actions;
mod again;
mod announce;
mod block;
mod collect;
mod counts;
mod crds;
mod deps;
mod done;
mod engine;
mod facts;
mod hooks;
mod inclusion;
pub mod item;
mod item_log;
mod lists;
mod namespace_objects;
mod namespaces;
mod objects;
mod operations;
mod order;
mod outcome;
mod packer;
mod plan;
mod prepared;
mod progress;
mod reader;
mod related;
mod report;
mod request;
mod resource_list;
mod retry;
mod save;
mod save_blocks;
mod scope;
mod selectors;
mod shared_pvcs;
mod sink;
mod staging;
mod stop;
mod stream;
mod tracker;
mod type_spans;
mod types;
mod volumes;

pub use again::{AgainDeps, collect_again};
pub use deps::EngineDeps;
pub use engine::run;
pub use progress::{Progress, Snapshot};
pub use reader::Reader;
pub use report::{Fatal, Report};
pub use request::{Request, unsupported};
pub use sink::ArchiveSink;
