//! The CRDs and the types they are made from, compared with what upstream ships and has written.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod data;
mod files;
mod manifests;
mod sample;
mod schema;
mod types;
