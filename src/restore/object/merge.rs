//! JSON merge patches (RFC 7386): the difference of two objects as one.

use serde_json::{Map, Value};

/// The merge patch from `from` to `to`: fields that only `from` has become nulls, lists are replaced whole. It is an empty object
/// if nothing differs.
pub fn diff(from: &Value, to: &Value) -> Value {
    Value::Object(match (from, to) {
        (Value::Object(from), Value::Object(to)) => diff_maps(from, to),
        _ => Map::new(),
    })
}

fn diff_maps(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, wanted) in to {
        match (from.get(key), wanted) {
            (Some(Value::Object(have)), Value::Object(want)) => {
                let inner = diff_maps(have, want);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (Some(have), want) if have == want => {}
            (_, want) => {
                patch.insert(key.clone(), want.clone());
            }
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

/// Removes every null of a map, at any depth. Go programs write nulls for absent fields, so they are no difference.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_difference_of_two_objects_is_a_merge_patch() {
        let table = [
            (json!({"a": 1}), json!({"a": 1}), json!({})),
            (json!({"a": 1}), json!({"a": 2}), json!({"a": 2})),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), json!({"b": null})),
            (json!({}), json!({"a": {"b": {}}}), json!({"a": {"b": {}}})),
            (
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"b": 1}}),
                json!({"a": {"c": null}}),
            ),
            (json!({"a": [1, 2]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"a": {"b": 1}}), json!({"a": "text"}), json!({"a": "text"})),
        ];
        for (from, to, patch) in table {
            assert_eq!(diff(&from, &to), patch, "{from} -> {to}");
        }
    }

    #[test]
    fn nulls_are_dropped_at_any_depth_but_stay_in_lists() {
        let mut value = json!({"a": null, "b": {"c": null, "d": [{"e": null}, null]}});
        drop_nulls(&mut value);
        assert_eq!(value, json!({"b": {"d": [{}, null]}}));
    }

    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), any::<i8>().prop_map(Value::from)];
        let value = leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_wanted_object(from in objects(), to in objects()) {
            let mut patched = from.clone();
            json_patch::merge(&mut patched, &diff(&from, &to));
            prop_assert_eq!(patched, to);
        }
    }
}
