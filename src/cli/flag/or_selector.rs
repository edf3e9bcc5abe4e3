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
        text.split(" or ")
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
    fn each_selector_keeps_all_its_requirements_and_repeated_flags_add_up() {
        let given = ["app=web,app=nginx or tier!=db", "a"].map(|text| text.parse().unwrap());
        let all = OrSelector::all(&given);
        let want = ["app=web,app=nginx", "tier!=db", "a"].map(|text| text.parse::<Selector>().unwrap().0);
        assert_eq!(all, want);
    }
}
