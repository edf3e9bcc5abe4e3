//! Durations in Go's text form (spec api 3.3).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// The magnitude of the least 64-bit integer; Go computes with it unsigned and checks the sign at the end.
const LIMIT: u64 = 1 << 63;

/// A duration in an object: Go's text, within about 292 years, to the nanosecond.
///
/// The API server admits any text here. A text that is no duration is kept, so that the object can still be read, written
/// back and named in a validation message; [`GoDuration::value`] returns the error. Equality is that of the values (`60m`
/// equals `1h0m0s`).
#[derive(Clone, Debug)]
pub struct GoDuration {
    nanos: Option<i64>,
    /// The original text, unless it is the canonical one.
    written: Option<Box<str>>,
}

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDuration(String);

impl GoDuration {
    /// `0s`, which in most fields means "not set, use the default".
    pub const ZERO: Self = Self::from_nanos(0);

    /// A number of nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self {
            nanos: Some(nanos),
            written: None,
        }
    }

    /// A number of seconds, at most Go's longest duration.
    pub const fn from_secs(seconds: i64) -> Self {
        Self::from_nanos(seconds.saturating_mul(1_000_000_000))
    }

    /// A number of hours, at most Go's longest duration.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_secs(hours.saturating_mul(3_600))
    }

    /// Reads Go's text form. Never fails: a text that is no duration is kept, see [`GoDuration::value`].
    pub fn from_text(text: &str) -> Self {
        let nanos = parse(text).ok();
        let canonical = nanos.is_some_and(|n| format(n) == text);
        Self {
            nanos,
            written: (!canonical).then(|| text.into()),
        }
    }

    /// The duration, or the error of Go's parser.
    pub fn value(&self) -> Result<SignedDuration, InvalidDuration> {
        match self.nanos {
            Some(nanos) => Ok(SignedDuration::from_nanos(nanos)),
            None => parse(&self.text()).map(SignedDuration::from_nanos),
        }
    }

    /// True for zero in any spelling; false for a text that is no duration.
    pub fn is_zero(&self) -> bool {
        self.nanos == Some(0)
    }

    /// The duration if it is longer than zero.
    pub fn positive(&self) -> Option<Duration> {
        let nanos = u64::try_from(self.nanos?).ok()?;
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// The text on the wire: as it was read, else Go's canonical form.
    pub fn text(&self) -> Cow<'_, str> {
        match (&self.written, self.nanos) {
            (Some(written), _) => Cow::Borrowed(written),
            (None, nanos) => Cow::Owned(format(nanos.unwrap_or_default())),
        }
    }
}

impl Default for GoDuration {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for GoDuration {
    fn eq(&self, other: &Self) -> bool {
        match (self.nanos, other.nanos) {
            (None, None) => self.written == other.written,
            (one, another) => one == another,
        }
    }
}

impl Eq for GoDuration {}

/// A duration beyond Go's range (292 years) becomes Go's longest.
impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Strict, for flags and annotations; fields of objects are read leniently.
impl std::str::FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self::from_nanos)
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_text(&Cow::<str>::deserialize(deserializer)?))
    }
}

// A plain string: with a pattern, an object stored earlier with a bad value could no longer be updated (spec api 4).
impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// Go's `time.ParseDuration`, with its overflow rules and messages.
fn parse(text: &str) -> Result<i64, InvalidDuration> {
    let invalid = || InvalidDuration(format!("time: invalid duration {}", quoted(text)));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split(rest, |c| c.is_ascii_digit());
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split(after, |c| c.is_ascii_digit()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let (name, after) = split(after, |c| c != '.' && !c.is_ascii_digit());
        if name.is_empty() {
            return Err(InvalidDuration(format!(
                "time: missing unit in duration {}",
                quoted(text)
            )));
        }
        let unit = unit(name).ok_or_else(|| {
            InvalidDuration(format!(
                "time: unknown unit {} in duration {}",
                quoted(name),
                quoted(text)
            ))
        })?;
        total = magnitude(whole, unit)
            .and_then(|nanos| nanos.checked_add(part(fraction, unit)))
            .and_then(|nanos| nanos.checked_add(total))
            .filter(|sum| *sum <= LIMIT)
            .ok_or_else(invalid)?;
        rest = after;
    }
    if negative {
        return Ok(0_i64.wrapping_sub_unsigned(total)); // -(2^63) is the least value
    }
    i64::try_from(total).map_err(|_| invalid())
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND, // micro sign and Greek mu
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `whole` digits of a unit, in nanoseconds; `None` beyond 2^63.
fn magnitude(whole: &str, unit: u64) -> Option<u64> {
    if whole.is_empty() {
        return Some(0);
    }
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|nanos| *nanos <= LIMIT)
}

/// The digits behind the point, of a unit, in nanoseconds: by Go's own arithmetic, which rounds as floats do and stops
/// taking digits where they no longer fit.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as Go does"
)]
fn part(fraction: &str, unit: u64) -> u64 {
    let mut digits: u64 = 0;
    let mut scale: f64 = 1.0;
    for digit in fraction.bytes() {
        let Some(longer) = digits
            .checked_mul(10)
            .and_then(|d| d.checked_add(u64::from(digit - b'0')))
        else {
            break;
        };
        if longer > LIMIT {
            break;
        }
        digits = longer;
        scale *= 10.0;
    }
    (digits as f64 * (unit as f64 / scale)) as u64
}

/// A text in quotes as Go's `time` package writes it: what is not printable ASCII byte by byte.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='\u{7f}' => out.push(c),
            _ => out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\x{byte:02x}"))),
        }
    }
    out.push('"');
    out
}

