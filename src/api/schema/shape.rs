//! From schemars' schemas to controller-gen's.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Marks a field for which the API server fills in a default: the one way to a `default` in a CRD.
const SERVED_DEFAULT: &str = "x-served-default";

/// The schema of a spec or a status.
pub(crate) fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
            // The default list contains AddNullable, which controller-gen does not do.
            settings.transforms = vec![Box::new(AsGo)];
        })
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The schema of an object. No part of it is required: the API server admits a Backup without a spec.
pub(super) fn root(description: &str, spec: Schema, status: Schema) -> Value {
    json!({
        "description": description,
        "type": "object",
        "properties": {
            "apiVersion": {
                "description": "Group and version of the kind: which fields there are.",
                "type": "string",
            },
            "kind": {
                "description": "What this object is.",
                "type": "string",
            },
            "metadata": {"type": "object"},
            "spec": spec.to_value(),
            "status": status.to_value(),
        },
    })
}

/// What controller-gen writes: an `Option` is an optional field, and `nullable` is only where a field sets it. No titles.
/// No defaults: the API server would write them into objects.
#[derive(Clone)]
struct AsGo;

impl Transform for AsGo {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else { return };
        drop_null_type(schema);
        drop_null_text(schema);
        drop_null_arm(schema);
        schema.remove("title");
        schema.remove("default");
        if let Some(default) = schema.remove(SERVED_DEFAULT) {
            schema.insert("default".to_owned(), default);
        }
    }
}

/// `type: [string, "null"]` becomes `type: string`.
fn drop_null_type(schema: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = schema.get_mut("type") else {
        return;
    };
    types.retain(|name| name != "null");
    if let [only] = types.as_mut_slice() {
        let only = only.take();
        schema.insert("type".to_owned(), only);
    }
}

/// `enum: [A, B, null]` becomes `enum: [A, B]`.
fn drop_null_text(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(texts)) = schema.get_mut("enum") {
        texts.retain(|text| !text.is_null());
    }
}

/// `anyOf: [X, {type: "null"}]` becomes X; keywords of the field itself win.
fn drop_null_arm(schema: &mut Map<String, Value>) {
    let Some(Value::Array(arms)) = schema.get_mut("anyOf") else {
        return;
    };
    arms.retain(|arm| arm.get("type") != Some(&json!("null")));
    if arms.len() != 1 {
        return;
    }
    if let Some(Value::Array(arms)) = schema.remove("anyOf")
        && let Some(Value::Object(arm)) = arms.into_iter().next()
    {
        for (key, value) in arm {
            schema.entry(key).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{GoDuration, HookErrorMode, LabelSelector, SecretKeySelector};

    #[derive(serde::Serialize, serde::Deserialize, JsonSchema, Default)]
    #[serde(default)]
    #[allow(dead_code, reason = "only the schema is of interest")]
    struct Sample {
        /// A number.
        #[schemars(with = "crate::api::schema::Int")]
        count: i64,
        bytes: i64,
        #[schemars(extend("nullable" = true))]
        flag: Option<bool>,
        wait: Option<GoDuration>,
        mode: Option<HookErrorMode>,
        /// The chosen ones.
        #[schemars(extend("nullable" = true))]
        selector: Option<LabelSelector>,
        secret: Option<SecretKeySelector>,
    }

    #[test]
    fn options_are_fields_that_may_be_missing() {
        let schema = of::<Sample>().to_value();
        assert_eq!(schema["type"], json!("object"));
        assert_eq!(schema.get("required"), None);
        let properties = &schema["properties"];
        assert_eq!(
            properties["count"],
            json!({"type": "integer", "description": "A number."})
        );
        assert_eq!(properties["bytes"], json!({"type": "integer", "format": "int64"}));
        assert_eq!(properties["flag"], json!({"type": "boolean", "nullable": true}));
        assert_eq!(properties["wait"], json!({"type": "string"}));
        assert_eq!(
            properties["mode"],
            json!({"type": "string", "enum": ["Continue", "Fail"]})
        );
    }

    #[test]
    fn a_field_keeps_its_own_description_and_nullable() {
        let selector = &of::<Sample>().to_value()["properties"]["selector"];
        assert_eq!(selector["description"], json!("The chosen ones."));
        assert_eq!(selector["nullable"], json!(true));
        assert_eq!(selector["x-kubernetes-map-type"], json!("atomic"));
        assert_eq!(
            selector["properties"]["matchExpressions"]["items"]["required"],
            json!(["key", "operator"])
        );
    }

    #[test]
    fn a_default_is_written_only_where_it_is_asked_for() {
        let secret = &of::<Sample>().to_value()["properties"]["secret"];
        assert_eq!(secret["properties"]["name"]["default"], json!(""));
        assert_eq!(secret["properties"]["optional"].get("default"), None);
    }
}
