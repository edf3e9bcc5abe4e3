//! Kubernetes quantities: checked, compared and written in canonical form, as `500m`, `1`, `512Mi`.

use std::fmt;
use std::str::FromStr;

/// An amount of a resource, to the thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    /// Whether nothing is meant: flags use zero for "unset".
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
        let (unit, binary) = unit(suffix).ok_or_else(invalid)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if number.is_empty() || whole.len() > 15 || part.len() > 9 || (whole.is_empty() && part.is_empty()) {
            return Err(invalid());
        }
        let digits: i128 = format!("{whole}{part}").parse().map_err(|_| invalid())?;
        let scale = 10_i128.pow(u32::try_from(part.len()).unwrap_or(9));
        // Like Kubernetes: what is smaller than a thousandth counts as one.
        let millis = (digits * unit + scale - 1) / scale;
        Ok(Self { millis, binary })
    }
}

/// The thousandths in one of a unit, and whether it counts in powers of two.
fn unit(suffix: &str) -> Option<(i128, bool)> {
    let binary = BINARY
        .iter()
        .find(|(name, _)| *name == suffix)
        .map(|(_, bits)| (1_000 << bits, true));
    binary.or_else(|| {
        DECIMAL
            .iter()
            .find(|(name, _)| *name == suffix)
            .map(|(_, unit)| (*unit, false))
    })
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
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "m", "1x", "1 Gi", "-1", "1..2", "."] {
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
