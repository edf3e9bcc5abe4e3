//! JSON merge patches (RFC 7386) that turn one object into another.

use serde_json::{Map, Value};

/// The merge patch that turns `from` into `to`; `None` when they do not differ.
///
/// Merge patches cannot write a `null`, and API servers drop most of them, so a `null` field counts as absent on both sides.
pub fn diff(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        // A list is sent whole, and the server drops its nulls: without this the two would always differ.
        let to = without_null_fields(to.clone());
        return (without_null_fields(from.clone()) != to).then_some(to);
    };
    let mut patch = Map::new();
    for (key, now) in to.iter().filter(|(_, now)| !now.is_null()) {
        match from.get(key).filter(|was| !was.is_null()) {
            None => {
                patch.insert(key.clone(), now.clone());
            }
            Some(was) => {
                if let Some(difference) = diff(was, now) {
                    patch.insert(key.clone(), difference);
                }
            }
        }
    }
    for (key, _) in from.iter().filter(|(_, was)| !was.is_null()) {
        if to.get(key).is_none_or(Value::is_null) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// A value without the fields that are `null`, at any depth: Go programs write them for absent fields. Elements of lists stay,
/// because they have places.
pub fn without_null_fields(mut value: Value) -> Value {
    drop_null_fields(&mut value);
    value
}

fn drop_null_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_null_fields);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_null_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::btree_map("[a-d]", inner.clone(), 1..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
            ]
        })
    }

    #[test]
    fn only_differences_are_sent_and_removals_are_null() {
        let rows = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), Some(json!({"b": 3}))),
            (
                json!({"s": {"x": 1, "y": 2}}),
                json!({"s": {"x": 1}}),
                Some(json!({"s": {"y": null}})),
            ),
            (json!({"l": [1, 2]}), json!({"l": [2]}), Some(json!({"l": [2]}))),
            (json!({"a": null}), json!({}), None),
            (json!({}), json!({"a": null}), None),
            (json!({"a": 1}), json!({"a": null}), Some(json!({"a": null}))),
            (json!({"l": [{"x": 1}]}), json!({"l": [{"x": 1, "y": null}]}), None),
            (
                json!({"l": [{"x": 1}]}),
                json!({"l": [{"x": 2, "y": null}]}),
                Some(json!({"l": [{"x": 2}]})),
            ),
            (json!({"l": [1, null]}), json!({"l": [1]}), Some(json!({"l": [1]}))),
            (json!({}), json!({"a": {"b": {}}}), Some(json!({"a": {"b": {}}}))),
            (json!({"a": {"b": 1}}), json!({"a": "t"}), Some(json!({"a": "t"}))),
        ];
        for (from, to, patch) in rows {
            assert_eq!(diff(&from, &to), patch, "{from} -> {to}");
        }
    }

    #[test]
    fn nulls_are_dropped_at_any_depth_but_stay_in_lists() {
        let value = json!({"a": null, "b": {"c": null, "d": [{"e": null}, null]}});
        assert_eq!(without_null_fields(value), json!({"b": {"d": [{}, null]}}));
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_other_object(from in objects(), to in objects()) {
            let (from, to) = (json!({"o": from}), json!({"o": to}));
            let mut patched = from.clone();
            if let Some(patch) = diff(&from, &to) {
                json_patch::merge(&mut patched, &patch);
            }
            prop_assert_eq!(without_null_fields(patched.clone()), without_null_fields(to.clone()));
            prop_assert_eq!(diff(&patched, &to), None);
        }
    }
}
