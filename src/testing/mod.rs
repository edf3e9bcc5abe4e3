//! Fakes and builders for tests (feature `testing`).
