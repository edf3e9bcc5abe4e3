//! The contract between the framework and those who use it.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::object::{AnyKind, ObjectRef, Uid};

/// Brings one kind of object, step by step, to where its spec wants it.
///
/// A pass looks at the world, acts, and says when to look again. It is called again and again for the same object: after
/// every change of it or of what it depends on, after a start, and at the latest after [`RESYNC`](Self::RESYNC). It must
/// never rely on having been called before.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind of object a pass is for.
    type Kind: AnyKind;

    /// Why a pass failed.
    type Error: Classify;

    /// The controller's name: label of its metrics, reporter of its events, what it is called in logs.
    const NAME: &'static str;

    /// How long an object may go unlooked at.
    const RESYNC: Duration;

    /// One pass for one object, as it was in the store when the pass began.
    ///
    /// Never runs twice at once for the same object. Changes that arrive meanwhile lead to exactly one more pass with the newest
    /// version. It may be dropped at any await (leadership lost, deadline, grace period over), so each effect must be safe
    /// to repeat. It should be short: what takes longer than seconds belongs into an [`Operation`](super::operation).
    ///
    /// # Errors
    /// [`Classify::class`] says what happens next. A panic counts as [`Class::Transient`].
    fn reconcile(&self, object: Arc<Self::Kind>) -> impl Future<Output = Result<Next, Self::Error>> + Send;

    /// The object with this uid is gone, or another one has taken its name.
    ///
    /// Called once for each object for which there was a pass in this term, never beside a pass of the same name, and before
    /// the first pass of a successor. It is the place to drop what is kept in memory by uid; it must not block, and nothing that matters may
    /// depend on it: an object that vanished while no controller ran is not announced. Operations handed to
    /// [`Controller::operations`](super::Controller::operations) are cancelled without it.
    fn gone(&self, object: &ObjectRef<Self::Kind>, uid: &Uid) {
        let _ = (object, uid);
    }
}

/// When to look at an object again after a pass that succeeded. *Never* cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After [`Reconciler::RESYNC`], somewhat spread so that objects do not march in step.
    Resync,
    /// After this long, or after `RESYNC` if that is sooner.
    In(Duration),
    /// At this time, or after `RESYNC` if that is sooner. A time that has passed means at once.
    At(Timestamp),
}

/// What kind of failure an error is; decides about retry, event and log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The user must act. Reported; looked at again when the object changes, else after [`Reconciler::RESYNC`].
    Invalid,
    /// May pass by itself. Reported; retried with a backoff that grows with each failure of this object.
    Transient,
    /// We are no longer the ones to act (leadership lost, stopping). Retried like a transient one, in silence.
    Lost,
}

/// What the framework must know of a reconciler's error. Its text goes to the log and into an event: no secrets.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// What to do about it.
    fn class(&self) -> Class;

    /// The event's reason: by default the name of the enum's variant, as a derived `Debug` prints it.
    fn reason(&self) -> String {
        variant_name(self)
    }
}

/// The leading identifier of a derived `Debug`.
fn variant_name(value: &(impl fmt::Debug + ?Sized)) -> String {
    /// Takes text up to the first character that no identifier has, then breaks the formatting off.
    struct Identifier(String);

    impl fmt::Write for Identifier {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
            self.0.push_str(&text[..end.unwrap_or(text.len())]);
            end.map_or(Ok(()), |_| Err(fmt::Error))
        }
    }

    let mut name = Identifier(String::new());
    let _ = write!(name, "{value:?}");
    name.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error("reading the bucket")]
        BucketUnreadable,
        #[error("object `{0}` is not there")]
        NotThere(String),
        #[error("wrote {size} bytes")]
        ShortWrite { size: u64 },
    }

    impl Classify for Error {
        fn class(&self) -> Class {
            Class::Transient
        }
    }

    #[test]
    fn the_reason_of_an_error_is_the_name_of_its_variant() {
        for (error, reason) in [
            (Error::BucketUnreadable, "BucketUnreadable"),
            (Error::NotThere("a b".into()), "NotThere"),
            (Error::ShortWrite { size: 3 }, "ShortWrite"),
        ] {
            assert_eq!(error.reason(), reason);
        }
    }
}
