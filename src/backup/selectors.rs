//! The label selectors of a backup.

use crate::api::v1::BackupSpec;
use crate::select::labels::{Selector, SelectorError};

/// The label selector, or all of the or-selectors; none when the backup has neither.
pub(super) fn selectors(spec: &BackupSpec) -> Result<Vec<Selector>, SelectorError> {
    spec.label_selector
        .iter()
        .chain(&spec.or_label_selectors)
        .map(Selector::from_api)
        .collect()
}

/// The selectors to list with, in query form, one list each. A single `None` lists everything. If one of the selectors is empty,
/// the result is a single `None`, because that one already selects everything (spec backup 22-C10).
pub(super) fn queries(selectors: &[Selector]) -> Vec<Option<String>> {
    let queries: Vec<Option<String>> = selectors.iter().map(Selector::to_query).collect();
    if queries.iter().any(Option::is_none) || queries.is_empty() {
        vec![None]
    } else {
        queries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::LabelSelector;

    #[test]
    fn each_selector_is_a_list_and_an_empty_one_lists_all() {
        let selector = |value: &str| LabelSelector {
            match_labels: BTreeMap::from([("app".to_owned(), value.to_owned())]),
            ..LabelSelector::default()
        };
        let query = |value: &str| Some(format!("app={value}"));
        let everything = LabelSelector::default();
        for (one, any, expected) in [
            (None, vec![], vec![None]),
            (Some(everything.clone()), vec![], vec![None]),
            (Some(selector("a")), vec![], vec![query("a")]),
            (None, vec![selector("a"), selector("b")], vec![query("a"), query("b")]),
            (None, vec![selector("a"), everything], vec![None]),
        ] {
            let spec = BackupSpec {
                label_selector: one,
                or_label_selectors: any,
                ..BackupSpec::default()
            };
            assert_eq!(queries(&selectors(&spec).unwrap()), expected);
        }
    }
}
