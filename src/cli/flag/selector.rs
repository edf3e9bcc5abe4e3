//! Label selectors in their text form.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::api::{LabelSelector, LabelSelectorRequirement};

/// A label selector in the syntax of `-l`: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector(pub LabelSelector);

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut selector = LabelSelector::default();
        for part in requirements(text) {
            match Requirement::parse(part)? {
                Requirement::Equals(key, value) => require(&mut selector, key, value),
                Requirement::Expression(expression) => selector.match_expressions.push(expression),
            }
        }
        selector.match_expressions.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self(selector))
    }
}

impl Selector {
    /// One selector that requires all selectors of a repeated flag. Upstream and kubectl use only the last one.
    pub fn all(given: &[Self]) -> Option<Self> {
        let mut all = given.first()?.clone();
        for Self(more) in &given[1..] {
            for (key, value) in &more.match_labels {
                require(&mut all.0, key.clone(), value.clone());
            }
            all.0.match_expressions.extend(more.match_expressions.iter().cloned());
        }
        all.0.match_expressions.sort_by(|a, b| a.key.cmp(&b.key));
        Some(all)
    }
}

/// Requires a label with a value. `matchLabels` has one value a key, so a second value becomes an expression.
fn require(selector: &mut LabelSelector, key: String, value: String) {
    match selector.match_labels.get(&key) {
        None => {
            selector.match_labels.insert(key, value);
        }
        Some(first) if *first == value => {}
        Some(_) => selector.match_expressions.push(LabelSelectorRequirement {
            key,
            operator: "In".to_owned(),
            values: vec![value],
        }),
    }
}

enum Requirement {
    Equals(String, String),
    Expression(LabelSelectorRequirement),
}

impl Requirement {
    fn parse(part: &str) -> Result<Self, String> {
        let expression = |key: &str, operator: &str, values: Vec<String>| {
            Ok(Self::Expression(LabelSelectorRequirement {
                key: label_key(key)?,
                operator: operator.to_owned(),
                values,
            }))
        };
        if let Some(key) = part.strip_prefix('!') {
            return expression(key, "DoesNotExist", Vec::new());
        }
        if let Some((key, value)) = part.split_once("!=") {
            return expression(key, "NotIn", vec![label_value(value)?]);
        }
        if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            return Ok(Self::Equals(label_key(key)?, label_value(value)?));
        }
        if let Some((head, list)) = part.split_once('(') {
            let list = list
                .strip_suffix(')')
                .ok_or_else(|| format!("unable to parse requirement: {part:?} lacks a `)`"))?;
            let values = list
                .split(',')
                .map(|value| label_value(value.trim()))
                .collect::<Result<BTreeSet<_>, _>>()?;
            let values = values.into_iter().collect();
            let mut words = head.split_whitespace();
            return match (words.next(), words.next(), words.next()) {
                (Some(key), Some("in"), None) => expression(key, "In", values),
                (Some(key), Some("notin"), None) => expression(key, "NotIn", values),
                _ => Err(format!(
                    "unable to parse requirement: {part:?} should read `key in (…)` or `key notin (…)`"
                )),
            };
        }
        if part.contains(['<', '>']) {
            return Err(format!(
                "unable to parse requirement: {part:?} compares numbers, which a label selector cannot do"
            ));
        }
        expression(part, "Exists", Vec::new())
    }
}

/// The requirements of a selector: split at the commas outside parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    let parts: Vec<&str> = parts.into_iter().map(str::trim).collect();
    if parts == [""] { Vec::new() } else { parts }
}

fn label_key(text: &str) -> Result<String, String> {
    let key = text.trim();
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        (1..=253).contains(&prefix.len())
            && prefix
                .split('.')
                .all(|part| word(part, |c| matches!(c, 'a'..='z' | '0'..='9' | '-')))
    });
    if prefix_fits && name.len() <= 63 && word(name, label_char) {
        Ok(key.to_owned())
    } else {
        Err(format!("unable to parse requirement: {key:?} is not a label key"))
    }
}

fn label_value(text: &str) -> Result<String, String> {
    let value = text.trim();
    if value.is_empty() || (value.len() <= 63 && word(value, label_char)) {
        Ok(value.to_owned())
    } else {
        Err(format!("unable to parse requirement: {value:?} is not a label value"))
    }
}

fn label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether a text has only allowed characters, and begins and ends with a letter or digit.
fn word(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
        let values = values.iter().map(ToString::to_string).collect();
        LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values,
        }
    }

    #[test]
    fn every_form_of_requirement_is_parsed() {
        let Selector(selector) = "a=b, c==d ,e!=f,g in (y, x),h notin (i),j,!k".parse().unwrap();
        let labels: Vec<_> = selector.match_labels.into_iter().collect();
        assert_eq!(
            labels,
            [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())]
        );
        let want = [
            expression("e", "NotIn", &["f"]),
            expression("g", "In", &["x", "y"]),
            expression("h", "NotIn", &["i"]),
            expression("j", "Exists", &[]),
            expression("k", "DoesNotExist", &[]),
        ];
        assert_eq!(selector.match_expressions, want);
    }

    #[test]
    fn every_requirement_on_a_key_is_kept() {
        let table = [
            ("app=web,app=nginx", vec![expression("app", "In", &["nginx"])]),
            ("app=web,app==web", vec![]),
            (
                "app=web,app=nginx,app=db",
                vec![expression("app", "In", &["nginx"]), expression("app", "In", &["db"])],
            ),
            (
                "app=web,app!=nginx,app!=db",
                vec![
                    expression("app", "NotIn", &["nginx"]),
                    expression("app", "NotIn", &["db"]),
                ],
            ),
            (
                "app=web,app in (a,b),app in (b,c),app,!app",
                vec![
                    expression("app", "In", &["a", "b"]),
                    expression("app", "In", &["b", "c"]),
                    expression("app", "Exists", &[]),
                    expression("app", "DoesNotExist", &[]),
                ],
            ),
        ];
        for (text, expressions) in table {
            let Selector(selector) = text.parse().unwrap();
            assert_eq!(selector.match_labels["app"], "web", "{text}");
            assert_eq!(selector.match_expressions, expressions, "{text}");
        }
    }

    #[test]
    fn selectors_of_a_repeated_flag_must_all_match() {
        let all = |texts: &[&str]| {
            let given: Vec<Selector> = texts.iter().map(|text| text.parse().unwrap()).collect();
            Selector::all(&given)
        };
        assert_eq!(all(&[]), None);
        assert_eq!(all(&["app=web", "app=nginx"]), all(&["app=web,app=nginx"]));
        assert_eq!(all(&["b,app=web", "!a", "tier=x"]), all(&["app=web,tier=x,b,!a"]));
    }

    #[test]
    fn an_empty_text_selects_everything() {
        assert_eq!("".parse::<Selector>().unwrap(), Selector::default());
    }

    #[test]
    fn invalid_selectors_are_refused() {
        for text in [
            "a=b=c",
            "a in x",
            "a in (b",
            "x > 1",
            "-a",
            "a b",
            "a,",
            "a=-b",
            "/a",
            "A.b/c=d/e",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
