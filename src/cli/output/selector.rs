//! Label selectors in their text form.

use crate::api::LabelSelector;

/// The text of an unset value.
pub const NONE: &str = "<none>";

/// A selector in the syntax of `-l`; `<none>` if it is missing or selects everything.
pub fn text(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else {
        return NONE.to_owned();
    };
    let labels = selector
        .match_labels
        .iter()
        .map(|(key, value)| (key.as_str(), Some(format!("{key}={value}"))));
    let expressions = selector.match_expressions.iter().map(|term| {
        let mut values = term.values.clone();
        values.sort();
        let values = values.join(",");
        let text = match term.operator.as_str() {
            "In" => Some(format!("{} in ({values})", term.key)),
            "NotIn" => Some(format!("{} notin ({values})", term.key)),
            "Exists" => Some(term.key.clone()),
            "DoesNotExist" => Some(format!("!{}", term.key)),
            _ => None,
        };
        (term.key.as_str(), text)
    });
    let mut parts: Vec<(&str, Option<String>)> = labels.chain(expressions).collect();
    parts.sort_by_key(|(key, _)| *key);
    match parts.into_iter().map(|(_, text)| text).collect::<Option<Vec<String>>>() {
        None => "<error>".to_owned(),
        Some(parts) if parts.is_empty() => NONE.to_owned(),
        Some(parts) => parts.join(","),
    }
}

/// Several selectors, one of which must match.
pub fn any_of(selectors: &[LabelSelector]) -> String {
    let texts: Vec<String> = selectors.iter().map(|selector| text(Some(selector))).collect();
    if texts.is_empty() {
        NONE.to_owned()
    } else {
        texts.join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flag::Selector;

    #[test]
    fn requirements_are_sorted_by_key() {
        let Selector(selector) = "b=1,a in (y,x),c,!d,e notin (z)".parse().unwrap();
        assert_eq!(text(Some(&selector)), "a in (x,y),b=1,c,!d,e notin (z)");
    }

    #[test]
    fn a_selector_of_everything_is_printed_as_none() {
        assert_eq!(text(None), "<none>");
        assert_eq!(text(Some(&LabelSelector::default())), "<none>");
    }
}
