//! The backup tarball (spec backup 15): its names, writing it, reading it, and spooling it for a restore.
//!
//! Format only: `std::io` traits in, `std::io` traits out; no client, no tokio, no store.
//!
//! ```text
//!   layout   the names inside: item <-> path, format versions
//!   writer   items -> tar, in the order they are given
//!   reader   one pass over a gzip'd tar that may be hostile, truncated or corrupt
//!   spool    reader -> data file and index, so that items can be read in any order
//!   rewrite  reader -> writer, with some items changed
//! ```

mod block;
pub mod layout;
mod pax;
pub mod reader;
pub mod rewrite;
pub mod spool;
pub mod writer;
