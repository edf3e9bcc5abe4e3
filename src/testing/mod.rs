//! Fakes and builders for tests (feature `testing`).

pub mod fake_api;
pub mod fake_pods;
pub mod item_action;
pub mod store_suite;
