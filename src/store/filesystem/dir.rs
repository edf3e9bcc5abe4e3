//! Directories as open handles: every step of a path is opened below the one before, and none may be a symbolic link. So no key and nobody who
//! plants links can lead outside of the bucket, at whatever moment.

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

/// Keeps the directories below one from being removed, or from being made, until it is dropped.
#[must_use]
#[derive(Debug)]
pub(super) struct Guard(#[expect(dead_code, reason = "closing it lets go")] Option<OwnedFd>);

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) is_dir: bool,
}

/// What is known of a file.
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
    /// Opens the root, the only path that may lead over links: it is the administrator's.
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

    /// While directories are made and filled below this one: nobody removes any, empty as they still are.
    pub(super) fn while_making(&self) -> io::Result<Guard> {
        self.lock(FlockOperation::LockShared)
    }

    /// While empty directories are removed below this one: nobody is about to fill them.
    pub(super) fn while_removing(&self) -> io::Result<Guard> {
        self.lock(FlockOperation::LockExclusive)
    }

    /// Waits for others on this machine, other processes too. A file system without such locks, or with locks that a directory
    /// cannot have (NFS), has none: then whoever loses a race tries again.
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

    /// Opens a file for reading. Without waiting: a pipe with that name would keep us until somebody writes.
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

    /// What is known of a file in this directory; what is no regular file counts as missing, as it does in listings.
    pub(super) fn stat(&self, name: &str) -> io::Result<FileInfo> {
        regular(&rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// What is in this directory: files and directories, and nothing that is neither.
    pub(super) fn entries(&self) -> io::Result<Vec<Named>> {
        let mut named = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                kind => kind,
            };
            // What is not UTF-8 cannot have come from here.
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
                // The object is there; the staging file is removed by whoever made it, and else swept.
                let _ = self.remove_file(from);
                Ok(())
            }
            // Some file systems have no links, but all of those can do this.
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

    /// Removes a directory if it is empty; says whether it did.
    pub(super) fn remove_dir(&self, name: &str) -> bool {
        rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR).is_ok()
    }

    /// Makes what was last renamed, linked or made in this directory survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.0) {
            // Some network file systems cannot sync a directory; they do it with each operation.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is known of an open file.
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
