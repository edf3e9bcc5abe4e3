//! JSON as Go's `encoding/json` writes it: `<`, `>`, `&` and the two Unicode line separators are escaped in texts.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// One compact value without a newline: an item of the tarball. Errors only if the value cannot be JSON.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, GoEscapes(CompactFormatter)))?;
    Ok(bytes)
}

/// One compact value and a newline: the small files of the bucket (spec backup 16.3). Errors only if the value cannot be JSON.
pub fn to_line<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Indented by two spaces, without a newline: `velero-backup.json` (spec backup 16.2). Errors only if the value cannot be JSON.
pub fn to_pretty<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut bytes,
        GoEscapes(PrettyFormatter::new()),
    ))?;
    Ok(bytes)
}

/// Any layout, with Go's escapes in texts.
struct GoEscapes<F>(F);

impl<F: Formatter> Formatter for GoEscapes<F> {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, from) = rest.split_at(at);
            let mut chars = from.chars();
            let escaped = match chars.next() {
                Some('<') => "\\u003c",
                Some('>') => "\\u003e",
                Some('&') => "\\u0026",
                Some('\u{2028}') => "\\u2028",
                _ => "\\u2029",
            };
            writer.write_all(plain.as_bytes())?;
            writer.write_all(escaped.as_bytes())?;
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_html_would_mistake_is_escaped() {
        for (plain, written) in [
            ("plain", r#""plain""#),
            ("<a>&<b>", r#""\u003ca\u003e\u0026\u003cb\u003e""#),
            ("\u{2028}\u{2029}é", r#""\u2028\u2029é""#),
            ("q\"b\\n\n\u{1}", r#""q\"b\\n\n\u0001""#),
            ("", r#""""#),
        ] {
            assert_eq!(text(to_vec(plain).unwrap()), written);
        }
    }

    #[test]
    fn keys_are_escaped_too() {
        assert_eq!(text(to_vec(&json!({"a<b": 1})).unwrap()), r#"{"a\u003cb":1}"#);
    }

    #[test]
    fn a_line_ends_with_a_newline_and_the_indented_form_does_not() {
        assert_eq!(text(to_line(&json!([])).unwrap()), "[]\n");
        assert_eq!(
            text(to_pretty(&json!({"a": {}, "b": [1, "<"]})).unwrap()),
            "{\n  \"a\": {},\n  \"b\": [\n    1,\n    \"\\u003c\"\n  ]\n}"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(any: String) {
            let value = Value::from(any);
            proptest::prop_assert_eq!(serde_json::from_slice::<Value>(&to_vec(&value).unwrap()).unwrap(), value);
        }
    }
}
