//! Label selectors.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// A checked label selector. An empty one selects everything (spec backup 22-C10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Sorted by key, as upstream prints them.
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Test {
    Equals(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

/// A selector the API would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// An operator other than In, NotIn, Exists, DoesNotExist.
    #[error("{0:?} is not a valid label selector operator")]
    Operator(String),
    /// In or NotIn without values.
    #[error("label selector key {key:?}: operator {operator} needs at least one value")]
    ValuesMissing {
        /// The label's key.
        key: String,
        /// As written.
        operator: String,
    },
    /// Exists or DoesNotExist with values.
    #[error("label selector key {key:?}: operator {operator} takes no values")]
    ValuesForbidden {
        /// The label's key.
        key: String,
        /// As written.
        operator: String,
    },
    /// A key that no label can have.
    #[error("label selector key {0:?} is not a valid label key")]
    Key(String),
    /// A value that no label can have.
    #[error("label selector key {key:?}: {value:?} is not a valid label value")]
    Value {
        /// The label's key.
        key: String,
        /// The invalid value.
        value: String,
    },
}

impl Selector {
    /// Checks a selector of one of Velero's own specs. An empty list of values is none.
    pub fn from_api(selector: &crate::api::LabelSelector) -> Result<Self, SelectorError> {
        let requirement = |one: &crate::api::LabelSelectorRequirement| LabelSelectorRequirement {
            key: one.key.clone(),
            operator: one.operator.clone(),
            values: Some(one.values.clone()).filter(|values| !values.is_empty()),
        };
        Self::new(&LabelSelector {
            match_labels: Some(selector.match_labels.clone()),
            match_expressions: Some(selector.match_expressions.iter().map(requirement).collect()),
        })
    }

    /// Checks the selector of a spec.
    pub fn new(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let equal = selector.match_labels.iter().flatten();
        let equal = equal.map(|(key, value)| Requirement::new(key, Test::Equals(value.clone())));
        let expressions = selector
            .match_expressions
            .iter()
            .flatten()
            .map(Requirement::from_expression);
        let mut requirements = equal.chain(expressions).collect::<Result<Vec<_>, _>>()?;
        requirements.sort();
        Ok(Self { requirements })
    }

    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether these labels are selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.test {
                Test::Equals(wanted) => value == Some(wanted),
                Test::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
                Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
            }
        })
    }

    /// The form of a query parameter, not yet percent-encoded; `None` when everything is selected.
    pub fn to_query(&self) -> Option<String> {
        (!self.is_everything()).then(|| self.to_string())
    }
}

/// As in queries and messages; empty for the selector that selects everything.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Equals(value) => write!(f, "{key}={value}")?,
                Test::In(values) => write!(f, "{key} in ({})", joined(values))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", joined(values))?,
                Test::Exists => f.write_str(key)?,
                Test::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

/// The selectors of a spec: its one selector, or its or-selectors. An object is selected when any of them matches, and when
/// there is none.
pub fn of_spec(one: Option<&LabelSelector>, any: Option<&[LabelSelector]>) -> Result<Vec<Selector>, SelectorError> {
    one.into_iter()
        .chain(any.into_iter().flatten())
        .map(Selector::new)
        .collect()
}

/// Whether any of the selectors matches; without selectors everything does.
pub fn any_matches(selectors: &[Selector], labels: &BTreeMap<String, String>) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels))
}

impl Requirement {
    fn new(key: &str, test: Test) -> Result<Self, SelectorError> {
        if !is_label_key(key) {
            return Err(SelectorError::Key(key.to_owned()));
        }
        let bad = match &test {
            Test::Equals(value) => Some(value).filter(|value| !is_label_value(value)),
            Test::In(values) | Test::NotIn(values) => values.iter().find(|value| !is_label_value(value)),
            Test::Exists | Test::DoesNotExist => None,
        };
        match bad {
            Some(value) => Err(SelectorError::Value {
                key: key.to_owned(),
                value: value.clone(),
            }),
            None => Ok(Self {
                key: key.to_owned(),
                test,
            }),
        }
    }

    fn from_expression(expression: &LabelSelectorRequirement) -> Result<Self, SelectorError> {
        let LabelSelectorRequirement { key, operator, values } = expression;
        let values: BTreeSet<String> = values.iter().flatten().cloned().collect();
        let test = match (operator.as_str(), values.is_empty()) {
            ("In", false) => Test::In(values),
            ("NotIn", false) => Test::NotIn(values),
            ("Exists", true) => Test::Exists,
            ("DoesNotExist", true) => Test::DoesNotExist,
            ("In" | "NotIn", true) => {
                return Err(SelectorError::ValuesMissing {
                    key: key.clone(),
                    operator: operator.clone(),
                });
            }
            ("Exists" | "DoesNotExist", false) => {
                return Err(SelectorError::ValuesForbidden {
                    key: key.clone(),
                    operator: operator.clone(),
                });
            }
            _ => return Err(SelectorError::Operator(operator.clone())),
        };
        Self::new(key, test)
    }
}

