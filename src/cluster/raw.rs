//! Objects as the API server sent them: the bytes, and the few facts of them that decisions need.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::budget::Permit;

/// One object: its bytes, untouched, and what was read of them in one light pass.
///
/// Cloning shares the bytes. Until it and its clones are dropped it holds its share of the run's [`super::budget::Budget`].
#[derive(Clone, Debug)]
pub struct RawObject {
    /// The facts that were read.
    pub head: Head,
    /// Compact JSON of the whole object, `apiVersion` and `kind` included.
    pub json: Bytes,
    permit: Option<Arc<Permit>>,
}

/// What is read of every object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// Absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; empty when the object has none (in an archive it may not).
    pub uid: String,
    /// `metadata.resourceVersion`; empty when the object has none.
    pub resource_version: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.creationTimestamp` as written.
    pub creation_timestamp: Option<String>,
    /// `metadata.deletionTimestamp` as written: set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
    /// `status.phase` where that is a string (namespaces, pods, claims, volumes).
    pub phase: Option<String>,
}

/// The bytes are not a Kubernetes object.
#[derive(Debug, thiserror::Error)]
#[error("read an object: {source}")]
pub struct RawError {
    /// The object's name when that could be read.
    pub name: Option<String>,
    /// The place of the error in the JSON.
    pub source: serde_json::Error,
}

impl RawObject {
    /// Reads the head of an object's JSON. The bytes are kept as they are, without white space behind them: an API server
    /// ends an answer with a newline, which is not part of the object.
    ///
    /// # Errors
    /// The bytes are not a JSON object, or their metadata have not the shape of the API.
    pub fn parse(mut json: Bytes) -> Result<Self, RawError> {
        json.truncate(json.trim_ascii_end().len());
        let outline = Outline::read(&json)?;
        Ok(Self {
            head: outline.into_head(),
            json,
            permit: None,
        })
    }

    /// As [`RawObject::parse`], for an item of a list: where `apiVersion` or `kind` is absent it is inserted at the front
    /// of the bytes (decision 12).
    ///
    /// # Errors
    /// As [`RawObject::parse`].
    pub fn parse_item(json: Bytes, api_version: &str, kind: &str) -> Result<Self, RawError> {
        let outline = Outline::read(&json)?;
        let missing = [
            ("apiVersion", &outline.api_version, api_version),
            ("kind", &outline.kind, kind),
        ];
        let missing = missing.iter().filter(|(_, found, _)| found.is_none());
        let missing: Vec<_> = missing.map(|(key, _, value)| (*key, *value)).collect();
        let mut head = outline.into_head();
        if missing.is_empty() {
            return Ok(Self {
                head,
                json,
                permit: None,
            });
        }
        for (key, value) in &missing {
            let field = if *key == "kind" {
                &mut head.kind
            } else {
                &mut head.api_version
            };
            (*value).clone_into(field);
        }
        let json = with_fields_in_front(&json, &missing);
        Ok(Self {
            head,
            json,
            permit: None,
        })
    }

    /// Attaches the object's share of a budget, which is returned when the last clone is dropped.
    #[must_use]
    pub fn holding(mut self, permit: Permit) -> Self {
        self.permit = Some(Arc::new(permit));
        self
    }

    /// The whole object as a value. Costs a full parse; integers beyond 64 bits become floats, so never write it back
    /// unless something was changed.
    ///
    /// # Errors
    /// A number is too large even for a float; all else was checked when the object was parsed.
    pub fn value(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.json)
    }
}

/// The values need no escaping, but a server could send anything.
fn with_fields_in_front(json: &[u8], fields: &[(&str, &str)]) -> Bytes {
    let front = json.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
    let rest = &json[front..];
    let mut out = Vec::with_capacity(json.len() + 80);
    out.push(b'{');
    for (at, (key, value)) in fields.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}\"{key}\":{}", Value::from(*value)).as_bytes());
    }
    if rest.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    Bytes::from(out)
}

/// The few fields that are read; serde only checks the syntax of the others.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default, rename = "apiVersion")]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    /// Of any shape: custom resources may put what they like here.
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource_version: Option<Cow<'a, str>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, Option<String>>>,
    #[serde(borrow, default)]
    creation_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    deletion_timestamp: Option<Cow<'a, str>>,
}

impl<'a> Outline<'a> {
    fn read(json: &'a [u8]) -> Result<Self, RawError> {
        // serde would accept a list as a struct, field by field.
        let is_object = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let outline = if is_object {
            serde_json::from_slice(json)
        } else {
            Err(no_object())
        };
        outline.map_err(|source| RawError {
            name: name_of(json),
            source,
        })
    }

    fn into_head(self) -> Head {
        let metadata = self.metadata.unwrap_or_default();
        let text = |field: Option<Cow<'_, str>>| field.unwrap_or_default().into_owned();
        let filled = |field: Option<Cow<'_, str>>| field.map(Cow::into_owned).filter(|text| !text.is_empty());
        Head {
            api_version: text(self.api_version),
            kind: text(self.kind),
            namespace: filled(metadata.namespace),
            name: text(metadata.name),
            uid: text(metadata.uid),
            resource_version: text(metadata.resource_version),
            labels: metadata
                .labels
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            creation_timestamp: filled(metadata.creation_timestamp),
            deletion_timestamp: filled(metadata.deletion_timestamp),
            phase: self.status.and_then(phase_of),
        }
    }
}

fn no_object() -> serde_json::Error {
    serde::de::Error::custom("it is not a JSON object")
}

fn phase_of(status: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        phase: Option<&'a RawValue>,
    }
    let text = status.get();
    // Most objects have no phase, and a status may be long.
    if !text.starts_with('{') || !text.contains("\"phase\"") {
        return None;
    }
    let status: Status<'_> = serde_json::from_str(text).ok()?;
    serde_json::from_str(status.phase?.get()).ok()
}

/// The name of an object with metadata of another shape.
fn name_of(json: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(json).ok()?;
    value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn bytes(value: &Value) -> Bytes {
        Bytes::from(value.to_string())
    }

    #[test]
    fn the_head_is_read_and_the_bytes_are_kept() {
        let json = Bytes::from_static(
            br#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","uid":"u","resourceVersion":"7",
                "creationTimestamp":"2024-01-02T03:04:05Z","deletionTimestamp":"2024-01-02T03:04:06Z",
                "labels":{"a":"b"},"annotations":{"x":"\u00e9"}},"spec":{"n":123456789012345678901234567890},
                "status":{"phase":"Terminating"}}"#,
        );
        let object = RawObject::parse(json.clone()).unwrap();
        assert_eq!(object.json, json);
        assert_eq!(
            object.head,
            Head {
                api_version: "v1".into(),
                kind: "Namespace".into(),
                namespace: None,
                name: "shop".into(),
                uid: "u".into(),
                resource_version: "7".into(),
                labels: BTreeMap::from([("a".into(), "b".into())]),
                creation_timestamp: Some("2024-01-02T03:04:05Z".into()),
                deletion_timestamp: Some("2024-01-02T03:04:06Z".into()),
                phase: Some("Terminating".into()),
            }
        );
    }

    #[test]
    fn the_newline_at_the_end_of_an_answer_is_removed() {
        let object = RawObject::parse(Bytes::from_static(b"{\"kind\":\"A\"}\n")).unwrap();
        assert_eq!(object.json, "{\"kind\":\"A\"}");
    }

    #[test]
    fn nulls_and_absent_fields_are_defaults() {
        for json in [
            r"{}",
            r#"{"metadata":null,"status":null}"#,
            r#"{"metadata":{"labels":null,"creationTimestamp":null,"namespace":""}}"#,
            r#"{"metadata":{"labels":{"a":null}}}"#,
        ] {
            assert_eq!(
                RawObject::parse(Bytes::from(json)).unwrap().head,
                Head::default(),
                "{json}"
            );
        }
    }

    #[test]
    fn a_status_may_have_any_shape() {
        for (status, phase) in [
            (json!("ready"), None),
            (json!([{"phase": "x"}]), None),
            (json!({"phase": 3}), None),
            (json!({"phase": null}), None),
            (json!({"deep": {"phase": "x"}}), None),
            (json!({"phase": "B\u{fc}nd\n"}), Some("B\u{fc}nd\n")),
        ] {
            let object = RawObject::parse(bytes(&json!({"metadata": {"name": "a"}, "status": status}))).unwrap();
            assert_eq!(object.head.phase.as_deref(), phase, "{status}");
        }
    }

    #[test]
    fn names_with_escapes_are_read() {
        let object = RawObject::parse(Bytes::from_static(br#"{"metadata":{"name":"a\u00e9\"b"}}"#)).unwrap();
        assert_eq!(object.head.name, "a\u{e9}\"b");
    }

    #[test]
    fn an_invalid_object_is_named_if_its_name_can_be_read() {
        for (json, name) in [
            (r#"{"metadata":{"name":"a","labels":{"x":1}}}"#, Some("a")),
            (r#"{"metadata":{"name":"a","uid":[]}}"#, Some("a")),
            (r#"{"metadata":{"name":["a"]}}"#, None),
            (r#"{"metadata":{"name":"a""#, None),
            (r#"["v1","Pod",{"name":"a"},null]"#, None),
            ("null", None),
            ("", None),
        ] {
            let error = RawObject::parse(Bytes::from(json)).unwrap_err();
            assert_eq!(error.name.as_deref(), name, "{json}");
        }
    }

    #[test]
    fn an_item_of_a_list_gets_its_missing_fields_at_the_front() {
        for (json, expected) in [
            (
                r#"{"metadata":{}}"#,
                r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{}}"#,
            ),
            (r" { }", r#"{"apiVersion":"apps/v1","kind":"Deployment" }"#),
            (
                r#"{"kind":"Odd","a":1.0}"#,
                r#"{"apiVersion":"apps/v1","kind":"Odd","a":1.0}"#,
            ),
            (
                r#"{"a":1,"apiVersion":"apps/v2"}"#,
                r#"{"kind":"Deployment","a":1,"apiVersion":"apps/v2"}"#,
            ),
            (
                r#"{"kind":"Odd","apiVersion":"v9","n":1e400}"#,
                r#"{"kind":"Odd","apiVersion":"v9","n":1e400}"#,
            ),
        ] {
            let object = RawObject::parse_item(Bytes::from(json), "apps/v1", "Deployment").unwrap();
            assert_eq!(object.json, expected);
            let again = RawObject::parse(object.json.clone()).unwrap();
            assert_eq!(again.head, object.head, "{json}");
        }
    }

    proptest! {
        #[test]
        fn insertion_changes_nothing_else(
            fields in prop::collection::btree_map("[a-z\"\\\\{}]{1,6}", any::<(i64, String)>(), 0..5),
            kind in any::<String>(),
        ) {
            let mut value = serde_json::Map::new();
            for (key, (number, text)) in fields.into_iter().filter(|(key, _)| key != "kind" && key != "status") {
                value.insert(key, json!({"n": number, "t": text}));
            }
            prop_assume!(!value.contains_key("metadata"));
            let object = RawObject::parse_item(bytes(&Value::Object(value.clone())), "v1", &kind).unwrap();
            value.insert("apiVersion".into(), "v1".into());
            value.insert("kind".into(), kind.into());
            prop_assert_eq!(object.value().unwrap(), Value::Object(value));
        }
    }
}
