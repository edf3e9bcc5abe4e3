//! The definitions of all kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::schema::Definition;
use super::{v1, v2alpha1};

/// All kinds, in the order of the specification.
pub const DEFINITIONS: [Definition; 13] = [
    v1::Backup::DEFINITION,
    v1::Restore::DEFINITION,
    v1::Schedule::DEFINITION,
    v1::BackupStorageLocation::DEFINITION,
    v1::VolumeSnapshotLocation::DEFINITION,
    v1::DownloadRequest::DEFINITION,
    v1::DeleteBackupRequest::DEFINITION,
    v1::ServerStatusRequest::DEFINITION,
    v1::PodVolumeBackup::DEFINITION,
    v1::PodVolumeRestore::DEFINITION,
    v1::BackupRepository::DEFINITION,
    v2alpha1::DataUpload::DEFINITION,
    v2alpha1::DataDownload::DEFINITION,
];

/// The definitions of all kinds, ready to be created. The same at every call.
pub fn crds() -> Vec<CustomResourceDefinition> {
    DEFINITIONS.iter().map(Definition::crd).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_definition_of_its_own() {
        let crds = crds();
        let names: BTreeSet<_> = crds.iter().filter_map(|crd| crd.metadata.name.clone()).collect();
        assert_eq!(names.len(), 13);
    }

    #[test]
    fn no_definition_has_a_status_subresource() {
        for crd in crds() {
            for version in crd.spec.versions {
                assert_eq!(
                    version.subresources.and_then(|sub| sub.status),
                    None,
                    "{:?}",
                    crd.metadata.name
                );
            }
        }
    }

    #[test]
    fn definitions_are_the_same_at_every_call() {
        assert_eq!(crds(), crds());
    }
}
