//! The engine over a fake API server.

mod beside;
mod dry_run;
mod existing;
mod faults;
mod invariants;
mod jobs;
mod lost;
mod order;
mod resume;
mod scene;
mod selection;
mod shared;
mod tokens;
mod volumes;
