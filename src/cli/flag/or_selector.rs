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
        // An `or` at either end would leave an empty selector, which selects everything.
        let padded = format!(" {text} ");
        let parts: Vec<&str> = padded.split(" or ").map(str::trim).collect();
        if parts.len() > 1 && parts.contains(&"") {
            return Err("a selector next to 'or' is empty and would select everything".to_owned());
        }
        parts
            .into_iter()
            .map(|part| part.parse().map(|Selector(selector)| selector))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl OrSelector {
    /// The selectors of a repeated flag, one of which must match.
    pub fn all(given: &[Self]) -> Vec<LabelSelector> {
        given.iter().flat_map(|selectors| selectors.0.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_separated_by_or() {
        let OrSelector(selectors) = "app=web or tier in (db)".parse().unwrap();
        assert_eq!(selectors.len(), 2);
        assert_eq!(selectors[0], "app=web".parse::<Selector>().unwrap().0);
    }

    #[test]
    fn an_or_needs_a_selector_on_both_sides() {
        for text in ["a=b or ", " or a=b", "a=b or  or c=d", "a=b or", "or a=b"] {
            assert!(text.parse::<OrSelector>().is_err(), "{text:?}");
        }
        assert_eq!("for=or or or=for".parse::<OrSelector>().unwrap().0.len(), 2);
    }

    #[test]
    fn repeated_flags_keep_all_selectors_and_requirements() {
        let given = ["app=web,app=nginx or tier!=db", "a"].map(|text| text.parse().unwrap());
        let all = OrSelector::all(&given);
        let want = ["app=web,app=nginx", "tier!=db", "a"].map(|text| text.parse::<Selector>().unwrap().0);
        assert_eq!(all, want);
    }
}
