//! Types that no backup collects, with any lists.

use crate::select::includes::EVERYTHING;

/// Excluded from every backup: snapshots are made by the backup, not collected (spec backup 4, row 16). [since 1.17]
pub const AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES: [&str; 1] = ["volumesnapshots.snapshot.storage.k8s.io"];

/// As [`AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES`], of cluster scope.
pub const AUTOMATIC_CLUSTER_SCOPED_EXCLUDES: [&str; 1] = ["volumesnapshotcontents.snapshot.storage.k8s.io"];

/// Adds the automatic excludes to a pair of lists as they are written back into the spec, and takes them out of the
/// includes, unless that would leave an empty list, which means everything (spec backup 22-C7).
pub fn with_automatic_excludes(includes: &mut Vec<String>, excludes: &mut Vec<String>, automatic: &[&str]) {
    for &name in automatic {
        // `*` includes it, and must not be beside other entries.
        if !excludes.iter().any(|exclude| exclude == name || exclude == EVERYTHING) {
            excludes.push(name.to_owned());
        }
    }
    if includes.iter().any(|include| !automatic.contains(&include.as_str())) {
        includes.retain(|include| !automatic.contains(&include.as_str()));
    }
}

pub(super) fn is_automatic(name: &str) -> bool {
    AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES.contains(&name) || AUTOMATIC_CLUSTER_SCOPED_EXCLUDES.contains(&name)
}
