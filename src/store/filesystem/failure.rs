//! From the errors of the operating system to those of a store.

use std::io;

use crate::store::error::{Class, Failure};

/// The class of an error of the operating system.
pub(super) fn failure(error: &io::Error) -> Failure {
    use rustix::io::Errno;
    let class = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => return Failure::not_found(),
        // A part of the path is a file, a link or a special file.
        Some(Errno::NOTDIR | Errno::LOOP) => {
            return Failure::new(Class::NotFound, "a part of its path is a file or a symbolic link");
        }
        Some(Errno::ACCESS | Errno::PERM) => Class::Permission,
        Some(Errno::ROFS) => Class::ReadOnly,
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Class::Full,
        Some(Errno::NAMETOOLONG) => Class::Invalid,
        Some(
            Errno::IO
            | Errno::STALE
            | Errno::TIMEDOUT
            | Errno::NODEV
            | Errno::NXIO
            | Errno::NOTCONN
            | Errno::HOSTDOWN
            | Errno::AGAIN
            | Errno::MFILE
            | Errno::NFILE,
        ) => Class::Unavailable,
        None if error.kind() == io::ErrorKind::NotFound => return Failure::not_found(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Failure::new(Class::Unavailable, "the file has become shorter while it was read");
        }
        _ => Class::Other,
    };
    Failure::new(class, error.to_string().to_lowercase())
}
