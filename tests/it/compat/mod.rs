//! What the Go release 1.18.1 wrote, against us: its archive restored, its scene repeated, its files read, its page of
//! metrics and its command line compared (decision 31). What we do not reproduce on purpose is in `tests/data/DEFECTS.md`.

mod backup;
mod cli;
mod locations;
pub mod metrics;
mod objects;
mod recorded;
mod restore;
mod scene;
mod usage;
mod wait;
