//! A JSON tree that keeps the order of its keys, as typed objects give it; what the json and yaml printers print.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// One node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Null, a truth value, a number or a text.
    Scalar(Value),
    /// A list.
    List(Vec<Tree>),
    /// An object, its keys in order.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The tree of anything that serialises; keys keep the order in which they were written.
    pub fn of(object: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&serde_json::to_vec(object)?)
    }

    /// The tree of a text.
    pub fn text(text: &str) -> Self {
        Self::Scalar(Value::from(text))
    }

    /// The value under `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value under `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        match self {
            Self::Map(entries) => entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Sets `key` where it is missing; anything but an object stays as it is.
    pub fn default_to(&mut self, key: &str, value: Tree) {
        if self.get(key).is_none()
            && let Self::Map(entries) = self
        {
            entries.push((key.to_owned(), value));
        }
    }

    /// Brings the named keys to the front, in the order given.
    pub fn lead_with(&mut self, keys: &[&str]) {
        if let Self::Map(entries) = self {
            let place = |name: &str| keys.iter().position(|key| *key == name).unwrap_or(keys.len());
            entries.sort_by_key(|(name, _)| place(name));
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order() {
        let text = r#"{"b":1,"a":{"z":[null,true,"x"],"y":-2.5}}"#;
        let tree: Tree = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&tree).unwrap(), text);
    }

    #[test]
    fn chosen_keys_come_to_the_front() {
        let mut tree: Tree = serde_json::from_str(r#"{"x":1,"kind":"K","y":2,"apiVersion":"v"}"#).unwrap();
        tree.lead_with(&["kind", "apiVersion"]);
        assert_eq!(
            serde_json::to_string(&tree).unwrap(),
            r#"{"kind":"K","apiVersion":"v","x":1,"y":2}"#
        );
    }

    #[test]
    fn a_default_does_not_replace_what_is_there() {
        let mut tree: Tree = serde_json::from_str(r#"{"status":{"phase":"New"}}"#).unwrap();
        tree.default_to("status", Tree::Map(Vec::new()));
        tree.default_to("spec", Tree::Map(Vec::new()));
        assert_eq!(
            serde_json::to_string(&tree).unwrap(),
            r#"{"status":{"phase":"New"},"spec":{}}"#
        );
    }
}
