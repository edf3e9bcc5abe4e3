//! The engine over a fake API server.

mod dry_run;
mod existing;
mod faults;
mod invariants;
mod order;
mod resume;
mod scene;
mod selection;
mod volumes;
