//! The items of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::text_enum::text_enum;

/// Items by `apiVersion/Kind` (`v1/Pod`, `apps/v1/Deployment`): `namespace/name` or `name`, in a restore followed by the
/// result in parentheses. Lists are sorted before they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceList(pub BTreeMap<String, Vec<String>>);

text_enum! {
    /// The result of a restored item.
    pub enum RestoredAction {
        /// It did not exist and was created.
        Created = "created",
        /// It existed and was changed.
        Updated = "updated",
        /// It could not be restored.
        Failed = "failed",
        /// It existed and was left unchanged.
        Skipped = "skipped",
    }
}

impl ResourceList {
    /// Adds an item of a backup.
    pub fn add(&mut self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) {
        self.push(api_version, kind, item(namespace, name));
    }

    /// Adds an item of a restore: its target namespace, its new name, and the result.
    pub fn add_restored(
        &mut self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        action: &RestoredAction,
    ) {
        self.push(api_version, kind, format!("{}({action})", item(namespace, name)));
    }

    /// Sorts the lists, as they are in the file.
    pub fn sort(&mut self) {
        self.0.values_mut().for_each(|items| items.sort_unstable());
    }

    fn push(&mut self, api_version: &str, kind: &str, item: String) {
        self.0.entry(format!("{api_version}/{kind}")).or_default().push(item);
    }
}

impl RestoredAction {
    /// Splits an entry of a restore's list into the item and its result; `None` without parentheses at its end.
    pub fn split(entry: &str) -> Option<(&str, Self)> {
        let (item, action) = entry.strip_suffix(')')?.rsplit_once('(')?;
        Some((item, Self::from(action)))
    }
}

fn item(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        None | Some("") => name.to_owned(),
        Some(namespace) => format!("{namespace}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_listed_by_kind_and_sorted() {
        let mut list = ResourceList::default();
        list.add("v1", "Pod", Some("shop"), "web");
        list.add("v1", "Pod", Some("shop"), "db");
        list.add("v1", "Namespace", None, "shop");
        list.add_restored("apps/v1", "Deployment", Some("copy"), "web", &RestoredAction::Created);
        list.sort();
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"apps/v1/Deployment":["copy/web(created)"],"v1/Namespace":["shop"],"v1/Pod":["shop/db","shop/web"]}"#
        );
    }

    #[test]
    fn an_entry_is_split_at_its_last_parentheses() {
        for (entry, expected) in [
            ("copy/web(created)", Some(("copy/web", RestoredAction::Created))),
            ("system:x(y)(failed)", Some(("system:x(y)", RestoredAction::Failed))),
            (
                "odd(new thing)",
                Some(("odd", RestoredAction::Other("new thing".into()))),
            ),
            ("copy/web", None),
            ("", None),
        ] {
            assert_eq!(RestoredAction::split(entry), expected, "{entry}");
        }
    }
}
