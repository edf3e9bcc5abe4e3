//! YAML text in and out. The only home of `serde_yaml`, which is unmaintained and may have to be replaced.

mod write;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The longest text that is parsed, in bytes. A ConfigMap holds at most 1 MiB; a file of manifests is not much longer.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

/// YAML that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The value has no JSON form (for example a map key that is a list).
    #[error("write a value as yaml: {0}")]
    Write(#[source] serde_json::Error),
    /// The text is not YAML, or not of the expected shape. The message says where.
    #[error("read yaml: {0}")]
    Read(#[source] serde_yaml::Error),
    /// The text is longer than [`MAX_TEXT`].
    #[error("read yaml: the text has {0} bytes, and more than {MAX_TEXT} are refused")]
    TooLong(usize),
}

/// A value as one YAML document as the Go tools print it, with a newline at the end.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, YamlError> {
    let value = serde_json::to_value(value).map_err(YamlError::Write)?;
    Ok(write::document(&value))
}

/// One YAML document (JSON is YAML too). Untrusted text is safe here: its length, depth and aliases are limited.
///
/// # Errors
/// Text that is too long, is not YAML or has another shape; a key that is twice in one mapping, because a map of any
/// type would keep only the last value.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    if text.len() > MAX_TEXT {
        return Err(YamlError::TooLong(text.len()));
    }
    let read = serde_yaml::from_str(text).map_err(YamlError::Read)?;
    // Only this type of serde_yaml refuses repeated keys at every level.
    serde_yaml::from_str::<serde_yaml::Value>(text).map_err(YamlError::Read)?;
    Ok(read)
}

/// Every document of a text separated by `---`; empty ones (only comments, for instance) are left out.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    if text.len() > MAX_TEXT {
        return Err(YamlError::TooLong(text.len()));
    }
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value: Value = serde::Deserialize::deserialize(document).map_err(YamlError::Read)?;
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_value_survives_the_round_trip() {
        let value = json!({"a": "1", "b": [1, -2, 3.5], "c": {"d": null, "e": "multi\nline\n"}, "f": "on", "g": "yes"});
        let back: Value = from_str(&to_string(&value).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn documents_are_split_and_empty_ones_left_out() {
        let text = "# only a comment\n---\nkind: A\n---\n---\nkind: B\n...\n";
        assert_eq!(documents(text).unwrap(), [json!({"kind": "A"}), json!({"kind": "B"})]);
        assert_eq!(documents("").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn json_is_yaml() {
        assert_eq!(from_str::<Value>(r#"{"a": [1, "b"]}"#).unwrap(), json!({"a": [1, "b"]}));
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused_before_parsing() {
        let text = " ".repeat(MAX_TEXT + 1);
        assert!(matches!(from_str::<Value>(&text), Err(YamlError::TooLong(n)) if n == MAX_TEXT + 1));
        assert!(matches!(documents(&text), Err(YamlError::TooLong(_))));
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let previous = format!("*a{}, ", level - 1).repeat(10);
            text.extend([
                "a",
                &level.to_string(),
                ": &a",
                &level.to_string(),
                " [",
                &previous,
                "]\n",
            ]);
        }
        let error = from_str::<Value>(&text).unwrap_err().to_string();
        assert!(error.contains("repetition limit"), "{error}");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_every_level() {
        for text in [
            "a: 1\nb: 2\na: 3\n",
            "m:\n  l:\n  - {a: x, b: y, a: x}\n",
            r#"{"m": {"a": 1, "a": 1}}"#,
        ] {
            let error = from_str::<Value>(text).unwrap_err().to_string();
            assert!(error.contains("duplicate entry with key \"a\""), "{error}");
        }
        assert_eq!(
            from_str::<Value>("l:\n- {a: 1}\n- {a: 1}\n").unwrap(),
            json!({"l": [{"a": 1}, {"a": 1}]})
        );
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let error = from_str::<Value>(&"[".repeat(100_000)).unwrap_err().to_string();
        assert!(error.contains("recursion limit"), "{error}");
    }

    #[test]
    fn objects_are_written_as_the_go_tools_do() {
        let object = json!({
            "kind": "Deployment",
            "metadata": {"name": "velero", "labels": {}, "annotations": {"on": "yes"}},
            "spec": {
                "args": ["server", "--uploader-type=kopia", "-", "a: b"],
                "containers": [{"name": "a", "ports": []}, {"env": null, "image": "x:1"}],
                "nested": [[1, 2.5], [true]],
                "script": "#!/bin/sh\n\necho hi\n",
                "text": "line\nline",
            },
        });
        let text = "\
kind: Deployment
metadata:
  annotations:
    \"on\": \"yes\"
  labels: {}
  name: velero
spec:
  args:
  - server
  - --uploader-type=kopia
  - '-'
  - 'a: b'
  containers:
  - name: a
    ports: []
  - env: null
    image: x:1
  nested:
  - - 1
    - 2.5
  - - true
  script: |
    #!/bin/sh

    echo hi
  text: |-
    line
    line
";
        assert_eq!(to_string(&object).unwrap(), text);
    }

    #[test]
    fn words_that_some_reader_takes_for_another_type_are_quoted() {
        let words = [
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "N",
            "true",
            "False",
            "null",
            "~",
            "",
            "0",
            "007",
            "0x1f",
            "0b1",
            "0o7",
            "1_000",
            "1e3",
            "-1",
            "+.5",
            ".inf",
            "-.INF",
            ".NaN",
            "1:20",
            "2024-01-02",
            "2024-01-02T03:04:05Z",
            "---",
            "...",
            "- a",
            "#a",
            "a #b",
            "a:",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "'a",
            "\"a",
            "?",
            " a",
            "a ",
        ];
        for word in words {
            assert!(to_string(word).unwrap().starts_with(['"', '\'']), "{word}");
        }
        for word in [
            "velero",
            "10.0.0.1",
            "10.0.0.0/24",
            "1Gi",
            "1h30m",
            "a:b",
            "--flag",
            "/a/b",
            "v1",
            "it's",
            "a, b [c]",
            // Quoted by no Go tool, although YAML 1.1 has a type for it.
            "=",
        ] {
            assert_eq!(to_string(word).unwrap(), format!("{word}\n"));
        }
    }

    #[test]
    fn lines_alone_are_a_document_too() {
        assert_eq!(to_string("0\n1\n").unwrap(), "|\n  0\n  1\n");
        assert_eq!(from_str::<String>("|\n  0\n  1\n").unwrap(), "0\n1\n");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[a-z0-9:#\\-.+_ \n\t]{0,12}",
            any::<String>(),
            "(\n| |a|\t|\u{85}|\u{feff}|\u{2028}|\r|:|-|#){0,8}"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e15..1e15).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..5).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_survives_the_round_trip(value in any_json()) {
            let text = to_string(&value).unwrap();
            let back: Value = from_str(&text).unwrap_or_else(|error| panic!("{error} in:\n{text}"));
            prop_assert_eq!(back, value, "{}", text);
        }
    }
}
