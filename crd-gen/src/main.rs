//! Writes `manifests/crds` from the types in `velero::api`.
fn main() {}
