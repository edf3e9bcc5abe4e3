//! The custom resource definitions, made from the types: controller-gen's shape, not schemars' (spec api 4).

mod column;
mod primitive;
mod shape;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::Schema;

use super::{GROUP, v1, v2alpha1};
pub use column::Column;
pub(crate) use primitive::{Bytes, Int};
pub(crate) use shape::of;

/// What one definition is made of.
#[derive(Clone, Copy)]
pub struct Definition {
    /// The kind.
    pub kind: &'static str,
    /// The only version, served and stored.
    pub version: &'static str,
    /// The plural, in lower case.
    pub plural: &'static str,
    /// Short names for command lines.
    pub short_names: &'static [&'static str],
    /// What `kubectl get` shows besides the name.
    pub columns: &'static [Column],
    /// What the kind is for.
    pub description: &'static str,
    /// Makes the schema of the spec.
    pub spec: fn() -> Schema,
    /// Makes the schema of the status.
    pub status: fn() -> Schema,
}

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

impl Definition {
    /// Name of the file the definition is kept in: `velero.io_backups.yaml`.
    pub fn file_name(&self) -> String {
        format!("{GROUP}_{}.yaml", self.plural)
    }

    /// Name of the definition: `backups.velero.io`.
    pub fn name(&self) -> String {
        format!("{}.{GROUP}", self.plural)
    }

    /// The definition, ready to be created.
    pub fn crd(&self) -> CustomResourceDefinition {
        CustomResourceDefinition {
            metadata: ObjectMeta {
                name: Some(self.name()),
                ..Default::default()
            },
            spec: CustomResourceDefinitionSpec {
                group: GROUP.to_owned(),
                names: CustomResourceDefinitionNames {
                    kind: self.kind.to_owned(),
                    list_kind: Some(format!("{}List", self.kind)),
                    plural: self.plural.to_owned(),
                    short_names: list(self.short_names.iter().map(|name| (*name).to_owned())),
                    singular: Some(self.kind.to_lowercase()),
                    ..Default::default()
                },
                scope: "Namespaced".to_owned(),
                versions: vec![self.version()],
                ..Default::default()
            },
            status: None,
        }
    }

    fn version(&self) -> CustomResourceDefinitionVersion {
        CustomResourceDefinitionVersion {
            name: self.version.to_owned(),
            served: true,
            storage: true,
            additional_printer_columns: list(self.columns.iter().map(Column::definition)),
            schema: Some(CustomResourceValidation {
                open_api_v3_schema: Some(self.root()),
            }),
            // Never `status`: a plain create may carry a status, and clients rely on that (spec api 2.1). controller-gen
            // writes the empty form on kinds with columns.
            subresources: (!self.columns.is_empty()).then(CustomResourceSubresources::default),
            ..Default::default()
        }
    }

    #[expect(clippy::expect_used, reason = "made of constants; a test makes each of them")]
    fn root(&self) -> JSONSchemaProps {
        let root = shape::root(self.description, (self.spec)(), (self.status)());
        serde_json::from_value(root).expect("a type's schema is one that Kubernetes knows")
    }
}

fn list<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
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
