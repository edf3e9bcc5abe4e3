//! The recorded data of upstream.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use velero::cluster::yaml;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn file_names(directory: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

pub fn read_yaml(path: &str) -> Value {
    yaml::from_str(&fs::read_to_string(root().join("tests/data").join(path)).unwrap()).unwrap()
}