/// Go's `Duration.String`.
fn format(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    match size {
        0 => "0s".to_owned(),
        1..MICROSECOND => format!("{sign}{size}ns"),
        MICROSECOND..MILLISECOND => format!("{sign}{}\u{b5}s", decimal(size, MICROSECOND)),
        MILLISECOND..SECOND => format!("{sign}{}ms", decimal(size, MILLISECOND)),
        _ => {
            let (hours, minutes) = (size / HOUR, size % HOUR / MINUTE);
            let seconds = decimal(size % MINUTE, SECOND);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `size / unit` as a decimal number without trailing zeros; `unit` is a power of ten.
fn decimal(size: u64, unit: u64) -> String {
    let (whole, part) = (size / unit, size % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = format!("{:0width$}", part, width = unit.ilog10() as usize);
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn go_texts_are_read_and_written_canonically() {
        for (text, nanos, canonical) in [
            ("0", 0, "0s"),
            ("+0", 0, "0s"),
            ("-0", 0, "0s"),
            ("0s", 0, "0s"),
            ("1ns", 1, "1ns"),
            ("1100ns", 1_100, "1.1µs"),
            ("2us", 2_000, "2µs"),
            ("2µs", 2_000, "2µs"),
            ("2μs", 2_000, "2µs"),
            ("2.2ms", 2_200_000, "2.2ms"),
            ("3.3s", 3_300_000_000, "3.3s"),
            ("1m30.5s", 90_500_000_000, "1m30.5s"),
            ("10m", 600_000_000_000, "10m0s"),
            ("720h", 2_592_000_000_000_000, "720h0m0s"),
            ("4h5m0.001s", 14_700_001_000_000, "4h5m0.001s"),
            (".5h", 1_800_000_000_000, "30m0s"),
            ("1.h", 3_600_000_000_000, "1h0m0s"),
            ("-1m", -60_000_000_000, "-1m0s"),
            ("1s1h", 3_601_000_000_000, "1h0m1s"),
            ("0.3333333333333333333h", 1_200_000_000_000, "20m0s"),
            ("0.830103483285477580700h", 2_988_372_539_827, "49m48.372539827s"),
            ("0.100000000000000000000h", 360_000_000_000, "6m0s"),
            ("9223372036854775807ns", i64::MAX, "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            let duration = GoDuration::from_text(text);
            assert_eq!(duration.nanos, Some(nanos), "{text}");
            assert_eq!(GoDuration::from_nanos(nanos).to_string(), canonical, "{text}");
            assert_eq!(duration.to_string(), text, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_named_in_gos_words() {
        for (text, message) in [
            ("", r#"time: invalid duration """#),
            ("3", r#"time: missing unit in duration "3""#),
            ("-", r#"time: invalid duration "-""#),
            ("s", r#"time: invalid duration "s""#),
            (".", r#"time: invalid duration ".""#),
            (".s", r#"time: invalid duration ".s""#),
            ("30d", r#"time: unknown unit "d" in duration "30d""#),
            ("1h30", r#"time: missing unit in duration "1h30""#),
            ("1 h", r#"time: unknown unit " h" in duration "1 h""#),
            (
                "99999999999999999999h",
                r#"time: invalid duration "99999999999999999999h""#,
            ),
            (
                "9223372036854775808ns",
                r#"time: invalid duration "9223372036854775808ns""#,
            ),
            ("2562048h", r#"time: invalid duration "2562048h""#),
            ("٣h", r#"time: invalid duration "\xd9\xa3h""#),
        ] {
            let duration = GoDuration::from_text(text);
            assert_eq!(duration.value().unwrap_err().to_string(), message);
            assert_eq!(duration.to_string(), text);
            assert!(!duration.is_zero());
            assert_eq!(duration.positive(), None);
        }
    }

    #[test]
    fn an_unparsable_text_survives_a_round_trip() {
        let read: GoDuration = serde_json::from_value(json!("30d")).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), json!("30d"));
        assert_ne!(read, GoDuration::ZERO);
    }

    #[test]
    fn spellings_of_one_value_are_equal() {
        assert_eq!(GoDuration::from_text("60m"), GoDuration::from_hours(1));
        assert_eq!(GoDuration::from_text("-0").text(), "-0");
        assert!(GoDuration::from_text("-0").is_zero());
    }

    #[test]
    fn only_what_is_longer_than_zero_is_positive() {
        assert_eq!(GoDuration::from_secs(2).positive(), Some(Duration::from_secs(2)));
        assert_eq!(GoDuration::from_secs(-2).positive(), None);
        assert_eq!(GoDuration::ZERO.positive(), None);
    }

    #[test]
    fn too_long_becomes_the_longest() {
        assert_eq!(GoDuration::from(Duration::MAX), GoDuration::from_nanos(i64::MAX));
        assert_eq!(GoDuration::from_hours(i64::MAX), GoDuration::from_nanos(i64::MAX));
    }

    proptest! {
        #[test]
        fn canonical_text_reads_back_as_the_same_value(nanos: i64) {
            prop_assert_eq!(parse(&format(nanos)), Ok(nanos));
        }

        #[test]
        fn any_text_is_kept(text in "\\PC*") {
            let duration = GoDuration::from_text(&text);
            prop_assert_eq!(duration.text(), text.as_str());
        }

        #[test]
        fn texts_of_the_right_letters_never_panic(text in "[-+]?([0-9]{0,22}(\\.[0-9]{0,30})?(ns|us|ms|s|m|h|x)?){0,4}") {
            let duration = GoDuration::from_text(&text);
            prop_assert_eq!(duration.text(), text.as_str());
        }
    }
}
