//! The differences of two objects, field by field, for users.

use serde_json::Value;

use crate::api::restore_plan::Change;

/// How many differences of an object are listed; the others are counted.
const MOST: usize = 40;

/// A value that is longer than this as JSON is shown by its size.
const LONGEST: usize = 200;

/// The differences of two objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The first ones, in the order of their paths.
    pub listed: Vec<Change>,
    /// How many more there are.
    pub more: u64,
}

/// The changes from `from` to `to`. With `hidden` values are not shown, only their paths.
pub fn between(from: &Value, to: &Value, hidden: bool) -> Changes {
    let mut changes = Changes::default();
    let mut compare = Compare {
        changes: &mut changes,
        hidden,
    };
    compare.values("", Some(from), Some(to));
    changes
}

struct Compare<'a> {
    changes: &'a mut Changes,
    hidden: bool,
}

impl Compare<'_> {
    fn values(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        match (from, to) {
            (Some(Value::Object(from)), Some(Value::Object(to))) => {
                let mut keys: Vec<&String> = from.keys().chain(to.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    self.values(&member(path, key), from.get(key), to.get(key));
                }
            }
            (Some(Value::Array(from)), Some(Value::Array(to))) => {
                for at in 0..from.len().max(to.len()) {
                    self.values(&format!("{path}[{at}]"), from.get(at), to.get(at));
                }
            }
            (from, to) if from == to => {}
            _ if self.changes.listed.len() >= MOST => self.changes.more += 1,
            (from, to) => self.changes.listed.push(Change {
                path: path.to_owned(),
                from: from.filter(|_| !self.hidden).map(shown),
                to: to.filter(|_| !self.hidden).map(shown),
                hidden: self.hidden,
            }),
        }
    }
}

/// The path of a member; a key that would read as several is quoted.
fn member(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{key:?}]"),
    }
}

fn shown(value: &Value) -> Value {
    let length = value.to_string().len();
    if length > LONGEST {
        Value::from(format!("({length} bytes)"))
    } else {
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(from: &Value, to: &Value, hidden: bool) -> Vec<String> {
        let changes = between(from, to, hidden);
        changes.listed.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_difference_has_its_path() {
        let from = json!({
            "spec": {"replicas": 3, "paused": true, "list": [{"image": "a"}, 2, 3]},
            "metadata": {"labels": {"same": "x"}, "annotations": {"example.com/a.b": "1"}},
        });
        let to = json!({
            "spec": {"replicas": 2, "list": [{"image": "b"}, 2], "new": {"deep": {}}},
            "metadata": {"labels": {"same": "x"}, "annotations": {"example.com/a.b": "2"}},
        });
        assert_eq!(
            lines(&from, &to, false),
            [
                r#"metadata.annotations["example.com/a.b"]: "1" -> "2""#,
                r#"spec.list[0].image: "a" -> "b""#,
                "spec.list[2]: 3 -> (none)",
                r#"spec.new: (none) -> {"deep":{}}"#,
                "spec.paused: true -> (none)",
                "spec.replicas: 3 -> 2",
            ]
        );
        assert!(lines(&from, &from, false).is_empty());
    }

    #[test]
    fn a_hidden_value_is_shown_by_its_path_alone() {
        let (from, to) = (
            json!({"data": {"password": "b2xk", "new": null}}),
            json!({"data": {"password": "bmV3"}}),
        );
        assert_eq!(
            lines(&from, &to, true),
            ["data.new: (hidden)", "data.password: (hidden)"]
        );
        let text = serde_json::to_string(&between(&from, &to, true).listed).unwrap();
        assert!(!text.contains("b2xk") && !text.contains("bmV3"), "{text}");
    }

    #[test]
    fn many_or_large_differences_stay_a_short_answer() {
        let many: serde_json::Map<String, Value> = (0..100).map(|at| (format!("k{at}"), json!(at))).collect();
        let changes = between(&json!({}), &Value::Object(many), false);
        assert_eq!((changes.listed.len(), changes.more), (MOST, 100 - MOST as u64));
        let large = json!({"data": "x".repeat(1000)});
        assert_eq!(
            lines(&json!({"data": "y"}), &large, false),
            [r#"data: "y" -> "(1002 bytes)""#]
        );
    }
}
