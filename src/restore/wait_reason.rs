//! Why an item is tried again later, and for how long (decision 19).

use std::time::Duration;

use crate::archive::spool::ItemHandle;
use crate::cluster::ApiError;
use crate::restore::namespaces::Obstacle;
use crate::restore::retry::retry_reason;
use crate::restore::retry_reason::RetryReason;

/// What a waiting item waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// A transient error, with its text.
    Error(RetryReason, String),
    /// The object exists and is being deleted: it is created again when it is gone.
    Deletion,
    /// Its namespace cannot take it now.
    Namespace(Obstacle),
    /// A CRD is created, and the API server has not accepted it yet.
    Established,
    /// It needs an item that is itself waiting.
    Item(ItemHandle),
}

/// How long after the last wave items are retried.
#[derive(Clone, Copy, Debug)]
pub struct RetryTimeouts {
    /// Items that wait after an error.
    pub errors: Duration,
    /// Items that wait for a deletion.
    pub deletions: Duration,
}

impl WaitReason {
    /// What an item waits for after this error; nothing if the error is final.
    pub fn of(error: &ApiError) -> Option<Self> {
        Some(match retry_reason(error)? {
            RetryReason::NamespaceTerminating => Self::Namespace(Obstacle::Deletion),
            reason => Self::Error(reason, error.message.clone()),
        })
    }

    /// Whether the other reason is the same one. The texts of errors do not count: they may name a port or a time.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(one, _), Self::Error(other, _)) => one == other,
            (Self::Namespace(Obstacle::Error(_)), Self::Namespace(Obstacle::Error(_))) => true,
            _ => self == other,
        }
    }

    /// As one word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Error(reason, _) => reason.word(),
            Self::Deletion => "ObjectTerminating",
            Self::Namespace(Obstacle::Deletion) => "NamespaceTerminating",
            Self::Namespace(Obstacle::Error(_)) => "NamespaceNotCreated",
            Self::Established => "DefinitionNotAccepted",
            Self::Item(_) => "DependencyWaits",
        }
    }

    /// The text for users. `name_of` returns the names of an item.
    pub fn text(&self, name_of: impl FnOnce(ItemHandle) -> String) -> String {
        match self {
            Self::Error(reason, error) => format!("{reason} ({error})"),
            Self::Deletion => "it exists and is being deleted".to_owned(),
            Self::Namespace(Obstacle::Deletion) => "its namespace is being deleted".to_owned(),
            Self::Namespace(Obstacle::Error(error)) => format!("its namespace could not be created ({error})"),
            Self::Established => "the API server has not accepted it yet".to_owned(),
            Self::Item(other) => format!("it waits for {}", name_of(*other)),
        }
    }

    /// How long after the last wave the item is retried; nothing if that depends on another item.
    pub fn timeout(&self, timeouts: RetryTimeouts) -> Option<Duration> {
        match self {
            Self::Error(..) | Self::Established | Self::Namespace(Obstacle::Error(_)) => Some(timeouts.errors),
            Self::Deletion | Self::Namespace(Obstacle::Deletion) => Some(timeouts.deletions),
            Self::Item(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::testing::spool;

    #[test]
    fn each_reason_has_its_word_its_text_and_its_timeout() {
        let archive = spool(&[("pods", Some("a"), "one", "{}")]);
        let item = archive.items().next().unwrap();
        let timeouts = RetryTimeouts {
            errors: Duration::from_secs(1),
            deletions: Duration::from_secs(2),
        };
        let (errors, deletions) = (Some(timeouts.errors), Some(timeouts.deletions));
        let table = [
            (
                WaitReason::Error(RetryReason::Quota, "x".to_owned()),
                "QuotaExceeded",
                "a quota is used up (x)",
                errors,
            ),
            (
                WaitReason::Deletion,
                "ObjectTerminating",
                "it exists and is being deleted",
                deletions,
            ),
            (
                WaitReason::Namespace(Obstacle::Deletion),
                "NamespaceTerminating",
                "its namespace is being deleted",
                deletions,
            ),
            (
                WaitReason::Namespace(Obstacle::Error("x".into())),
                "NamespaceNotCreated",
                "its namespace could not be created (x)",
                errors,
            ),
            (
                WaitReason::Established,
                "DefinitionNotAccepted",
                "the API server has not accepted it yet",
                errors,
            ),
            (
                WaitReason::Item(item),
                "DependencyWaits",
                "it waits for pods/a/one",
                None,
            ),
        ];
        for (reason, word, text, timeout) in table {
            assert_eq!(reason.word(), word);
            assert_eq!(reason.text(|_| "pods/a/one".to_owned()), text);
            assert_eq!(reason.timeout(timeouts), timeout, "{word}");
            assert!(reason.is_like(&reason), "{word}");
        }
    }
}
