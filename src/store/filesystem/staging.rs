//! Staging of files until they are objects: `<bucket>/.velero-uploads/<id>`.
//!
//! A second file, `<id>.key`, holds the key. It is made first, so that no staged file is without one. There is one directory for all, so that
//! leftovers of a crash are found without walking the bucket, and no directory of theirs looks like a backup.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use uuid::Uuid;

use super::dir::Dir;
use super::failure::failure;
use crate::store::error::{Class, Failure};
use crate::store::provider::{Part, ProviderResult, Unfinished};

/// The directory's name in the bucket. It is removed when it becomes empty, so that other programs find nothing foreign in an idle bucket.
pub(super) const DIR: &str = ".velero-uploads";

const KEY: &str = ".key";

/// How often the directory is created where, without locks, another process may remove it meanwhile.
const TRIES: usize = 8;

/// Begins an upload.
pub(super) fn begin(top: &Dir, key: &str) -> ProviderResult<String> {
    let id = new_id();
    let made = in_dir(top, |dir| stage(dir, &id, key));
    made.map_err(|error| failure(&error))?;
    Ok(id)
}

/// Makes the two files. A second attempt, after another process removed the directory, finds neither.
fn stage(dir: &Dir, id: &str, key: &str) -> io::Result<std::fs::File> {
    let made = dir
        .new_file(&key_file(id))
        .and_then(|mut file| file.write_all(key.as_bytes()))
        .and_then(|()| dir.new_file(id));
    if made.is_err() {
        let _ = dir.remove_file(&key_file(id));
    }
    made
}

/// Writes a part at its place.
pub(super) fn write(top: &Dir, part: &Part) -> ProviderResult<()> {
    let id = checked(&part.id)?;
    let written = top
        .child(DIR)
        .and_then(|dir| dir.file_to_write(&id)?.write_all_at(&part.bytes, part.offset));
    written.map_err(|error| failure(&error))
}

/// Syncs an upload's file and has it renamed by `publish`, which gets the directory and the file's name.
pub(super) fn publish_upload(
    top: &Dir,
    id: &str,
    publish: impl FnOnce(&Dir, &str) -> ProviderResult<()>,
) -> ProviderResult<()> {
    let id = checked(id)?;
    let dir = top.child(DIR).map_err(|error| failure(&error))?;
    dir.file_to_write(&id)
        .and_then(|file| file.sync_all())
        .map_err(|error| failure(&error))?;
    publish(&dir, &id)?;
    // The object is in place; a sweep removes the rest of the upload at the latest.
    let _ = dir.remove_file(&key_file(&id));
    remove_dir(top);
    Ok(())
}

/// Writes a file and has it renamed by `publish`; removes it if that did not happen.
pub(super) fn with_file<T>(
    top: &Dir,
    key: &str,
    bytes: &[u8],
    publish: impl FnOnce(&Dir, &str) -> ProviderResult<T>,
) -> ProviderResult<T> {
    let id = new_id();
    let mut staged = None;
    let made = in_dir(top, |dir| {
        let file = stage(dir, &id, key)?;
        staged = Some(dir.again()?);
        Ok(file)
    });
    let outcome = made
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| failure(&error));
    let outcome = match (&staged, outcome) {
        (Some(dir), Ok(())) => publish(dir, &id),
        (_, Err(failure)) => Err(failure),
        (None, Ok(())) => Err(Failure::new(Class::Other, "the staging file was lost")),
    };
    if let Some(dir) = staged {
        // Gone already if it was published.
        let _ = dir.remove_file(&id);
        let _ = dir.remove_file(&key_file(&id));
    }
    remove_dir(top);
    outcome
}

/// Removes the files of an upload.
pub(super) fn discard(top: &Dir, id: &str) -> ProviderResult<()> {
    let id = checked(id)?;
    let dir = match top.child(DIR) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failure(&error)),
    };
    // The key file goes last, so that a second attempt still finds it.
    let removed = dir.remove_file(&id).and_then(|()| dir.remove_file(&key_file(&id)));
    removed.map_err(|error| failure(&error))?;
    remove_dir(top);
    Ok(())
}

/// Unfinished uploads and puts of keys that begin with `prefix`, and files without a key file.
///
/// An empty key file is left when the process dies before it writes the key; until then it holds the lock. It belongs to no run,
/// so every prefix returns it. Without locks it may be one that is being made, which is then only no longer listed.
pub(super) fn unfinished(top: &Dir, prefix: &str) -> ProviderResult<Vec<Unfinished>> {
    let dir = match top.child(DIR) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failure(&error)),
    };
    let _guard = top.while_removing().map_err(|error| failure(&error))?;
    let mut uploads = Vec::new();
    for entry in dir.entries().map_err(|error| failure(&error))? {
        let id = entry.name.strip_suffix(KEY).unwrap_or(&entry.name);
        if entry.is_dir || checked(id).is_err() || uploads.iter().any(|upload: &Unfinished| upload.id == id) {
            continue;
        }
        let key = match dir.file(&key_file(id)).and_then(io::read_to_string) {
            Ok(empty) if empty.is_empty() => prefix.to_owned(),
            Ok(key) => key,
            Err(_) => String::new(),
        };
        // The key was written when it began.
        let began = dir.stat(&key_file(id)).or_else(|_| dir.stat(id));
        if let Ok(info) = began
            && (key.is_empty() || key.starts_with(prefix))
        {
            uploads.push(Unfinished {
                key,
                id: id.to_owned(),
                began: info.modified,
            });
        }
    }
    Ok(uploads)
}

/// Works in the staging directory, after making it if need be.
fn in_dir<T>(top: &Dir, mut work: impl FnMut(&Dir) -> io::Result<T>) -> io::Result<T> {
    let _guard = top.while_making()?;
    let mut tries = TRIES;
    loop {
        match top.child_or_new(DIR).and_then(|dir| work(&dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
            done => return done,
        }
    }
}

/// Removes the staging directory if it is empty. One that stays does no harm.
fn remove_dir(top: &Dir) {
    if let Ok(_guard) = top.while_removing() {
        top.remove_dir(DIR);
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

fn key_file(id: &str) -> String {
    format!("{id}{KEY}")
}

/// An id comes from a record, which may have been edited, and becomes a file's name.
fn checked(id: &str) -> ProviderResult<String> {
    match Uuid::try_parse(id) {
        Ok(uuid) => Ok(uuid.to_string()),
        Err(_) => Err(Failure::new(Class::Invalid, "that is not the id of an upload")),
    }
}
