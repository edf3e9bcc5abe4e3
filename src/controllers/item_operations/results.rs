//! Additions to a results file that are made once, however often they are repeated (spec restore 26 row 12).

use std::io;

use crate::api::artifact::{MessageSet, Results};
use crate::controllers::run::{RunError, json_gz};
use crate::store::{Store, StoreError};

/// The file has at most this many bytes, packed and unpacked.
const MAX: u64 = 64 << 20;

/// Adds these messages to the results at this key, those that are not there already.
///
/// # Errors
/// See [`RunError`]. May be repeated.
pub async fn add(store: &Store, key: &str, more: &Results) -> Result<(), RunError> {
    let before = read(store, key).await?;
    let mut after = before.clone();
    merge(&mut after.errors, &more.errors);
    merge(&mut after.warnings, &more.warnings);
    if after != before {
        store.put(key, json_gz::write(&after)?).await?;
    }
    Ok(())
}

async fn read(store: &Store, key: &str) -> Result<Results, RunError> {
    let packed = match store.get(key, MAX).await {
        Ok(packed) => packed,
        Err(error) if StoreError::is_not_found(&error) => return Ok(Results::default()),
        Err(error) => return Err(error.into()),
    };
    let unreadable = |error| RunError::Scratch(io::Error::other(format!("`{key}` cannot be read: {error}")));
    json_gz::read(&packed, MAX).map_err(unreadable)
}

fn merge(set: &mut MessageSet, more: &MessageSet) {
    add_new(&mut set.velero, &more.velero);
    add_new(&mut set.cluster, &more.cluster);
    for (namespace, messages) in &more.namespaces {
        add_new(set.namespaces.entry(namespace.clone()).or_default(), messages);
    }
}

fn add_new(list: &mut Vec<String>, more: &[String]) {
    let known: std::collections::HashSet<&String> = list.iter().collect();
    let new: Vec<String> = more.iter().filter(|text| !known.contains(text)).cloned().collect();
    list.extend(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_added_under_their_namespaces_and_not_twice() {
        let mut results = Results::default();
        results.errors.add(Some("shop"), "an old one");
        let mut more = MessageSet::default();
        more.add(Some("shop"), "a new one");
        more.add(Some(""), "of the cluster");
        more.add(None, "of Velero");
        merge(&mut results.errors, &more);
        let once = results.clone();
        merge(&mut results.errors, &more);
        assert_eq!(results, once);
        assert_eq!(results.errors.namespaces["shop"], ["an old one", "a new one"]);
        assert_eq!(results.errors.count(), 4);
    }
}
