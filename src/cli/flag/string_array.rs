//! Lists split at commas.

use std::convert::Infallible;
use std::str::FromStr;

/// A list of texts, split at commas and not trimmed; an empty text is a list of one empty element. Given again, the flag
/// replaces what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringArray(pub Vec<String>);

impl StringArray {
    /// The list with a single element, for defaults.
    pub fn one(element: &str) -> Self {
        Self(vec![element.to_owned()])
    }

    /// Whether the list has no elements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for StringArray {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split(',').map(str::to_owned).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_split_at_commas_and_not_trimmed() {
        for (text, want) in [
            ("a,b", vec!["a", "b"]),
            ("a, b", vec!["a", " b"]),
            ("", vec![""]),
            ("a,,", vec!["a", "", ""]),
        ] {
            assert_eq!(text.parse::<StringArray>().unwrap().0, want, "{text:?}");
        }
    }
}
