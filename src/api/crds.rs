//! The CRDs of all kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::schema::Crd;
use super::{v1, v2alpha1};

/// All kinds, in the order of the specification.
pub const CRDS: [Crd; 13] = [
    v1::Backup::CRD,
    v1::Restore::CRD,
    v1::Schedule::CRD,
    v1::BackupStorageLocation::CRD,
    v1::VolumeSnapshotLocation::CRD,
    v1::DownloadRequest::CRD,
    v1::DeleteBackupRequest::CRD,
    v1::ServerStatusRequest::CRD,
    v1::PodVolumeBackup::CRD,
    v1::PodVolumeRestore::CRD,
    v1::BackupRepository::CRD,
    v2alpha1::DataUpload::CRD,
    v2alpha1::DataDownload::CRD,
];

/// The CRDs of all kinds, ready to be created. The same at every call.
pub fn crds() -> Vec<CustomResourceDefinition> {
    CRDS.iter().map(Crd::manifest).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_own_crd() {
        let crds = crds();
        let names: BTreeSet<_> = crds.iter().filter_map(|crd| crd.metadata.name.clone()).collect();
        assert_eq!(names.len(), 13);
    }

    #[test]
    fn no_crd_has_a_status_subresource() {
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
    fn crds_are_the_same_at_every_call() {
        assert_eq!(crds(), crds());
    }
}
