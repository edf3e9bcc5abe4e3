//! Fakes and builders for tests (feature `testing`).

pub mod store_suite;
