//! Several label selectors, one of which must match.

use std::str::FromStr;

use super::Selector;
use crate::api::LabelSelector;

/// Selectors separated by ` or `.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrSelector(pub Vec<LabelSelector>);

impl FromStr for OrSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The word at either end leaves an empty selector, which would choose everything.
        let padded = format!(" {text} ");
        let parts: Vec<&str> = padded.split(" or ").map(str::trim).collect();
        if parts.len() > 1 && parts.contains(&"") {
            return Err("a selector beside the word 'or' is empty, and would select everything".to_owned());
        }
        parts
            .into_iter()
            .map(|part| part.parse().map(|Selector(selector)| selector))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl OrSelector {
    /// The selectors of all that a repeated flag gave; one of them must match.
    pub fn all(given: &[Self]) -> Vec<LabelSelector> {
        given.iter().flat_map(|selectors| selectors.0.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_separated_by_the_word_or() {
        let OrSelector(selectors) = "app=web or tier in (db)".parse().unwrap();
        assert_eq!(selectors.len(), 2);
        assert_eq!(selectors[0], "app=web".parse::<Selector>().unwrap().0);
    }

    #[test]
    fn the_word_or_stands_between_two_selectors() {
        for text in ["a=b or ", " or a=b", "a=b or  or c=d", "a=b or", "or a=b"] {
            assert!(text.parse::<OrSelector>().is_err(), "{text:?}");
        }
        assert_eq!("for=or or or=for".parse::<OrSelector>().unwrap().0.len(), 2);
    }

    #[test]
    fn each_selector_keeps_all_its_requirements_and_repeated_flags_add_up() {
        let given = ["app=web,app=nginx or tier!=db", "a"].map(|text| text.parse().unwrap());
        let all = OrSelector::all(&given);
        let want = ["app=web,app=nginx", "tier!=db", "a"].map(|text| text.parse::<Selector>().unwrap().0);
        assert_eq!(all, want);
    }
}
