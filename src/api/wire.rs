//! How Go's `encoding/json` treats fields, for all types: `null` is the zero value, `omitempty` drops it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Fields of a newer release: kept as they are, so that reading and writing an object loses nothing.
pub type Other = BTreeMap<String, Value>;

/// Reads `null` as the zero value. Go writes `null` for nil slices, maps and pointers (spec api 3.2). `serde_with::apply` puts it on every field of a
/// type; an `Option` and the flattened [`Other`] are read as they are without it.
pub(crate) fn nil<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Go's `omitempty`: true for what is left out.
pub(crate) fn unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
