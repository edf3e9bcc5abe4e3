//! Fakes and builders for tests (feature `testing`).

pub mod fake_api;
pub mod store_suite;
