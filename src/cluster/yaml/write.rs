//! JSON values as YAML text, byte for byte as kubectl and Velero print them: keys sorted, list items at the indent of their
//! key, texts quoted only where they must be, long texts folded at 80 columns (spec server-cli 8.2).
//!
//! `serde_yaml` cannot do this: it writes words like `yes` and `on` without quotes, which every Go program reads as booleans.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The column after which a blank inside a text becomes a line break.
const WIDTH: usize = 80;

/// The value as one document, with a newline at the end.
pub(super) fn document(value: &Value) -> String {
    let mut printer = Printer {
        out: String::new(),
        column: 0,
    };
    match value {
        Value::Object(entries) if !entries.is_empty() => printer.map(entries, 0),
        Value::Array(items) if !items.is_empty() => printer.list(items, 0),
        other => {
            printer.scalar(other, 0);
            printer.newline();
        }
    }
    printer.out
}

struct Printer {
    out: String,
    column: usize,
}

impl Printer {
    fn map(&mut self, entries: &Map<String, Value>, indent: usize) {
        let mut entries: Vec<_> = entries.iter().map(|(key, value)| (pieces(key), key, value)).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (number, (_, key, value)) in entries.into_iter().enumerate() {
            // The first key of an object in a list is on the line of the dash.
            if number > 0 || self.column == 0 {
                self.indent(indent);
            }
            self.key(key);
            self.text(":");
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.newline();
                    self.map(inner, indent + 2);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.newline();
                    self.list(items, indent);
                }
                leaf => {
                    self.text(" ");
                    self.scalar(leaf, indent);
                    self.newline();
                }
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for (number, item) in items.iter().enumerate() {
            if number > 0 || self.column == 0 {
                self.indent(indent);
            }
            self.text("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.map(inner, indent + 2),
                Value::Array(inner) if !inner.is_empty() => self.list(inner, indent + 2),
                leaf => {
                    self.scalar(leaf, indent);
                    self.newline();
                }
            }
        }
    }

    fn key(&mut self, key: &str) {
        match Style::of(key) {
            Style::Plain => self.text(key),
            Style::Single => self.single(key, usize::MAX, 0),
            Style::Double | Style::Literal => self.double(key, usize::MAX, 0),
        }
    }

    fn scalar(&mut self, leaf: &Value, indent: usize) {
        match leaf {
            Value::Object(_) => self.text("{}"),
            Value::Array(_) => self.text("[]"),
            Value::String(text) => match Style::of(text) {
                Style::Plain => self.plain(text, indent + 2),
                Style::Single => self.single(text, WIDTH, indent + 2),
                Style::Double => self.double(text, WIDTH, indent + 2),
                Style::Literal => self.literal(text, indent + 2),
            },
            value => self.text(&value.to_string()),
        }
    }

    /// An unquoted text. A blank past the width becomes a line break, unless another blank is next to it.
    fn plain(&mut self, text: &str, indent: usize) {
        self.folded(text, WIDTH, indent, |c, printer| printer.char(c));
    }

    fn single(&mut self, text: &str, width: usize, indent: usize) {
        self.text("'");
        self.folded(text, width, indent, |c, printer| {
            if c == '\'' {
                printer.char('\'');
            }
            printer.char(c);
        });
        self.text("'");
    }

    fn folded(&mut self, text: &str, width: usize, indent: usize, write: impl Fn(char, &mut Self)) {
        let chars: Vec<char> = text.chars().collect();
        let mut after_blank = false;
        for (at, &c) in chars.iter().enumerate() {
            let inner = at > 0 && at + 1 < chars.len();
            if c == ' ' && inner && !after_blank && self.column > width && chars[at + 1] != ' ' {
                self.newline();
                self.indent(indent);
            } else {
                write(c, self);
            }
            after_blank = c == ' ';
        }
    }

