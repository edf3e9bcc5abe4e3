//! The init container that waits until a pod's volumes are restored.
fn main() {}
