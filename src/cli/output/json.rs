//! JSON as `describe -o json` prints it; whole objects are printed by `api::go_json`.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// `value` as JSON, indented by `indent` blanks a level, without a newline at the end.
pub fn render(value: &impl Serialize, indent: usize) -> Result<String, serde_json::Error> {
    let indent = " ".repeat(indent);
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut bytes,
        PrettyFormatter::with_indent(indent.as_bytes()),
    ))?;
    // Go escapes U+2028 and U+2029 inside texts even where it leaves HTML alone.
    Ok(String::from_utf8_lossy(&bytes)
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_indented_and_empty_values_are_on_one_line() {
        let value = serde_json::json!({"a": {}, "b": [], "c": [1], "d": "<&>"});
        let want = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1\n  ],\n  \"d\": \"<&>\"\n}";
        assert_eq!(render(&value, 2).unwrap(), want);
    }
}
