//! Lists split at commas.

use std::convert::Infallible;
use std::str::FromStr;

/// A list split at commas, not trimmed; an empty text is a list of one empty element. A repeated flag adds to the list:
/// upstream silently drops the first list (spec server-cli 13.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringArray(pub Vec<String>);

impl StringArray {
    /// A list of a single element, for defaults.
    pub fn one(element: &str) -> Self {
        Self(vec![element.to_owned()])
    }

    /// The elements of a repeated flag, without duplicates.
    pub fn all(given: &[Self]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for element in given.iter().flat_map(|list| &list.0) {
            if !all.contains(element) {
                all.push(element.clone());
            }
        }
        all
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
    fn lists_of_a_repeated_flag_are_merged() {
        let given = ["a,b", "b,c"].map(|text| text.parse().unwrap());
        assert_eq!(StringArray::all(&given), ["a", "b", "c"]);
        assert_eq!(StringArray::all(&[]), Vec::<String>::new());
    }

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
