//! Fakes and builders for tests (feature `testing`).

pub mod fake_api;
pub mod fake_pods;
pub mod store_suite;