fn joined(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// `name` or `prefix/name`: the name as a label value but not empty, the prefix a DNS name.
pub fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_dns_name)
}

/// At most 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; or nothing.
pub fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<u8>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && value
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        && ends(value.bytes().next())
        && ends(value.bytes().last())
}

fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

/// The characters of a DNS-1123 label; the caller checks its length.
pub(super) fn is_dns_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(value: serde_json::Value) -> Result<Selector, SelectorError> {
        Selector::new(&serde_json::from_value(value).unwrap())
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_empty_selector_selects_everything_and_needs_no_query() {
        for empty in [json!({}), json!({"matchLabels": {}}), json!({"matchExpressions": []})] {
            let selector = selector(empty).unwrap();
            assert!(selector.is_everything());
            assert!(selector.matches(&labels(&[])) && selector.matches(&labels(&[("a", "b")])));
            assert_eq!(selector.to_query(), None);
        }
    }

    #[test]
    fn each_operator_has_its_query_and_its_matches() {
        let one = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
        let (none, shop, bank) = (
            labels(&[("x", "y")]),
            labels(&[("app", "shop")]),
            labels(&[("app", "bank")]),
        );
        let table = [
            (
                json!({"matchLabels": {"app": "shop"}}),
                "app=shop",
                [false, true, false],
            ),
            (json!({"matchLabels": {"app": ""}}), "app=", [false, false, false]),
            (one("In", &["shop", "club"]), "app in (club,shop)", [false, true, false]),
            (one("In", &["shop", "shop"]), "app in (shop)", [false, true, false]),
            (one("NotIn", &["shop"]), "app notin (shop)", [true, false, true]),
            (one("Exists", &[]), "app", [false, true, true]),
            (one("DoesNotExist", &[]), "!app", [true, false, false]),
        ];
        for (spec, query, expected) in table {
            let selector = selector(spec).unwrap();
            assert_eq!(selector.to_query().as_deref(), Some(query));
            assert_eq!(
                [&none, &shop, &bank].map(|labels| selector.matches(labels)),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn requirements_are_joined_in_order_of_their_keys() {
        let spec = json!({
            "matchLabels": {"z": "1", "example.org/a": "2"},
            "matchExpressions": [{"key": "m", "operator": "Exists"}],
        });
        assert_eq!(selector(spec).unwrap().to_query().unwrap(), "example.org/a=2,m,z=1");
    }

    #[test]
    fn a_selector_that_the_api_would_refuse_is_an_error() {
        let expression = |value| json!({"matchExpressions": [value]});
        let table = [
            (
                expression(json!({"key": "a", "operator": "Is"})),
                "\"Is\" is not a valid label selector operator",
            ),
            (
                expression(json!({"key": "a", "operator": "In"})),
                "label selector key \"a\": operator In needs at least one value",
            ),
            (
                expression(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
                "label selector key \"a\": operator Exists takes no values",
            ),
            (
                json!({"matchLabels": {"a b": "c"}}),
                "label selector key \"a b\" is not a valid label key",
            ),
            (
                json!({"matchLabels": {"": "c"}}),
                "label selector key \"\" is not a valid label key",
            ),
            (
                json!({"matchLabels": {"UP/a": "c"}}),
                "label selector key \"UP/a\" is not a valid label key",
            ),
            (
                json!({"matchLabels": {"a": "b c"}}),
                "label selector key \"a\": \"b c\" is not a valid label value",
            ),
            (
                json!({"matchLabels": {"a": "-"}}),
                "label selector key \"a\": \"-\" is not a valid label value",
            ),
        ];
        for (spec, message) in table {
            assert_eq!(selector(spec).unwrap_err().to_string(), message);
        }
        let long = "x".repeat(64);
        assert!(selector(json!({"matchLabels": {"a": long}})).is_err());
    }

    #[test]
    fn of_several_selectors_any_is_enough_and_none_is_no_condition() {
        let spec: Vec<LabelSelector> =
            serde_json::from_value(json!([{"matchLabels": {"a": "1"}}, {"matchLabels": {"b": "2"}}])).unwrap();
        let any = of_spec(None, Some(&spec)).unwrap();
        for (set, expected) in [
            (labels(&[("a", "1")]), true),
            (labels(&[("b", "2")]), true),
            (labels(&[("a", "2")]), false),
        ] {
            assert_eq!(any_matches(&any, &set), expected);
        }
        assert!(any_matches(&of_spec(None, None).unwrap(), &labels(&[])));
        assert!(any_matches(&of_spec(None, Some(&[])).unwrap(), &labels(&[])));
    }
}
