//! One log line as logrus writes it: users' scripts and dashboards parse these lines (spec backup 16.6).

use std::fmt::Write as _;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Severity of a line, from verbose to severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For debugging.
    Debug,
    /// What happened.
    Info,
    /// Needs the user's attention, but does not make the run's result incomplete.
    Warning,
    /// Makes the run's result incomplete.
    Error,
}

impl Level {
    /// The level's name in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    /// Reads the values of `--log-level`; upstream's further levels are mapped to the nearest one.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trace" | "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warning),
            "error" | "fatal" | "panic" => Ok(Self::Error),
            other => Err(format!(
                "invalid value \"{other}\": use one of trace, debug, info, warning, error, fatal, panic"
            )),
        }
    }
}

/// The form of a line, `--log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `time="…" level=info msg="…" key=value`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("invalid value \"{other}\": use text or json")),
        }
    }
}

/// Appends one line, its newline included, to `out`. `fields` may stand in any order; they are written sorted by key.
pub fn write_line(
    out: &mut String,
    format: Format,
    at: Timestamp,
    level: Level,
    message: &str,
    fields: &mut [(&str, &str)],
) {
    fields.sort_by_key(|(key, _)| *key);
    match format {
        Format::Text => {
            let _ = write!(out, "time=\"{}\" level={} msg=", time(at), level.as_str());
            push_value(out, message);
            for (key, value) in fields.iter() {
                out.push(' ');
                out.push_str(key);
                out.push('=');
                push_value(out, value);
            }
        }
        Format::Json => {
            let mut line = Map::new();
            for (key, value) in fields.iter() {
                let key = if *key == "error" { "error.message" } else { key };
                line.insert(key.to_owned(), Value::from(*value));
            }
            line.insert("time".to_owned(), Value::from(time(at)));
            line.insert("level".to_owned(), Value::from(level.as_str()));
            line.insert("msg".to_owned(), Value::from(message));
            let _ = write!(out, "{}", Value::Object(line));
        }
    }
    out.push('\n');
}

/// RFC 3339 to the second in the process's zone, `Z` for UTC.
fn time(at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::system());
    if zoned.offset().is_zero() {
        zoned.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    } else {
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

fn push_value(out: &mut String, value: &str) {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if value.chars().all(bare) {
        out.push_str(value);
    } else {
        push_quoted(out, value);
    }
}

/// Go's `%q`.
fn push_quoted(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0b}' => out.push_str("\\v"),
            '\u{0c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, level: Level, message: &str, fields: &[(&str, &str)]) -> String {
        let mut out = String::new();
        let at: Timestamp = "2026-11-23T19:22:17.9Z".parse().unwrap();
        write_line(&mut out, format, at, level, message, &mut fields.to_vec());
        out
    }

    #[test]
    fn a_text_line_matches_the_recorded_ones() {
        let got = line(
            Format::Text,
            Level::Info,
            "Listing items",
            &[
                ("resource", "configmaps"),
                ("backup", "velero/golden1"),
                ("group", "v1"),
                ("namespace", ""),
            ],
        );
        assert!(
            got.ends_with(
                " level=info msg=\"Listing items\" backup=velero/golden1 group=v1 namespace= resource=configmaps\n"
            ),
            "{got}"
        );
        assert!(got.starts_with("time=\"2026-11-23T"), "{got}");
    }

    #[test]
    fn values_are_quoted_only_where_logrus_quotes() {
        for (value, text) in [
            ("", ""),
            ("a-b._/@^+9", "a-b._/@^+9"),
            ("a b", "\"a b\""),
            ("a:1", "\"a:1\""),
            ("say \"x\"\\\n", "\"say \\\"x\\\"\\\\\\n\""),
            ("\u{1}", "\"\\x01\""),
            ("größe", "\"größe\""),
        ] {
            let mut out = String::new();
            push_value(&mut out, value);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn a_json_line_has_sorted_keys_and_an_error_message() {
        let got = line(
            Format::Json,
            Level::Error,
            "no",
            &[("error", "boom"), ("backup", "v/b")],
        );
        let back: Value = serde_json::from_str(&got).unwrap();
        assert_eq!(back["error.message"], "boom");
        assert!(got.find("backup").unwrap() < got.find("level").unwrap());
    }
}
