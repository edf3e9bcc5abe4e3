//! The `velero` command; everything is in `velero::cli`.
fn main() {}
