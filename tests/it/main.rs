//! Integration tests against a real API server, one module a feature. `make test` starts what they need.

mod backup_restore;
mod harness;
