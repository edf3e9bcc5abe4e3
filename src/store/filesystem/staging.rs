//! Where files are until they are objects: `<bucket>/.velero-uploads/<id>`.
//!
//! Each has a second file, `<id>.key`, that says what it was to become; it is made first, so that no file is ever without. One directory for all:
//! what a crash leaves behind is found without walking the bucket, and makes no directory look like a backup.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use uuid::Uuid;

use super::dir::Dir;
use super::failure::failure;
use crate::store::error::{Class, Failure};
use crate::store::provider::{Outcome, Part, Unfinished};

/// The directory's name in the bucket. Removed while it is empty, so that other programs find nothing foreign in an idle bucket.
pub(super) const DIR: &str = ".velero-uploads";

const KEY: &str = ".key";

/// Times that the directory is made anew where nothing keeps others from removing it, empty as it was.
const TRIES: usize = 8;

/// Begins an upload.
pub(super) fn begin(top: &Dir, key: &str) -> Outcome<String> {
    let id = new_id();
    let made = in_dir(top, |dir| stage(dir, &id, key));
    made.map_err(|error| failure(&error))?;
    Ok(id)
}

/// Makes the two files. A second attempt, after others have removed the directory, finds neither.
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
pub(super) fn write(top: &Dir, part: &Part) -> Outcome<()> {
    let id = checked(&part.id)?;
    let written = top
        .child(DIR)
        .and_then(|dir| dir.file_to_write(&id)?.write_all_at(&part.bytes, part.offset));
    written.map_err(|error| failure(&error))
}

/// Syncs an upload's file and has it renamed by `publish`, which gets the directory and the file's name.
pub(super) fn publish_upload(top: &Dir, id: &str, publish: impl FnOnce(&Dir, &str) -> Outcome<()>) -> Outcome<()> {
    let id = checked(id)?;
    let dir = top.child(DIR).map_err(|error| failure(&error))?;
    dir.file_to_write(&id)
        .and_then(|file| file.sync_all())
        .map_err(|error| failure(&error))?;
    publish(&dir, &id)?;
    // The object is there; what is left of the upload is swept at the latest.
    let _ = dir.remove_file(&key_file(&id));
    remove_dir(top);
    Ok(())
}

/// Writes a file and has it renamed by `publish`; removes it if that did not happen.
pub(super) fn with_file<T>(
    top: &Dir,
    key: &str,
    bytes: &[u8],
    publish: impl FnOnce(&Dir, &str) -> Outcome<T>,
) -> Outcome<T> {
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

/// Removes what there is of an upload.
pub(super) fn discard(top: &Dir, id: &str) -> Outcome<()> {
    let id = checked(id)?;
    let dir = match top.child(DIR) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failure(&error)),
    };
    // The key goes last: until then a second attempt knows whose file it is.
    let removed = dir.remove_file(&id).and_then(|()| dir.remove_file(&key_file(&id)));
    removed.map_err(|error| failure(&error))?;
    remove_dir(top);
    Ok(())
}

/// Uploads and halves of puts whose keys begin with `prefix`, and files without a key file.
///
/// An empty key file is a beginning that a death cut off: a beginning holds the lock until its key is written. It belongs to no
/// run, so any prefix gets it. Without locks it could be one that is just being made, which is then only no longer listed.
pub(super) fn unfinished(top: &Dir, prefix: &str) -> Outcome<Vec<Unfinished>> {
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

/// Removes the staging directory if it is empty. One that stays is in nobody's way.
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

/// An id comes back from a record that somebody may have edited, and becomes a file's name.
fn checked(id: &str) -> Outcome<String> {
    match Uuid::try_parse(id) {
        Ok(uuid) => Ok(uuid.to_string()),
        Err(_) => Err(Failure::new(Class::Invalid, "that is not the id of an upload")),
    }
}
