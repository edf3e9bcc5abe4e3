//! How Go's `encoding/json` treats fields, said once for all types: `null` is the zero value, `omitempty` drops it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Fields of a newer release: kept as they are, so that reading and writing an object loses nothing.
pub type Other = BTreeMap<String, Value>;

/// Reads `null` as the zero value. Go writes `null` for nil slices, maps and pointers (spec api 3.2).
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
