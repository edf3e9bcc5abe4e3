//! The recorded data, and its bucket in the hands of our server.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;
use velero::runtime::clock::{Clock, System};

use crate::harness::data;

/// The backup that was recorded, and the restore of it into another namespace.
pub const BACKUP: &str = "golden1";
pub const RESTORE: &str = "golden1-r";

/// Its `status.expiration`.
pub const EXPIRATION: &str = "2026-12-23T19:22:17Z";

/// Output of the Go command line.
pub fn printed(name: &str) -> String {
    fs::read_to_string(data(&format!("go-1.18.1/cli/{name}.txt"))).expect("a recorded page")
}

/// A recorded object of the API.
pub fn object(name: &str) -> String {
    fs::read_to_string(data(&format!("go-1.18.1/objects/{name}.yaml"))).expect("a recorded object")
}

/// A small file of a bucket, which is one gzipped JSON value.
pub fn json_gz(path: &Path) -> Value {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_reader(GzDecoder::new(file)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same of the recorded bucket.
pub fn json(key: &str) -> Value {
    json_gz(&data("go-1.18.1/bucket").join(key))
}

/// A moment at which what the recording let expire after a month has as long to live as it had then: `29d`. A test must
/// not depend on the date it runs on.
pub fn expiration() -> String {
    let end = System.now() + Duration::from_hours(29 * 24 + 12);
    end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Copies the recorded bucket below a root, the backup expiring at `expiration`.
pub fn fill_bucket(root: &Path, expiration: &str) {
    copy(&data("go-1.18.1/bucket"), root);
    let metadata = root.join(format!("backups/{BACKUP}/velero-backup.json"));
    let text = fs::read_to_string(&metadata).expect("metadata");
    assert!(text.contains(EXPIRATION), "{text}");
    fs::write(metadata, text.replace(EXPIRATION, expiration)).expect("metadata");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// A log of the bucket.
pub fn log(path: &Path) -> String {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("a log");
    text
}
