//! Errors of a store, in classes that callers act upon.

use std::fmt;
use std::io;

/// The result of a store's call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// How a caller has to treat an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// There is no such object.
    NotFound,
    /// Credentials are missing, wrong, or not enough.
    Permission,
    /// Transient: the store did not answer, answered too late, or asked for fewer requests.
    Unavailable,
    /// The store takes no writes.
    ReadOnly,
    /// The store has no room left.
    Full,
    /// The object is larger than the caller's limit.
    TooLarge,
    /// The location's configuration or a key cannot work.
    Invalid,
    /// Not tried, or interrupted: this process does not lead. The leader continues.
    Lost,
    /// None of these.
    Other,
}

impl Class {
    /// Its name in traces.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Permission => "permission",
            Self::Unavailable => "unavailable",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::Lost => "lost",
            Self::Other => "_OTHER",
        }
    }

    /// What to check, for the end of a sentence.
    fn hint(self) -> Option<&'static str> {
        match self {
            Self::Permission => Some("check the location's credentials and rights, or the owner of the volume's files"),
            Self::Unavailable => Some("check that the store is up and can be reached from the server"),
            Self::ReadOnly => Some("check how the volume is mounted"),
            Self::Full => Some("check the store's free space and quota"),
            Self::NotFound | Self::TooLarge | Self::Invalid | Self::Lost | Self::Other => None,
        }
    }
}

/// A provider's error: class and cause. Holds no secrets; [`super::Store`] adds what was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How a caller has to treat it.
    pub class: Class,
    /// The cause, in lower case, without a full stop.
    pub detail: String,
}

impl Failure {
    /// An error of that class.
    pub fn new(class: Class, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }

    /// There is no such object.
    pub fn not_found() -> Self {
        Self::new(Class::NotFound, "there is no such object")
    }
}

/// An operation on a store that failed. Texts name the operation and the key, end with what to check, and hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The location's configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The operation failed.
    #[error("cannot {attempted}: {detail}{}", hint(*class))]
    Failed {
        /// How a caller has to treat it.
        class: Class,
        /// ``read `backups/b/b.tar.gz` in bucket `velero` ``.
        attempted: String,
        /// The cause.
        detail: String,
    },
}

fn hint(class: Class) -> impl fmt::Display {
    struct Hint(Option<&'static str>);
    impl fmt::Display for Hint {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.map_or(Ok(()), |hint| write!(f, "; {hint}"))
        }
    }
    Hint(class.hint())
}

impl StoreError {
    /// How a caller has to treat it.
    pub fn class(&self) -> Class {
        match self {
            Self::Config(_) => Class::Invalid,
            Self::Failed { class, .. } => *class,
        }
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// Whether a retry may succeed without any action of the user.
    pub fn is_transient(&self) -> bool {
        matches!(self.class(), Class::Unavailable | Class::Lost)
    }
}

/// For streams that are read as [`io::Read`] or `AsyncRead`.
impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.class() {
            Class::NotFound => io::ErrorKind::NotFound,
            Class::Permission => io::ErrorKind::PermissionDenied,
            Class::Unavailable => io::ErrorKind::TimedOut,
            Class::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            Class::Full => io::ErrorKind::StorageFull,
            Class::TooLarge => io::ErrorKind::FileTooLarge,
            Class::Invalid => io::ErrorKind::InvalidInput,
            Class::Lost | Class::Other => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: Class, detail: &str) -> StoreError {
        StoreError::Failed {
            class,
            attempted: "read `k` in bucket `b`".to_owned(),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn an_error_names_the_attempt_the_cause_and_what_to_check() {
        assert_eq!(
            failed(Class::Full, "no space left on device").to_string(),
            "cannot read `k` in bucket `b`: no space left on device; check the store's free space and quota"
        );
        assert_eq!(
            failed(Class::NotFound, "there is no such object").to_string(),
            "cannot read `k` in bucket `b`: there is no such object"
        );
    }

    #[test]
    fn an_io_error_keeps_the_text() {
        let error = io::Error::from(failed(Class::Permission, "denied"));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), failed(Class::Permission, "denied").to_string());
    }
}
