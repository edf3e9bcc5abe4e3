//! The scratch directory, and the limit for what is spooled there (decision 21).

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Makes the scratch directory, and uses it for all temporary files: the image has no /tmp, and a Deployment that was not made by `velero
/// install` need not set TMPDIR.
///
/// # Errors
/// It cannot be made.
pub(super) fn prepare(scratch: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(scratch).with_context(|| {
        format!(
            "create the scratch directory {}; check --scratch-dir",
            scratch.display()
        )
    })?;
    // Fails if another one was set before; then that is used.
    let _ = tempfile::env::override_temp_dir(scratch);
    Ok(())
}

/// Four fifths of the free space of the directory's file system; no limit if that is unknown.
pub(super) fn spool_limit(scratch: &Path) -> u64 {
    rustix::fs::statvfs(scratch).map_or(u64::MAX, |free| free.f_bavail.saturating_mul(free.f_frsize) / 5 * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_scratch_directory_has_a_limit() {
        let limit = spool_limit(&std::env::temp_dir());
        assert!(limit > 0 && limit < u64::MAX);
        assert_eq!(spool_limit(Path::new("/no/such/directory")), u64::MAX);
    }
}
