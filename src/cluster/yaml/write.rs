//! JSON values as YAML text.
//!
//! Of our own because serde_yaml writes words like `yes` and `on` without quotes, which every Go program (kubectl among
//! them) reads as booleans. Keys come out sorted, as from the Go tools.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Appends a whole document.
pub(super) fn document(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, out),
        scalar_or_empty => {
            inline(scalar_or_empty, 2, out);
            out.push('\n');
        }
    }
}

/// The entries, each on its line; the first one continues the current line.
fn mapping(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            spaces(indent, out);
        }
        string(key, None, out);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                spaces(indent + 2, out);
                mapping(inner, indent + 2, out);
            }
            // As the Go tools: the dashes stand below the key.
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                spaces(indent, out);
                sequence(items, indent, out);
            }
            other => {
                out.push(' ');
                inline(other, indent + 2, out);
                out.push('\n');
            }
        }
    }
}

fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            spaces(indent, out);
        }
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => mapping(inner, indent + 2, out),
            Value::Array(inner) if !inner.is_empty() => sequence(inner, indent + 2, out),
            other => {
                inline(other, indent + 2, out);
                out.push('\n');
            }
        }
    }
}

fn inline(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) => string(text, Some(indent), out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        null_bool_or_number => {
            // Writing into a string cannot fail.
            let _ = write!(out, "{null_bool_or_number}");
        }
    }
}

/// `block`: the indentation a block of lines may use; keys have none.
fn string(text: &str, block: Option<usize>, out: &mut String) {
    match block {
        Some(indent) if is_block(text) => {
            let end = text.len() - text.trim_end_matches('\n').len();
            out.push_str(["|-", "|", "|+"][end.min(2)]);
            let lines = text.strip_suffix('\n').unwrap_or(text);
            for line in lines.split('\n') {
                out.push('\n');
                if !line.is_empty() {
                    spaces(indent, out);
                    out.push_str(line);
                }
            }
        }
        _ if is_plain(text) => out.push_str(text),
        _ => quoted(text, out),
    }
}

/// Several lines that can stand as they are in a block.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(['\n', ' ', '\t'])
        && !text.trim_end_matches('\n').is_empty()
        && text.chars().all(|c| c == '\n' || (is_printable(c) && c != '\r'))
}

/// A text that every reader takes for this very string without quotes.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let good_start = match chars.next() {
        None => false,
        Some('-') => chars.next().is_some_and(|c| c != ' ') && !text.starts_with("---"),
        Some('.') => !text.starts_with("..."),
        Some(first) => first.is_alphanumeric() || matches!(first, '_' | '/' | '(' | '$'),
    };
    good_start
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(|c| is_printable(c) && c != '\t')
        && !means_something_else(text)
}

/// What YAML 1.1 or 1.2 reads as null, a boolean, a number or a date.
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", ".nan", ".inf", "-.inf",
    ];
    let digits = text.replace('_', "");
    let unsigned = digits.trim_start_matches(['+', '-']);
    let starts_with_digit = unsigned.starts_with(|c: char| c.is_ascii_digit());
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || digits.parse::<f64>().is_ok()
        || (starts_with_digit && unsigned.len() > 1 && ["0x", "0o", "0b"].iter().any(|base| unsigned.starts_with(base)))
        // Base sixty, times and dates.
        || (starts_with_digit && unsigned.chars().all(|c| c.is_ascii_digit() || "-:.TtZz +".contains(c)) && text.contains(['-', ':']))
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

/// What may stand unescaped; everything else lies in the basic plane, so four hex digits do.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn spaces(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', count));
}
