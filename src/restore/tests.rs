//! The engine over a fake API server.
