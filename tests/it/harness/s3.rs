//! An S3 server of a test's own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::text;

/// A running S3 server; ends when it is dropped, and with the test process however that ends.
pub struct S3 {
    child: Child,
    ready: Value,
    /// Removed with it.
    _directory: tempfile::TempDir,
}

impl S3 {
    /// Starts one with an empty bucket.
    pub fn start(bucket: &str) -> Self {
        let programs = std::env::var("VELERO_TEST_BIN")
            .expect("VELERO_TEST_BIN is not set: integration tests are started by `make test`");
        let directory = tempfile::Builder::new().prefix("s3-").tempdir().expect("a directory");
        let mut child = Command::new(Path::new(&programs).join("launcher"))
            .args(["s3", "run", "--bucket", bucket, "--dir"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the launcher starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the S3 server did not start: {line}"));
        Self {
            child,
            ready,
            _directory: directory,
        }
    }

    /// Where the keys of a bucket are plain files.
    pub fn bucket(&self, name: &str) -> PathBuf {
        PathBuf::from(text(&self.ready, "/data")).join(name)
    }

    /// The location `default` below a prefix of a bucket, and the secret it needs, as YAML.
    pub fn location(&self, namespace: &str, bucket: &str, prefix: &str) -> String {
        let ready = |key| text(&self.ready, key);
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s3, namespace: {namespace}}}\nstringData:\n  \
             cloud: |\n    [default]\n    aws_access_key_id = {}\n    aws_secret_access_key = {}\n---\n\
             apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: default, namespace: {namespace}}}\n\
             spec:\n  provider: aws\n  default: true\n  credential: {{name: s3, key: cloud}}\n  \
             objectStorage: {{bucket: {bucket}, prefix: {prefix}}}\n  \
             config: {{region: {}, s3ForcePathStyle: \"true\", s3Url: \"{}\"}}\n",
            ready("/access_key"),
            ready("/secret_key"),
            ready("/region"),
            ready("/endpoint"),
        )
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // Its end of input tells the launcher to stop what it started.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
