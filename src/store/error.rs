//! What can go wrong with a store, in classes that callers can act upon.

/// What an error calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The object (or its bucket) is not there.
    NotFound,
    /// An object is there already.
    AlreadyExists,
    /// Credentials are missing, wrong, or may not do that.
    Permission,
    /// Passes by itself: the store did not answer, in time or at all, or asked for less.
    Unavailable,
    /// The store takes no writes.
    ReadOnly,
    /// The store has no room left.
    Full,
    /// The location's configuration or a key cannot work.
    Invalid,
    /// None of these.
    Other,
}

/// An operation on a store that failed. Texts name the operation and the key, end with what to check, and hold no secrets.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location's configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The operation failed.
    #[error("cannot {attempted}: {detail}")]
    Failed {
        /// What it calls for.
        class: Class,
        /// `read "backups/b/b.tar.gz" in bucket "velero"`.
        attempted: String,
        /// What the store said, and what to check.
        detail: String,
    },
}

impl StoreError {
    /// What it calls for.
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

    /// Whether trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        self.class() == Class::Unavailable
    }
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        use std::io::ErrorKind;
        let kind = match error.class() {
            Class::NotFound => ErrorKind::NotFound,
            Class::AlreadyExists => ErrorKind::AlreadyExists,
            Class::Permission => ErrorKind::PermissionDenied,
            Class::Unavailable => ErrorKind::TimedOut,
            Class::ReadOnly => ErrorKind::ReadOnlyFilesystem,
            Class::Full => ErrorKind::StorageFull,
            Class::Invalid => ErrorKind::InvalidInput,
            Class::Other => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
