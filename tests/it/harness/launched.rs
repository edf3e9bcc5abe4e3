//! Processes that the launcher of the test cluster starts for a test: they end with the test process, however that ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A program beside the launcher, such as `node`.
pub fn program(name: &str) -> PathBuf {
    let programs = std::env::var("VELERO_TEST_BIN")
        .expect("VELERO_TEST_BIN is not set: integration tests are started by `make test`");
    Path::new(&programs).join(name)
}

/// Something that runs, in a directory of its own; both go when it is dropped.
pub struct Launched {
    child: Child,
    /// The launcher's report about it.
    pub ready: Value,
    _directory: tempfile::TempDir,
}

impl Launched {
    /// Runs `launcher WHAT run` with these arguments, until it reports that it is ready.
    pub fn start(what: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix(what).tempdir().expect("a directory");
        let mut child = Command::new(program("launcher"))
            .args([what, "run", "--dir"])
            .arg(directory.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the launcher starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        let Ok(ready) = serde_json::from_str(&line) else {
            panic!("{what} did not start; its logs are in {}", directory.keep().display());
        };
        Self {
            child,
            ready,
            _directory: directory,
        }
    }

    /// A value of the launcher's report, if it is there.
    pub fn reported(&self, key: &str) -> Option<String> {
        self.ready[key].as_str().map(str::to_owned)
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // At the end of its input the launcher stops what it started.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
