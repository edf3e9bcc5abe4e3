//! A range of sizes.

use serde::{Deserialize, Deserializer};

use super::word;
use crate::api::Quantity;

/// From and to, both included; zero is an open end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityRange {
    from: Quantity,
    to: Quantity,
}

impl CapacityRange {
    /// From `10Gi,100Gi`; either side may be left out, and the whole text too.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (from, to) = text
            .split_once(',')
            .filter(|(_, to)| !to.contains(','))
            .ok_or_else(|| format!("wrong format of capacity {text:?}, expected two sizes as in \"10Gi,100Gi\", either of which may be left out"))?;
        let size = |side: &str| match side.trim() {
            "" => Ok(Quantity::default()),
            size => size
                .parse::<Quantity>()
                .map_err(|error| format!("wrong format of capacity {text:?}: {error}")),
        };
        let range = Self {
            from: size(from)?,
            to: size(to)?,
        };
        if range.from.exceeds(range.to) && !range.to.is_zero() {
            return Err(format!(
                "illegal values for capacity {text:?}: the first is more than the second"
            ));
        }
        Ok(range)
    }

    /// Whether a size lies in it.
    pub(super) fn holds(self, size: Quantity) -> bool {
        !self.from.exceeds(size) && (self.to.is_zero() || !size.exceeds(self.to))
    }
}

impl<'de> Deserialize<'de> for CapacityRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_lies_in_a_range_with_its_ends() {
        let table: [(&str, &[&str], &[&str]); 8] = [
            ("10Gi,100Gi", &["10Gi", "50Gi", "100Gi"], &["9Gi", "101Gi", "0"]),
            ("10Gi,", &["10Gi", "1Pi"], &["9Gi", "0"]),
            (",10Gi", &["0", "10Gi"], &["11Gi"]),
            (" 1G , 2G ", &["1G", "1500M", "2G"], &["2Gi", "999M"]),
            (",", &["0", "1Ei"], &[]),
            ("", &["0", "1Ei"], &[]),
            ("0,0", &["0", "1Ei"], &[]),
            ("5Gi,5Gi", &["5Gi", "5120Mi"], &["5G"]),
        ];
        for (range, inside, outside) in table {
            let parsed = CapacityRange::parse(range).unwrap();
            for size in inside {
                assert!(parsed.holds(size.parse().unwrap()), "{size} in {range:?}");
            }
            for size in outside {
                assert!(!parsed.holds(size.parse().unwrap()), "{size} not in {range:?}");
            }
        }
    }

    #[test]
    fn an_invalid_range_is_refused() {
        for (text, part) in [
            ("10Gi", "wrong format of capacity \"10Gi\", expected two sizes"),
            ("1,2,3", "expected two sizes"),
            ("ten,", "couldn't parse quantity \"ten\""),
            ("-1Gi,", "couldn't parse quantity \"-1Gi\""),
            ("2Gi,1Gi", "illegal values for capacity \"2Gi,1Gi\""),
        ] {
            let error = CapacityRange::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
