//! The engine over a fake API server.

mod beside;
mod dry_run;
mod existing;
mod faults;
mod invariants;
mod jobs;
mod lost;
mod namespaces;
mod order;
mod resume;
mod scene;
mod selection;
mod shared;
mod standstill;
mod tokens;
mod traced;
mod types;
mod volumes;
