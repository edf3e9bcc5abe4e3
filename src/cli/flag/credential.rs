//! `--credential`: a Secret and one of its keys.

use super::{Map, merged};
use crate::api::SecretKeySelector;

/// The Secret and key of `--credential`, of which there is at most one.
///
/// # Errors
/// There are several, or a key is given twice.
pub fn credential(flags: &[Map]) -> anyhow::Result<Option<SecretKeySelector>> {
    let mut pairs = merged("--credential", flags)?.into_iter();
    let first = pairs.next();
    if pairs.next().is_some() {
        anyhow::bail!("--credential can only contain 1 key/value pair");
    }
    Ok(first.map(|(name, key)| SecretKeySelector {
        name,
        key,
        ..SecretKeySelector::default()
    }))
}