    fn double(&mut self, text: &str, width: usize, indent: usize) {
        self.text("\"");
        let chars: Vec<char> = text.chars().collect();
        for (at, &c) in chars.iter().enumerate() {
            let inner = at > 0 && at + 1 < chars.len();
            match c {
                ' ' if inner && self.column > width && chars[at - 1] != ' ' => {
                    self.newline();
                    self.indent(indent);
                    if chars[at + 1] == ' ' {
                        self.text("\\");
                    }
                }
                '"' => self.text("\\\""),
                '\\' => self.text("\\\\"),
                '\n' => self.text("\\n"),
                '\t' => self.text("\\t"),
                '\r' => self.text("\\r"),
                '\u{0}' => self.text("\\0"),
                '\u{7}' => self.text("\\a"),
                '\u{8}' => self.text("\\b"),
                '\u{b}' => self.text("\\v"),
                '\u{c}' => self.text("\\f"),
                '\u{1b}' => self.text("\\e"),
                '\u{85}' => self.text("\\N"),
                '\u{a0}' => self.text("\\_"),
                '\u{2028}' => self.text("\\L"),
                '\u{2029}' => self.text("\\P"),
                c if printable(c) => self.char(c),
                c => {
                    let code = u32::from(c);
                    let escape = match code {
                        ..=0xff => format!("\\x{code:02X}"),
                        0x100..=0xffff => format!("\\u{code:04X}"),
                        _ => format!("\\U{code:08X}"),
                    };
                    self.text(&escape);
                }
            }
        }
        self.text("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.text("|");
        if text.starts_with([' ', '\n']) {
            self.text("2");
        }
        let body = text.trim_end_matches('\n');
        match text.len() - body.len() {
            0 => self.text("-"),
            1 if !body.is_empty() => {}
            _ => self.text("+"),
        }
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.newline();
            if !line.is_empty() {
                self.indent(indent);
                self.text(line);
            }
        }
    }

    fn indent(&mut self, width: usize) {
        let _ = write!(self.out, "{:width$}", "");
        self.column += width;
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

impl Style {
    fn of(text: &str) -> Self {
        if text.contains('\n') {
            // A block cannot hold a blank before a line break, nor characters that are not printable.
            let shown = text.chars().all(|c| c == '\n' || printable(c));
            return if shown && !text.contains(" \n") && !text.ends_with(' ') {
                Self::Literal
            } else {
                Self::Double
            };
        }
        if reads_as_another_type(text) || !text.chars().all(printable) {
            return Self::Double;
        }
        if plain_is_safe(text) { Self::Plain } else { Self::Single }
    }
}

fn printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether a text without line breaks reads back unchanged when it is not quoted.
fn plain_is_safe(text: &str) -> bool {
    if text.starts_with(' ') || text.ends_with(' ') || text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    let chars: Vec<char> = text.chars().collect();
    chars.iter().enumerate().all(|(at, &c)| {
        let before_blank = chars.get(at + 1).is_none_or(|next| *next == ' ');
        let safe_start = match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => at > 0,
            '-' | '?' => at > 0 || !before_blank,
            _ => true,
        };
        let safe_inside = match c {
            ':' => !before_blank,
            '#' => at > 0 && chars[at - 1] != ' ',
            _ => true,
        };
        safe_start && safe_inside
    })
}

/// Whether YAML 1.1 reads the unquoted text as another type.
fn reads_as_another_type(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n",
        "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ".nan", ".NaN", ".NAN", ".inf", ".Inf",
        ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", "<<",
    ];
    WORDS.contains(&text) || is_number(text) || is_sexagesimal(text) || is_timestamp(text)
}

fn is_number(text: &str) -> bool {
    let text = text.replace('_', "");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let based = |prefix: [&str; 2], radix| {
        prefix
            .iter()
            .find_map(|prefix| digits.strip_prefix(prefix))
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    based(["0x", "0X"], 16) || based(["0b", "0B"], 2) || based(["0o", "0O"], 8) || is_decimal(digits)
}

/// `1`, `1.`, `.5`, `1.5e-3`.
fn is_decimal(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !part.is_empty();
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    has_digits && all_digits(whole) && all_digits(part) && exponent.is_none_or(|e| !e.is_empty() && all_digits(e))
}

/// `1:30` is a number of base 60 in YAML 1.1, and some readers still take it for one.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let sixty = |text: &str| {
        let digits = text.split_once('.').map_or(text, |(whole, _)| whole);
        matches!(digits.len(), 1 | 2) && number(digits) && digits.parse::<u8>().is_ok_and(|n| n < 60)
    };
    first.starts_with(|c: char| c.is_ascii_digit()) && number(first) && !rest.is_empty() && rest.into_iter().all(sixty)
}

/// A date, or a date with a time.
fn is_timestamp(text: &str) -> bool {
    let digits = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
    };
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, time) = text.split_at(date_end);
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    if !digits(year, 4, 4) || !digits(month, 1, 2) || !digits(day, 1, 2) {
        return false;
    }
    let Some(time) = time.get(1..) else { return true };
    let clock = time
        .trim_start()
        .split(['Z', '+', '-', ' ', '.'])
        .next()
        .unwrap_or_default();
    let parts: Vec<&str> = clock.split(':').collect();
    parts.len() == 3 && parts.iter().all(|part| digits(part, 1, 2))
}

