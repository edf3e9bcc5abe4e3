//! CRDs made from the types, in the shape that controller-gen writes and not in schemars' (spec api 4).

mod column;
mod primitive;
mod shape;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::Schema;

use super::GROUP;
pub use column::Column;
pub(crate) use primitive::{Bytes, Int};
pub(crate) use shape::of;

/// The parts of one CRD.
#[derive(Clone, Copy)]
pub struct Crd {
    /// The kind.
    pub kind: &'static str,
    /// The only version, served and stored.
    pub version: &'static str,
    /// The plural, in lower case.
    pub plural: &'static str,
    /// Short names for command lines.
    pub short_names: &'static [&'static str],
    /// Columns of `kubectl get` beside the name.
    pub columns: &'static [Column],
    /// Description of the kind.
    pub description: &'static str,
    /// Makes the schema of the spec.
    pub spec: fn() -> Schema,
    /// Makes the schema of the status.
    pub status: fn() -> Schema,
}

impl Crd {
    /// Name of the CRD's file: `velero.io_backups.yaml`.
    pub fn file_name(&self) -> String {
        format!("{GROUP}_{}.yaml", self.plural)
    }

    /// Name of the CRD: `backups.velero.io`.
    pub fn name(&self) -> String {
        format!("{}.{GROUP}", self.plural)
    }

    /// The CRD, ready to be created.
    pub fn manifest(&self) -> CustomResourceDefinition {
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
            additional_printer_columns: list(self.columns.iter().map(Column::manifest)),
            schema: Some(CustomResourceValidation {
                open_api_v3_schema: Some(self.root()),
            }),
            // Never `status`: clients rely on a plain create that carries a status (spec api 2.1). controller-gen writes the
            // empty form on kinds with columns.
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
