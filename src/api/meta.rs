//! Object metadata in Go's order of fields. k8s-openapi writes them in alphabetical order; readers accept both, but
//! `velero-backup.json` and printed objects should equal those of the Go release.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference, Time};
use serde::{Serialize, Serializer};

/// Writes metadata as Go does, with `"creationTimestamp": null` for an object that the API server has not seen.
pub(crate) struct InGoOrder<'a>(pub(crate) &'a ObjectMeta);

impl Serialize for InGoOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let meta = self.0;
        Metadata {
            name: &meta.name,
            generate_name: &meta.generate_name,
            namespace: &meta.namespace,
            self_link: &meta.self_link,
            uid: &meta.uid,
            resource_version: &meta.resource_version,
            generation: meta.generation,
            creation_timestamp: &meta.creation_timestamp,
            deletion_timestamp: &meta.deletion_timestamp,
            deletion_grace_period_seconds: meta.deletion_grace_period_seconds,
            labels: &meta.labels,
            annotations: &meta.annotations,
            owner_references: meta.owner_references.iter().flatten().map(Owner::from).collect(),
            finalizers: &meta.finalizers,
            managed_fields: meta.managed_fields.iter().flatten().map(Managed::from).collect(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generate_name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_link: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    creation_timestamp: &'a Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_timestamp: &'a Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_grace_period_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: &'a Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: &'a Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_references: Vec<Owner<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finalizers: &'a Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    managed_fields: Vec<Managed<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_owner_deletion: Option<bool>,
}

impl<'a> From<&'a OwnerReference> for Owner<'a> {
    fn from(owner: &'a OwnerReference) -> Self {
        Self {
            api_version: &owner.api_version,
            kind: &owner.kind,
            name: &owner.name,
            uid: &owner.uid,
            controller: owner.controller,
            block_owner_deletion: owner.block_owner_deletion,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Managed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: &'a Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields_type: &'a Option<String>,
    #[serde(rename = "fieldsV1", skip_serializing_if = "Option::is_none")]
    fields_v1: &'a Option<FieldsV1>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subresource: &'a Option<String>,
}

impl<'a> From<&'a ManagedFieldsEntry> for Managed<'a> {
    fn from(entry: &'a ManagedFieldsEntry) -> Self {
        Self {
            manager: &entry.manager,
            operation: &entry.operation,
            api_version: &entry.api_version,
            time: &entry.time,
            fields_type: &entry.fields_type,
            fields_v1: &entry.fields_v1,
            subresource: &entry.subresource,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn metadata_loses_nothing_and_stands_in_gos_order() {
        let text = concat!(
            r#"{"name":"n","generateName":"g","namespace":"s","selfLink":"l","uid":"u","resourceVersion":"1","generation":2,"#,
            r#""creationTimestamp":"2026-11-23T19:22:17Z","deletionTimestamp":"2026-11-23T19:22:18Z","#,
            r#""deletionGracePeriodSeconds":0,"labels":{"a":"b"},"annotations":{},"ownerReferences":[{"apiVersion":"v1","#,
            r#""kind":"K","name":"o","uid":"x","controller":true,"blockOwnerDeletion":false}],"finalizers":["f"],"#,
            r#""managedFields":[{"manager":"m","operation":"Apply","apiVersion":"v1","time":"2026-11-23T19:22:17Z","#,
            r#""fieldsType":"FieldsV1","fieldsV1":{"f:spec":{}},"subresource":"status"}]}"#
        );
        let meta: ObjectMeta = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&InGoOrder(&meta)).unwrap(), text);
    }

    #[test]
    fn an_object_the_api_server_has_not_seen_has_a_null_creation_time() {
        let meta = ObjectMeta {
            name: Some("n".to_owned()),
            ..Default::default()
        };
        let ours: Value = serde_json::to_value(InGoOrder(&meta)).unwrap();
        assert_eq!(ours, json!({"name": "n", "creationTimestamp": null}));
    }
}
