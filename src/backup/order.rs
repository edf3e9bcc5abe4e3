//! The order in `spec.orderedResources` (spec backup 7.5).

use std::collections::BTreeMap;

use super::done::Key;
use crate::cluster::discovery::{GroupResource, Resource};

/// The items of one type that come first, in the order they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ordered {
    /// As written, and as a key.
    named: Vec<(String, Key)>,
}

impl Ordered {
    /// Finds the type by its plural without a group, as upstream does, so an entry applies to that plural in every group. `None`
    /// if there is no entry for this type. Names are taken as written, spaces included.
    pub(super) fn of(spec: &BTreeMap<String, String>, resource: &Resource) -> Option<Self> {
        let names = spec.get(&resource.plural)?;
        let group_resource = resource.group_resource();
        let named = names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| (name.to_owned(), key_of(&group_resource, name)))
            .collect();
        Some(Self { named })
    }

    /// The places of the named items among those collected, in the user's order, and the names that were not found.
    /// `find` returns the place of an item.
    pub(super) fn places(&self, find: impl Fn(Key) -> Option<u32>) -> (Vec<u32>, Vec<&str>) {
        let mut places = Vec::new();
        let mut missing = Vec::new();
        for (name, key) in &self.named {
            match find(*key) {
                Some(place) if !places.contains(&place) => places.push(place),
                Some(_) => {}
                None => missing.push(name.as_str()),
            }
        }
        (places, missing)
    }
}

/// `namespace/name`, or `name` for cluster scope.
fn key_of(resource: &GroupResource, text: &str) -> Key {
    match text.split_once('/') {
        Some((namespace, name)) => Key::new(resource, Some(namespace), name),
        None => Key::new(resource, None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> Resource {
        Resource {
            plural: "pods".to_owned(),
            version: "v1".to_owned(),
            ..Resource::default()
        }
    }

    #[test]
    fn named_items_come_in_the_order_of_their_names() {
        let spec = BTreeMap::from([("pods".to_owned(), "a/two,a/one,b/gone,a/two".to_owned())]);
        let pod = |name: &str| Key::new(&pods().group_resource(), Some("a"), name);
        let collected = [pod("zero"), pod("one"), pod("two")];
        let ordered = Ordered::of(&spec, &pods()).unwrap();
        let find = |key| {
            collected
                .iter()
                .position(|k| *k == key)
                .and_then(|at| u32::try_from(at).ok())
        };
        assert_eq!(ordered.places(find), (vec![2, 1], vec!["b/gone"]));
    }

    #[test]
    fn the_plural_alone_names_the_type() {
        for (key, ordered) in [("pods", true), ("po", false), ("pod", false), ("pods.", false)] {
            let spec = BTreeMap::from([(key.to_owned(), "a/b".to_owned())]);
            assert_eq!(Ordered::of(&spec, &pods()).is_some(), ordered, "{key}");
        }
    }

    #[test]
    fn spaces_are_part_of_a_name() {
        let spec = BTreeMap::from([("pods".to_owned(), "a/one, a/two".to_owned())]);
        let ordered = Ordered::of(&spec, &pods()).unwrap();
        let two = Key::new(&pods().group_resource(), Some("a"), "two");
        assert_eq!(ordered.places(|key| (key == two).then_some(0)).0, Vec::<u32>::new());
    }
}
