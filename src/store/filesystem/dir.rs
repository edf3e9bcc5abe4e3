//! Directories as open handles: each step of a path is opened relative to the one before, and none may be a symbolic link. So neither a key nor a
//! link that is planted meanwhile leads out of the bucket.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

/// Files hold Secrets in clear: no access for others (spec plugins 12.5).
const FILE_MODE: u32 = 0o640;
const DIR_MODE: u32 = 0o750;

/// An open directory.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

/// A lock on a directory: until it is dropped, directories below are not removed, or not made.
#[must_use]
#[derive(Debug)]
pub(super) struct Guard(#[expect(dead_code, reason = "closing it releases the lock")] Option<OwnedFd>);

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) is_dir: bool,
}

/// Metadata of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileInfo {
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) modified: Timestamp,
}

fn dir_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

impl Dir {
    /// Opens the root, the only path in which links are allowed: the administrator sets it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, dir_flags(), Mode::empty())?))
    }

    /// Opens a directory in this one.
    pub(super) fn child(&self, name: &str) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(
            &self.0,
            name,
            dir_flags() | OFlags::NOFOLLOW,
            Mode::empty(),
        )?))
    }

    /// Opens a directory in this one, after making it if need be; durable.
    pub(super) fn child_or_new(&self, name: &str) -> io::Result<Self> {
        match self.child(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(DIR_MODE)) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.child(name)
    }

    /// Opens the directory at the end of a path in this one.
    pub(super) fn descend<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        names.into_iter().try_fold(self.again()?, |dir, name| dir.child(name))
    }

    /// Opens the directory at the end of a path in this one, making what is missing.
    pub(super) fn descend_or_new<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        names
            .into_iter()
            .try_fold(self.again()?, |dir, name| dir.child_or_new(name))
    }

    /// Held while directories are made and filled below this one: until then they are empty, and a deletion would remove them.
    pub(super) fn while_making(&self) -> io::Result<Guard> {
        self.lock(FlockOperation::LockShared)
    }

    /// Held while empty directories are removed below this one, so that no write is about to use one.
    pub(super) fn while_removing(&self) -> io::Result<Guard> {
        self.lock(FlockOperation::LockExclusive)
    }

    /// Waits for other threads and processes of this machine. Some file systems have no such locks, or none on directories (NFS):
    /// there the call that loses a race is retried.
    fn lock(&self, operation: FlockOperation) -> io::Result<Guard> {
        // Opened anew, since a lock belongs to an open directory and not to its handles.
        let Self(dir) = self.child(".")?;
        loop {
            match rustix::fs::flock(&dir, operation) {
                Ok(()) => return Ok(Guard(Some(dir))),
                Err(Errno::INTR) => {}
                Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::BADF) => {
                    return Ok(Guard(None));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A second handle of the same directory.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Opens a file for reading. Non-blocking: opening a pipe of that name would wait for a writer.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Opens a file for writing.
    pub(super) fn file_to_write(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Makes a file that was not there.
    pub(super) fn new_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(FILE_MODE))?.into())
    }

    /// Size and date of a file in this directory. What is no regular file counts as missing, as in listings.
    pub(super) fn stat(&self, name: &str) -> io::Result<FileInfo> {
        regular(&rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The files and directories in this directory.
    pub(super) fn entries(&self) -> io::Result<Vec<Named>> {
        let mut named = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = match entry.file_type() {
                // Some file systems do not report the type.
                FileType::Unknown => match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                kind => kind,
            };
            // Keys are UTF-8, so this file is not ours.
            let Ok(name) = name.to_str() else { continue };
            match kind {
                FileType::Directory if name != "." && name != ".." => named.push(Named {
                    name: name.to_owned(),
                    is_dir: true,
                }),
                FileType::RegularFile => named.push(Named {
                    name: name.to_owned(),
                    is_dir: false,
                }),
                _ => {}
            }
        }
        Ok(named)
    }

    /// Moves a file to another directory over whatever file is there.
    pub(super) fn rename(&self, from: &str, to_dir: &Self, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &to_dir.0, to)?)
    }

    /// Moves a file to another directory unless there is something of that name.
    pub(super) fn rename_new(&self, from: &str, to_dir: &Self, to: &str) -> io::Result<()> {
        match rustix::fs::linkat(&self.0, from, &to_dir.0, to, AtFlags::empty()) {
            Ok(()) => {
                // The object is in place; its writer removes the staging file, or a sweep does.
                let _ = self.remove_file(from);
                Ok(())
            }
            // Some file systems have no hard links; all of those support this.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => Ok(rustix::fs::renameat_with(
                &self.0,
                from,
                &to_dir.0,
                to,
                RenameFlags::NOREPLACE,
            )?),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file; one that is not there is success.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a directory if it is empty; returns whether it did.
    pub(super) fn remove_dir(&self, name: &str) -> bool {
        rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR).is_ok()
    }

    /// Makes the last renames, links and creations in this directory survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.0) {
            // Some network file systems cannot sync a directory; they sync each operation.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Metadata of an open file.
pub(super) fn info(file: &File) -> io::Result<FileInfo> {
    regular(&rustix::fs::fstat(file)?)
}

#[expect(clippy::unnecessary_cast, reason = "the field's type differs from system to system")]
fn regular(stat: &Stat) -> io::Result<FileInfo> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::ErrorKind::NotFound.into());
    }
    let nanos = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    let modified = Timestamp::new(stat.st_mtime as i64, nanos).unwrap_or_default();
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    // The inode differs for each version of an object, because each is written to a file of its own.
    let etag = format!("\"{:x}-{:x}-{size:x}\"", stat.st_ino, modified.as_nanosecond());
    Ok(FileInfo { size, etag, modified })
}
