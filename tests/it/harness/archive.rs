//! Archives as they lie in the bucket, read without our own reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::Server;

/// The fields of a member's header besides its name and size.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Header {
    mode: u32,
    owner: (u64, u64),
    kind: u8,
    ustar: bool,
}

fn open(path: &Path) -> tar::Archive<MultiGzDecoder<File>> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    tar::Archive::new(MultiGzDecoder::new(file))
}

/// The paths in an archive, in the order they lie there; twice where they are there twice.
pub fn paths(path: &Path) -> Vec<String> {
    let mut tar = open(path);
    tar.entries()
        .expect("a tar")
        .map(|entry| path_of(&entry.expect("an entry")))
        .collect()
}

fn path_of(entry: &tar::Entry<'_, MultiGzDecoder<File>>) -> String {
    entry.path().expect("a path").to_string_lossy().into_owned()
}

impl Server<'_> {
    /// The archive of a backup in this bucket.
    pub fn archive(&self, backup: &str) -> Archive {
        Archive::read(&self.bucket().join(format!("backups/{backup}/{backup}.tar.gz")))
    }
}

/// The members of an archive by their paths.
pub struct Archive {
    /// In the order they lie there.
    pub paths: Vec<String>,
    pub headers: BTreeMap<String, Header>,
    pub contents: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    pub fn read(path: &Path) -> Self {
        let mut tar = open(path);
        let mut archive = Self {
            paths: Vec::new(),
            headers: BTreeMap::new(),
            contents: BTreeMap::new(),
        };
        for entry in tar.entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let path = path_of(&entry);
            let header = entry.header();
            let about = Header {
                mode: header.mode().expect("a mode"),
                owner: (header.uid().expect("a uid"), header.gid().expect("a gid")),
                kind: header.entry_type().as_byte(),
                ustar: header.as_ustar().is_some(),
            };
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("its content");
            archive.headers.insert(path.clone(), about);
            assert!(
                archive.contents.insert(path.clone(), content).is_none(),
                "{path} is there twice"
            );
            archive.paths.push(path);
        }
        archive
    }

    /// The objects by the paths of their plain copies, without `resources/` and `.json`.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        let plain = |path: &str| {
            let path = path.strip_prefix("resources/")?.strip_suffix(".json")?;
            let scope = path.split('/').nth(1)?;
            matches!(scope, "cluster" | "namespaces").then(|| path.to_owned())
        };
        self.contents
            .iter()
            .filter_map(|(path, content)| {
                let object = serde_json::from_slice(content).ok()?;
                Some((plain(path)?, object))
            })
            .collect()
    }

    /// The same with the paths of the copies that name the version: `pods/v1-preferredversion/namespaces/shop/db-0`.
    pub fn versioned(&self) -> BTreeMap<String, &[u8]> {
        let versioned = |path: &str| {
            let path = path.strip_prefix("resources/")?.strip_suffix(".json")?;
            let (resource, rest) = path.split_once('/')?;
            let (version, rest) = rest.split_once('/')?;
            version
                .strip_suffix("-preferredversion")
                .map(|_| format!("{resource}/{rest}"))
        };
        self.contents
            .iter()
            .filter_map(|(path, content)| Some((versioned(path)?, content.as_slice())))
            .collect()
    }
}
