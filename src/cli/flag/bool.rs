//! Boolean values in Go's spelling, and flags that may be unset.

use std::str::FromStr;

/// Parses a boolean as Go: `1 t T TRUE true True 0 f F FALSE false False`.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// A flag that is true, false or unset, where the server decides. `--flag=` is unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionalBool(pub Option<bool>);

impl OptionalBool {
    /// The value of a flag that may be missing.
    pub fn of(flag: Option<Self>) -> Option<bool> {
        flag.and_then(|flag| flag.0)
    }
}

impl FromStr for OptionalBool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(Self(None))
        } else {
            go_bool(text).map(|value| Self(Some(value)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spellings_of_go_are_booleans() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(go_bool(text), Ok(true));
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(go_bool(text), Ok(false));
        }
        for text in ["yes", "tRUE", "", " true"] {
            assert!(go_bool(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_value_leaves_the_flag_unset() {
        assert_eq!("".parse(), Ok(OptionalBool(None)));
        assert_eq!("T".parse(), Ok(OptionalBool(Some(true))));
        assert_eq!(OptionalBool::of(None), None);
    }
}
