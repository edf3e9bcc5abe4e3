//! Fakes and builders for tests (feature `testing`).

pub mod fake_api;
