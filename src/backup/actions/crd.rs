//! `velero.io/crd-remap-version`: a CRD that was written for v1beta1 and is not valid in v1 is saved as v1beta1, if the cluster
//! still serves that (before Kubernetes 1.22).

use futures::future::BoxFuture;
use serde_json::Value;

use super::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed};
use crate::backup::item::Item;
use crate::cluster::discovery::{Discovery, Resource};

const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";
const OLD: &str = "v1beta1";

/// See the module.
pub(super) struct RemapCrdVersion;

impl BackupItemAction for RemapCrdVersion {
    fn name(&self) -> &'static str {
        "velero.io/crd-remap-version"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::types(&["customresourcedefinitions.apiextensions.k8s.io"])
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        Box::pin(async move {
            let old = old_version(context.discovery);
            if let Some(old) = old.filter(|_| item.head().api_version != format!("{GROUP}/{OLD}"))
                && written_for_v1beta1(&item.read()?)
                && let Some(object) = context.reader.get(old, None, &item.head().name).await?
            {
                *item.edit()? = object.value()?;
            }
            Ok(Executed::default())
        })
    }
}

fn old_version(discovery: &Discovery) -> Option<&Resource> {
    discovery
        .all()
        .iter()
        .find(|r| r.group == GROUP && r.version == OLD && r.plural == PLURAL)
}

/// Whether a v1 CRD was written for v1beta1.
fn written_for_v1beta1(crd: &Value) -> bool {
    let spec = &crd["spec"];
    let no_schema = spec["versions"][0]["schema"]["openAPIV3Schema"].is_null();
    let preserves = spec["preserveUnknownFields"] == true;
    let conditions = crd["status"]["conditions"].as_array();
    let not_structural = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "NonStructuralSchema");
    no_schema || preserves || not_structural
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn crds_written_for_v1beta1_are_recognised() {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        for (what, crd, old) in [
            ("a v1 one", json!({"spec": {"versions": [{"schema": schema}]}}), false),
            ("no schema", json!({"spec": {"versions": [{"name": "v1"}]}}), true),
            (
                "unknown fields",
                json!({"spec": {"versions": [{"schema": schema}], "preserveUnknownFields": true}}),
                true,
            ),
            (
                "no structural schema, whatever its status",
                json!({"spec": {"versions": [{"schema": schema}]},
                       "status": {"conditions": [{"type": "NonStructuralSchema", "status": "False"}]}}),
                true,
            ),
        ] {
            assert_eq!(written_for_v1beta1(&crd), old, "{what}");
        }
    }
}
