//! The names of what was saved, for `<backup>-resource-list.json.gz` (spec backup 16.3): sorted outside of memory.
//!
//! Names are collected in a buffer of bounded size; a full one is sorted and written to scratch as a run, and in the end
//! the runs are merged into the artifact.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;

/// Between type and name: sorts before every character of either.
const SEPARATOR: char = '\t';

/// The names so far.
#[derive(Debug)]
pub(super) struct ResourceList {
    scratch: PathBuf,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    buffer: Buffer,
    runs: Vec<File>,
}

/// The names in memory. A full buffer is sorted and written on a blocking thread.
#[derive(Debug, Default)]
struct Buffer {
    /// One record after the other, ends in `ends`.
    text: String,
    ends: Vec<u32>,
}

impl ResourceList {
    /// Bytes of names held in memory before they go to scratch.
    const BUFFER: usize = 2 << 20;

    /// `scratch` is a directory for temporary files.
    pub(super) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            names: Mutex::default(),
        }
    }

    /// Adds a saved item. If that makes the buffer full, waits until it is written.
    pub(super) async fn add(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> io::Result<()> {
        let Some(full) = self.put(api_version, kind, namespace, name) else {
            return Ok(());
        };
        let scratch = self.scratch.clone();
        let written = tokio::task::spawn_blocking(move || full.write(&scratch)).await;
        let run = written.map_err(io::Error::other).flatten()?;
        self.names.lock().runs.push(run);
        Ok(())
    }

    /// Puts a name into the buffer, and returns the buffer if it is full.
    fn put(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<Buffer> {
        let mut names = self.names.lock();
        let buffer = &mut names.buffer;
        buffer.push(api_version, kind, namespace, name);
        (buffer.text.len() >= Self::BUFFER).then(|| std::mem::take(buffer))
    }

    /// Writes the artifact, gzipped, into a temporary file of the scratch directory and returns it rewound. Blocks.
    pub(super) fn finish(self) -> io::Result<File> {
        let Names { buffer, runs } = self.names.into_inner();
        let mut sources: Vec<Box<dyn Iterator<Item = io::Result<String>>>> = vec![Box::new(
            buffer.sorted().into_iter().map(|record| Ok(record.to_owned())),
        )];
        for mut run in runs {
            run.seek(SeekFrom::Start(0))?;
            sources.push(Box::new(BufReader::new(run).lines()));
        }
        let file = BufWriter::new(tempfile::tempfile_in(&self.scratch)?);
        let mut out = GzEncoder::new(file, Compression::default());
        write_list(&mut out, merged(sources)?)?;
        let mut file = out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

impl Buffer {
    fn push(&mut self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) {
        for part in [api_version, "/", kind] {
            self.text.push_str(part);
        }
        self.text.push(SEPARATOR);
        if let Some(namespace) = namespace {
            self.text.push_str(namespace);
            self.text.push('/');
        }
        self.text.push_str(name);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn sorted(&self) -> Vec<&str> {
        let mut start = 0;
        let mut records: Vec<&str> = self
            .ends
            .iter()
            .map(|end| {
                let record = &self.text[start..*end as usize];
                start = *end as usize;
                record
            })
            .collect();
        records.sort_unstable();
        records
    }

    /// Writes the names in order, one a line. Blocks.
    fn write(&self, scratch: &Path) -> io::Result<File> {
        let mut out = BufWriter::new(tempfile::tempfile_in(scratch)?);
        for record in self.sorted() {
            out.write_all(record.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// The records of sorted sources, in order.
fn merged<I>(mut sources: Vec<I>) -> io::Result<impl Iterator<Item = io::Result<String>>>
where
    I: Iterator<Item = io::Result<String>>,
{
    let mut heads = BinaryHeap::with_capacity(sources.len());
    for (source, records) in sources.iter_mut().enumerate() {
        if let Some(record) = records.next() {
            heads.push(Reverse((record?, source)));
        }
    }
    Ok(std::iter::from_fn(move || {
        let Reverse((record, source)) = heads.pop()?;
        match sources[source].next() {
            Some(Ok(next)) => heads.push(Reverse((next, source))),
            Some(Err(error)) => return Some(Err(error)),
            None => {}
        }
        Some(Ok(record))
    }))
}

/// `{"v1/Pod":["ns/a","ns/b"]}` and a newline.
fn write_list(out: &mut impl Write, records: impl Iterator<Item = io::Result<String>>) -> io::Result<()> {
    let mut current = None;
    out.write_all(b"{")?;
    for record in records {
        let record = record?;
        let Some((kind, name)) = record.split_once(SEPARATOR) else {
            continue;
        };
        if current.as_deref() == Some(kind) {
            out.write_all(b",")?;
        } else {
            out.write_all(if current.is_some() { b"]," } else { b"" })?;
            serde_json::to_writer(&mut *out, kind)?;
            out.write_all(b":[")?;
            current = Some(kind.to_owned());
        }
        serde_json::to_writer(&mut *out, name)?;
    }
    out.write_all(if current.is_some() { b"]}\n" } else { b"}\n" })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn text(file: File) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn names_are_sorted_below_their_types() {
        let scratch = tempfile::tempdir().unwrap();
        let names = ResourceList::new(scratch.path());
        for (version, kind, namespace, name) in [
            ("v1", "Pod", Some("b"), "x"),
            ("apps/v1", "Deployment", Some("a"), "web"),
            ("v1", "Pod", Some("a"), "y"),
            ("v1", "Namespace", None, "a"),
            ("v1", "PodTemplate", Some("a"), "z"),
        ] {
            names.add(version, kind, namespace, name).await.unwrap();
        }
        assert_eq!(
            text(names.finish().unwrap()),
            "{\"apps/v1/Deployment\":[\"a/web\"],\"v1/Namespace\":[\"a\"],\"v1/Pod\":[\"a/y\",\"b/x\"],\
             \"v1/PodTemplate\":[\"a/z\"]}\n"
        );
    }

    #[test]
    fn nothing_saved_is_an_empty_object() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(text(ResourceList::new(scratch.path()).finish().unwrap()), "{}\n");
    }

    #[tokio::test]
    async fn more_names_than_fit_in_memory_are_sorted_too() {
        let scratch = tempfile::tempdir().unwrap();
        let names = ResourceList::new(scratch.path());
        let count = 100_000_u32;
        for i in 0..count {
            // A permutation: the multiplier is odd and prime to the count.
            let name = format!("{:0>40}", u64::from(i) * 77_773 % u64::from(count));
            names.add("v1", "Pod", Some("ns"), &name).await.unwrap();
        }
        let runs = names.names.lock().runs.len();
        assert!(runs > 1, "{runs}");
        let list: std::collections::BTreeMap<String, Vec<String>> =
            serde_json::from_str(&text(names.finish().unwrap())).unwrap();
        let expected: Vec<String> = (0..count).map(|i| format!("ns/{i:0>40}")).collect();
        assert_eq!(list["v1/Pod"], expected);
    }
}
