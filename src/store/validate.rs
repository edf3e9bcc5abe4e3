//! Whether a location can be used, and whether it is still the same (spec backup 20, decision 23).

use bytes::Bytes;
use uuid::Uuid;

use super::error::{Class, Failure};
use super::layout::{STORE_ID, TOP_LEVEL};
use super::{PutOutcome, Result, Store, StoreError};

/// A location that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// The store's identity, which the caller stores and passes to the next call; `None` if the store needs none.
    pub store_id: Option<String>,
}

/// Longest content of [`STORE_ID`].
const LONGEST_ID: u64 = 256;

impl Store {
    /// Checks that the location can be used: it answers, holds nothing but Velero's files, and is the same store as before.
    ///
    /// `known` is the identity that an earlier call returned and the caller kept. The first `writable` call gives a store its identity, if its
    /// provider needs one.
    ///
    /// Idempotent; of several first calls at once one wins, and all return its identity.
    pub async fn validate(&self, known: Option<&str>, writable: bool) -> Result<Validated> {
        if !self.provider().needs_identity() {
            self.check_top_level().await?;
            return Ok(Validated { store_id: None });
        }
        let found = match (self.read_identity().await, known) {
            (Ok(found), _) => found,
            // The location may be new, without a bucket.
            (Err(error), None) if writable && error.class() == Class::Unavailable => {
                self.provider()
                    .create_bucket()
                    .await
                    .map_err(|failure| self.failed("prepare", "", failure))?;
                self.read_identity().await?
            }
            (Err(error), _) => return Err(error),
        };
        let identity = identity(found.as_deref(), known, writable);
        if !matches!(identity, Identity::Wrong(_)) {
            self.check_top_level().await?;
        }
        let store_id = match identity {
            Identity::Same => found,
            Identity::None => None,
            Identity::Missing => Some(self.write_identity().await?),
            Identity::Wrong(detail) => return Err(self.failed("use", "", Failure::new(Class::Unavailable, detail))),
        };
        Ok(Validated { store_id })
    }

    async fn read_identity(&self) -> Result<Option<String>> {
        match self.get(STORE_ID, LONGEST_ID).await {
            Ok(content) => Ok(Some(String::from_utf8_lossy(content.trim_ascii()).into_owned())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write_identity(&self) -> Result<String> {
        let id = Uuid::new_v4().to_string();
        match self.put_if_absent(STORE_ID, Bytes::from(format!("{id}\n"))).await? {
            PutOutcome::Created => Ok(id),
            PutOutcome::Exists => self.read_identity().await?.ok_or_else(|| {
                self.failed(
                    "read",
                    STORE_ID,
                    Failure::new(Class::Unavailable, "it appeared and disappeared again"),
                )
            }),
        }
    }

    async fn check_top_level(&self) -> Result<()> {
        let prefixes = self.list_prefixes("").await?;
        foreign(&prefixes).map_or(Ok(()), |detail| Err(StoreError::Config(detail)))
    }
}

/// The stored identity, compared with the known one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    Same,
    /// The store has none, and the location is read-only.
    None,
    /// The store has none yet.
    Missing,
    Wrong(String),
}

fn identity(found: Option<&str>, known: Option<&str>, writable: bool) -> Identity {
    match (found, known) {
        (Some(found), Some(known)) if found != known => Identity::Wrong(format!(
            "it is another store: `{STORE_ID}` is `{found}` and was `{known}`; check which volume is mounted"
        )),
        (Some(_), _) => Identity::Same,
        (None, Some(known)) => Identity::Wrong(format!(
            "`{STORE_ID}`, which was `{known}`, is not there; check that the volume is mounted"
        )),
        (None, None) if writable => Identity::Missing,
        (None, None) => Identity::None,
    }
}

/// The error about top-level "directories" that are not Velero's.
fn foreign(prefixes: &[String]) -> Option<String> {
    const NAMED: usize = 3;
    let names = prefixes.iter().map(|prefix| prefix.trim_end_matches('/'));
    let foreign: Vec<_> = names.filter(|name| !TOP_LEVEL.contains(name)).collect();
    if foreign.is_empty() {
        return None;
    }
    let named = foreign
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let more = match foreign.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "the location has top-level directories that are not Velero's: {named}{more}; use a bucket or a prefix of its own"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_identified_by_its_identity_file() {
        let (read_write, read_only) = (true, false);
        let cases = [
            (None, None, read_write, Some(Identity::Missing)),
            (None, None, read_only, Some(Identity::None)),
            (Some("a"), None, read_write, Some(Identity::Same)),
            (Some("a"), None, read_only, Some(Identity::Same)),
            (Some("a"), Some("a"), read_write, Some(Identity::Same)),
            (Some("b"), Some("a"), read_write, None),
            (Some("b"), Some("a"), read_only, None),
            (None, Some("a"), read_write, None),
            (None, Some("a"), read_only, None),
        ];
        for (found, known, writable, expected) in cases {
            let identity = identity(found, known, writable);
            match expected {
                Some(expected) => assert_eq!(identity, expected),
                None => assert!(matches!(identity, Identity::Wrong(_)), "{found:?} {known:?}"),
            }
        }
    }

    #[test]
    fn foreign_directories_are_named_three_at_most() {
        let dirs = |names: &[&str]| names.iter().map(|name| format!("{name}/")).collect::<Vec<_>>();
        assert_eq!(foreign(&dirs(&TOP_LEVEL)), None);
        assert_eq!(foreign(&[]), None);
        let text = foreign(&dirs(&["a", "backups", "b", "c", "d", "e"])).unwrap();
        assert!(text.contains("`a`, `b`, `c` and 2 more;"), "{text}");
    }
}
