//! The base of the tests: control planes, servers, and waiting for conditions.

mod api;
pub mod archive;
mod launched;
mod plane;
mod pool;
mod proxy;
mod running;
mod s3;
mod server;
mod shop;
mod store;

pub use launched::program;
pub use plane::Plane;
pub use proxy::{Fault, Proxy};
pub use s3::S3;
pub use server::{Server, free_address, phase};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for something that should be quick.
pub const SOON: Duration = Duration::from_mins(1);

/// A file of `tests/data`.
pub fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// Waits until `look` returns something, or fails with the awaited condition.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, look)
}

/// The same with another patience.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} without success for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A field by its JSON pointer, as text; empty if it is not there.
pub fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
}

/// Everything below a directory that is a file, by its path inside.
pub fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                open.push(entry);
            } else {
                found.push(entry.strip_prefix(root).expect("inside").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
