//! How much room there is for spooling (decision 21).

use std::path::Path;

/// Four fifths of what is free on the file system of this directory; without an answer, nothing is known to be too much.
pub(super) fn spool_limit(scratch: &Path) -> u64 {
    rustix::fs::statvfs(scratch).map_or(u64::MAX, |free| free.f_bavail.saturating_mul(free.f_frsize) / 5 * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_directory_has_a_limit_and_one_that_is_not_there_has_none() {
        let limit = spool_limit(&std::env::temp_dir());
        assert!(limit > 0 && limit < u64::MAX);
        assert_eq!(spool_limit(Path::new("/no/such/directory")), u64::MAX);
    }
}
