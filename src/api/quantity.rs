//! Kubernetes quantities: checked, compared and written in canonical form, as `500m`, `1`, `512Mi`.

use std::fmt;
use std::str::FromStr;

/// An amount of a resource, to the thousandth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantity {
    millis: i128,
    binary: bool,
}

const DECIMAL: [(&str, i128); 8] = [
    ("m", 1),
    ("", 1_000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

/// Units below a thousandth, with how many of them make one.
const SMALL: [(&str, i128); 2] = [("u", 1_000), ("n", 1_000_000)];

const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    /// Whether it is zero, which flags use for "unset".
    pub fn is_zero(self) -> bool {
        self.millis == 0
    }

    /// Whether this is more than `other`.
    pub fn exceeds(self, other: Self) -> bool {
        self.millis > other.millis
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("couldn't parse quantity {text:?}; expected a number such as 500m, 1 or 512Mi");
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let unit = Unit::of(suffix).ok_or_else(invalid)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.len() > 9 {
            return Err(invalid());
        }
        let digits: i128 = format!("{whole}{part}").parse().map_err(|_| invalid())?;
        let scale = 10_i128.pow(u32::try_from(part.len()).unwrap_or(9)) * unit.divisor;
        // Like Kubernetes: an amount below a thousandth counts as one.
        let millis = digits
            .checked_mul(unit.millis)
            .and_then(|millis| millis.checked_add(scale - 1))
            .ok_or_else(invalid)?
            / scale;
        Ok(Self {
            millis,
            binary: unit.binary,
        })
    }
}

/// The suffix of the number.
struct Unit {
    /// The thousandths in one.
    millis: i128,
    /// How many make one thousandth, for those that are smaller.
    divisor: i128,
    /// Whether it counts in powers of two.
    binary: bool,
}

impl Unit {
    fn of(suffix: &str) -> Option<Self> {
        let unit = |millis, divisor, binary| Self {
            millis,
            divisor,
            binary,
        };
        let named = |table: &[(&str, i128)]| table.iter().find(|(name, _)| *name == suffix).map(|(_, count)| *count);
        if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            return Some(unit(1_000 << bits, 1, true));
        }
        named(&DECIMAL)
            .map(|millis| unit(millis, 1, false))
            .or_else(|| named(&SMALL).map(|divisor| unit(1, divisor, false)))
            .or_else(|| exponent(suffix).map(|(millis, divisor)| unit(millis, divisor, false)))
    }
}

/// `e3`, `E-1`: thousandths in one, and how many make a thousandth.
fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let ten = |power: i32| 10_i128.checked_pow(u32::try_from(power).ok()?);
    match power + 3 {
        power @ 0..=24 => Some((ten(power)?, 1)),
        power @ -9..0 => Some((1, ten(-power)?)),
        _ => None,
    }
}

impl fmt::Display for Quantity {
    /// The largest unit in which the number is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.binary {
            for (name, bits) in BINARY.iter().rev() {
                let unit = 1_000_i128 << bits;
                if self.millis % unit == 0 {
                    return write!(f, "{}{name}", self.millis / unit);
                }
            }
        }
        let (name, unit) = DECIMAL
            .iter()
            .rev()
            .find(|(_, unit)| self.millis % unit == 0)
            .unwrap_or(&DECIMAL[0]);
        write!(f, "{}{name}", self.millis / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_in_their_largest_whole_unit() {
        let cases = [
            ("1000m", "1"),
            ("500m", "500m"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("128Mi", "128Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("512", "512"),
            ("2000", "2k"),
            ("0", "0"),
            ("0Mi", "0"),
            ("1125899906842624", "1125899906842624"),
            ("1e3", "1k"),
            ("2E-1", "200m"),
            ("1500u", "2m"),
            ("1n", "1m"),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "m",
            "1x",
            "1 Gi",
            "-1",
            "1..2",
            ".",
            "1e",
            "1e99",
            "99999999999999999999999999999999999999",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_compare_across_units() {
        let of = |text: &str| text.parse::<Quantity>().unwrap();
        assert!(of("1Gi").exceeds(of("1000Mi")));
        assert!(!of("500m").exceeds(of("0.5")));
    }
}
