//! YAML text in and out. The only home of `serde_yaml`, which is unmaintained and may have to be replaced.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The longest text that is parsed, in bytes. A ConfigMap holds at most 1 MiB; a file of manifests is not much longer.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

/// YAML that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The value has no YAML form (a map key that is a list, for instance).
    #[error("write a value as yaml: {0}")]
    Write(#[source] serde_yaml::Error),
    /// The text is not YAML, or not of the expected shape. The message says where.
    #[error("read yaml: {0}")]
    Read(#[source] serde_yaml::Error),
    /// The text is longer than [`MAX_TEXT`].
    #[error("read yaml: the text has {0} bytes, and more than {MAX_TEXT} are refused")]
    TooLong(usize),
}

/// A value as one YAML document, with a newline at the end.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, YamlError> {
    serde_yaml::to_string(value).map_err(YamlError::Write)
}

/// One YAML document (JSON is YAML too). Text of strangers is safe here: its length, depth and aliases are limited.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    if text.len() > MAX_TEXT {
        return Err(YamlError::TooLong(text.len()));
    }
    serde_yaml::from_str(text).map_err(YamlError::Read)
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
            text.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
        }
        let error = from_str::<Value>(&text).unwrap_err().to_string();
        assert!(error.contains("repetition limit"), "{error}");
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let error = from_str::<Value>(&"[".repeat(100_000)).unwrap_err().to_string();
        assert!(error.contains("recursion limit"), "{error}");
    }

    #[test]
    fn words_that_older_readers_take_for_booleans_are_quoted() {
        for word in ["yes", "no", "on", "off", "y", "n", "true", "null", "~"] {
            let text = to_string(&json!({ "a": word })).unwrap();
            assert!(text.contains('\'') || text.contains('"'), "{text}");
        }
    }
}
