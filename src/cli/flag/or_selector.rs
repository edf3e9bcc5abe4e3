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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_separated_by_the_word_or() {
        let OrSelector(selectors) = "app=web or tier in (db)".parse().unwrap();
        assert_eq!(selectors.len(), 2);
        assert_eq!(selectors[0], "app=web".parse::<Selector>().unwrap().0);
    }
}