/// A piece of a key. Keys are ordered by their pieces: other characters before numbers before letters, numbers by their value.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece<'a> {
    Other(char),
    /// How many digits count, these digits, and how many there are with the leading zeros.
    Number(usize, &'a str, usize),
    Letter(char),
}

fn pieces(key: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = key;
    while let Some(first) = rest.chars().next() {
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        let value = digits.trim_start_matches('0');
        let (piece, length) = match first {
            '0'..='9' => (Piece::Number(value.len(), value, digits.len()), digits.len()),
            c if c.is_alphabetic() => (Piece::Letter(c), c.len_utf8()),
            c => (Piece::Other(c), c.len_utf8()),
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(json: &str) -> String {
        document(&serde_json::from_str(json).unwrap())
    }

    fn text(text: &str) -> String {
        let printed = document(&json!({"k": text}));
        printed
            .strip_prefix("k: ")
            .unwrap()
            .strip_suffix('\n')
            .unwrap()
            .to_owned()
    }

    #[test]
    fn keys_are_sorted_and_lists_have_the_indent_of_their_key() {
        let printed = yaml(r#"{"b":[{"y":[1,2],"x":{}},[3]],"a":{"c":null,"d":[]},"f:x":1,".":{}}"#);
        let want = ".: {}\na:\n  c: null\n  d: []\nb:\n- x: {}\n  \"y\":\n  - 1\n  - 2\n- - 3\nf:x: 1\n";
        assert_eq!(printed, want);
    }

    #[test]
    fn texts_are_quoted_only_where_they_must_be() {
        let cases = [
            ("plain text", "plain text"),
            ("v1.35.4", "v1.35.4"),
            ("10m0s", "10m0s"),
            ("http://y", "http://y"),
            ("f:spec", "f:spec"),
            ("1", "\"1\""),
            ("0x1F", "\"0x1F\""),
            ("1e3", "\"1e3\""),
            ("1.1.0", "1.1.0"),
            ("y", "\"y\""),
            ("null", "\"null\""),
            ("", "\"\""),
            ("2026-11-23T19:22:17Z", "\"2026-11-23T19:22:17Z\""),
            ("2026-11-23", "\"2026-11-23\""),
            ("1:30", "\"1:30\""),
            ("*", "'*'"),
            ("@every 6h", "'@every 6h'"),
            ("it's: here", "'it''s: here'"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("a #b", "'a #b'"),
            ("a#b", "a#b"),
            (" lead", "' lead'"),
            ("tab\there", "\"tab\\there\""),
            ("0 1 * * *", "0 1 * * *"),
            ("{\"a\":1}", "'{\"a\":1}'"),
        ];
        for (given, want) in cases {
            assert_eq!(text(given), want, "{given:?}");
        }
    }

    #[test]
    fn several_lines_are_a_block() {
        assert_eq!(text("a\nb"), "|-\n  a\n  b");
        assert_eq!(text("a\n\nb\n"), "|\n  a\n\n  b");
        assert_eq!(text("a\n\n"), "|+\n  a\n");
        assert_eq!(text(" a\nb"), "|2-\n   a\n  b");
        assert_eq!(text("a \nb"), "\"a \\nb\"");
    }

    #[test]
    fn long_texts_are_folded_after_column_eighty() {
        let words = "aaaaaaaaa ".repeat(9);
        let printed = text(words.trim_end());
        let first = "aaaaaaaaa ".repeat(8);
        assert_eq!(printed, format!("{}\n  aaaaaaaaa", first.trim_end()));
    }

    #[test]
    fn numbers_in_keys_are_ordered_by_value() {
        let mut keys = vec!["b", "a10", "a9", "a", ".", "f:a", "A", "a1b", "a010"];
        keys.sort_by_cached_key(|key| pieces(key));
        assert_eq!(keys, [".", "A", "a", "a1b", "a9", "a10", "a010", "b", "f:a"]);
    }

    #[test]
    fn every_printed_text_reads_back_the_same() {
        let texts = [
            "x: y",
            "a: ",
            "#",
            "? a",
            "?a",
            "[a]",
            "%x",
            "`x`",
            "no",
            "off",
            "~",
            "-",
            "--- x",
            "\u{1b}[1m",
            "ä ö",
            "trailing ",
            "a\tb\n",
            "\n",
            "\n\nx",
            "é\u{2028}",
            "=",
            "<<",
            "0b1",
            "+1",
            ".5",
            "1_000",
            "12:30:45",
        ];
        for given in texts {
            let printed = document(&json!({"k": given}));
            let read: Value = crate::cluster::yaml::from_str(&printed).unwrap();
            assert_eq!(read["k"], given, "{printed:?}");
        }
    }
}
