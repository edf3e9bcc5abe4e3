//! What the tests stand on: control planes, servers, and waiting for conditions.

mod plane;
mod s3;
mod server;

pub use plane::Plane;
pub use s3::S3;
pub use server::Server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for something that should be quick.
pub const SOON: Duration = Duration::from_mins(1);

/// A file of `tests/data`.
pub fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// Waits until `look` gives something, or fails with what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < SOON, "waited {SOON:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A field by its JSON pointer, as text; empty if it is not there.
pub fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
}
