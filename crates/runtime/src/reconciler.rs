//! The contract between the framework and its users.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::lease::is_not_leading;
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

    /// The controller's name: label of its metrics, recorder of its events, what it is called in logs.
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
    After(Duration),
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

impl Class {
    /// The class of a failed request: lost if this process does not lead and a [gated client](crate::lease::gated) refused it, else transient.
    /// What only the user can mend, the reconciler has to recognize.
    pub fn of(error: &kube::Error) -> Self {
        if is_not_leading(error) {
            Self::Lost
        } else {
            Self::Transient
        }
    }
}

/// What the framework must know of a reconciler's error. Its text goes to the log and into an event: no secrets.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// Every reason there is.
    const REASONS: &'static [&'static str];

    /// What to do about it.
    fn class(&self) -> Class;

    /// The reason of its event and the label of its metric: short, in PascalCase, one of [`REASONS`](Self::REASONS). Users filter and alert by
    /// it. [`reasons!`](crate::reasons) writes both.
    fn reason(&self) -> &'static str;
}

/// Writes [`Classify::REASONS`] and [`Classify::reason`] of an enum: the name of each variant, or the text given for it, as when a variant is
/// renamed and its reason must stay. A variant that is missing does not compile.
///
/// ```
/// use kube_manager::{Class, Classify, reasons};
///
/// #[derive(Debug, thiserror::Error)]
/// enum Error {
///     #[error("spec.title is empty; set one")]
///     NoTitle,
///     #[error("write the page: {0}")]
///     PageNotWritten(#[from] kube::Error),
/// }
///
/// impl Classify for Error {
///     reasons!(NoTitle = "TitleMissing", PageNotWritten);
///
///     fn class(&self) -> Class {
///         match self {
///             Self::NoTitle => Class::Invalid,
///             Self::PageNotWritten(error) => Class::of(error),
///         }
///     }
/// }
///
/// assert_eq!(Error::REASONS, ["TitleMissing", "PageNotWritten"]);
/// assert_eq!(Error::NoTitle.reason(), "TitleMissing");
/// ```
#[macro_export]
macro_rules! reasons {
    (@ $variant:ident) => { stringify!($variant) };
    (@ $variant:ident $reason:literal) => { $reason };
    ($($variant:ident $(= $reason:literal)?),+ $(,)?) => {
        const REASONS: &'static [&'static str] = &[$($crate::reasons!(@ $variant $($reason)?)),+];

        fn reason(&self) -> &'static str {
            match self {
                $(Self::$variant { .. } => $crate::reasons!(@ $variant $($reason)?),)+
            }
        }
    };
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
        crate::reasons!(BucketUnreadable, NotThere, ShortWrite = "Truncated");

        fn class(&self) -> Class {
            Class::Transient
        }
    }

    #[test]
    fn the_reason_of_an_error_is_the_name_of_its_variant_or_what_was_given_for_it() {
        for (error, reason) in [
            (Error::BucketUnreadable, "BucketUnreadable"),
            (Error::NotThere("a b".into()), "NotThere"),
            (Error::ShortWrite { size: 3 }, "Truncated"),
        ] {
            assert_eq!(error.reason(), reason);
        }
        assert_eq!(Error::REASONS, ["BucketUnreadable", "NotThere", "Truncated"]);
    }

    #[test]
    fn a_request_that_the_gate_refused_is_lost() {
        let refused = kube::Error::Service(crate::lease::NotLeading.into());
        assert_eq!(Class::of(&refused), Class::Lost);
        assert_eq!(Class::of(&crate::fixture::refused(503)), Class::Transient);
        assert_eq!(
            Class::of(&kube::Error::Service("connection refused".into())),
            Class::Transient
        );
    }
}
