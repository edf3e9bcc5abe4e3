//! Writing an archive again with some items changed, as finishing a backup does once its operations are done (spec backup 14.3).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::layout::{ItemPath, Member, UnsafeName, VERSION_PATH, copies};
use super::reader::{self, Limits, ReadError, Sink, Summary};
use super::writer::{ArchiveWriter, WriteError};

/// The changed items, by path, so that both copies are replaced. They are few and held in memory.
#[derive(Debug, Default)]
pub struct Changes {
    entries: BTreeMap<String, Vec<u8>>,
}

impl Changes {
    /// An item as it is now; arguments as of [`ArchiveWriter::item`].
    pub fn item(&mut self, item: &ItemPath<'_>, version: &str, preferred: bool, json: &[u8]) -> Result<(), UnsafeName> {
        for path in copies(item, version, preferred)? {
            self.entries.insert(path, json.to_vec());
        }
        Ok(())
    }
}

impl Changes {
    /// One member as it is now.
    pub fn entry(&mut self, path: &str, json: &[u8]) {
        self.entries.insert(path.to_owned(), json.to_vec());
    }
}

/// Why an archive could not be written again.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The old one cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new one cannot be written; it is broken.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Copies an archive entry by entry: changed items are replaced in place, new items come at the end. The caller begins `new` and
/// finishes it.
pub fn rewrite<R: Read, W: Write>(
    old: R,
    limits: &Limits,
    changes: Changes,
    new: &mut ArchiveWriter<W>,
) -> Result<Summary, RewriteError> {
    let mut copying = Copying {
        changes: changes.entries,
        new,
        failed: None,
    };
    let summary = reader::read(old, limits, &mut copying).map_err(|error| match copying.failed.take() {
        Some(failed) => RewriteError::Write(failed),
        None => RewriteError::Read(error),
    })?;
    for (path, content) in copying.changes {
        copying.new.entry(&path, &content)?;
    }
    Ok(summary)
}

struct Copying<'a, W: Write> {
    changes: BTreeMap<String, Vec<u8>>,
    new: &'a mut ArchiveWriter<W>,
    failed: Option<WriteError>,
}

impl<W: Write> Sink for Copying<'_, W> {
    fn member(&mut self, _member: Member<'_>, path: &str, content: &[u8]) -> io::Result<()> {
        // The new archive has begun with its own.
        if path == VERSION_PATH {
            return Ok(());
        }
        let changed = self.changes.remove(path);
        self.new
            .entry(path, changed.as_deref().unwrap_or(content))
            .map_err(|error| {
                self.failed = Some(error);
                io::ErrorKind::Other.into()
            })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::archive::writer::gzip;

    fn item(name: &str) -> ItemPath<'_> {
        ItemPath {
            group_resource: "pods",
            namespace: Some("shop"),
            name,
        }
    }

    fn archive(items: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ArchiveWriter::new(gzip(Vec::new()), 7).unwrap();
        for (name, json) in items {
            writer.item(&item(name), "v1", true, json.as_bytes()).unwrap();
        }
        writer.finish().unwrap().finish().unwrap()
    }

    #[test]
    fn changed_items_stay_in_their_places_and_new_ones_come_last() {
        let old = archive(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let mut changes = Changes::default();
        changes.item(&item("new"), "v1", true, b"9").unwrap();
        changes.item(&item("b"), "v1", true, b"two").unwrap();
        let mut new = ArchiveWriter::new(gzip(Vec::new()), 7).unwrap();
        let summary = rewrite(old.as_slice(), &Limits::default(), changes, &mut new).unwrap();
        assert_eq!(summary.members, 7);
        let new = new.finish().unwrap().finish().unwrap();
        assert!(new == archive(&[("a", "1"), ("b", "two"), ("c", "3"), ("new", "9")]));
    }

    #[test]
    fn an_archive_without_changes_is_copied_as_it_is() {
        let old = archive(&[("a", "1"), ("b", "2")]);
        let mut new = ArchiveWriter::new(gzip(Vec::new()), 7).unwrap();
        rewrite(old.as_slice(), &Limits::default(), Changes::default(), &mut new).unwrap();
        assert!(new.finish().unwrap().finish().unwrap() == old);
    }

    #[test]
    fn the_error_names_which_of_the_two_archives_failed() {
        let old = archive(&[("a", "1")]);
        let mut new = ArchiveWriter::new(Vec::new(), 7).unwrap();
        let cut = rewrite(&old[..old.len() / 2], &Limits::default(), Changes::default(), &mut new);
        assert!(matches!(cut, Err(RewriteError::Read(ReadError::Truncated { .. }))));

        let mut full = [0; 2048];
        let mut new = ArchiveWriter::new(Cursor::new(&mut full[..]), 7).unwrap();
        let full = rewrite(old.as_slice(), &Limits::default(), Changes::default(), &mut new);
        assert!(matches!(full, Err(RewriteError::Write(WriteError::Io(_)))));
    }
}
