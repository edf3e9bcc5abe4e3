//! The contract between the framework and its users.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::lease::is_not_leading;
use super::object::{AnyKind, ObjectRef, Uid};

/// Brings objects of one kind, step by step, to the state in their spec.
///
/// A pass observes the cluster, acts, and returns when the next pass is due. It is called repeatedly for the same object: after
/// every change of the object or of its dependencies, after a start, and at the latest after [`RESYNC`](Self::RESYNC). It must
/// never rely on having been called before.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind of object a pass is for.
    type Kind: AnyKind;

    /// Why a pass failed.
    type Error: Classify;

    /// The controller's name: label of its metrics, source of its events, and its name in logs.
    const NAME: &'static str;

    /// The longest time between two passes for an object that is not [settled](Next::Settled).
    const RESYNC: Duration;

    /// One pass for one object, as it was in the store when the pass began.
    ///
    /// Never runs twice at once for the same object. Changes that arrive meanwhile lead to exactly one more pass with the newest
    /// version. It may be dropped at any await (leadership lost, deadline, grace period over), so each effect must be safe
    /// to repeat. It should be short: work of more than seconds belongs into an [`Operation`](super::operation).
    ///
    /// # Errors
    /// [`Classify::class`] decides about the next step. A panic counts as [`Class::Transient`].
    fn reconcile(&self, object: Arc<Self::Kind>) -> impl Future<Output = Result<Next, Self::Error>> + Send;

    /// The object with this uid is gone, or another one has taken its name.
    ///
    /// Called once for each object for which there was a pass in this term that did not leave it [settled](Next::Settled), never beside a pass of the same name, and before
    /// the first pass of a successor. It is the place to drop what is kept in memory by uid; it must not block, and nothing important may
    /// depend on it: an object that vanished while no controller ran is not announced. Operations handed to
    /// [`Controller::operations`](super::Controller::operations) are cancelled without it.
    fn gone(&self, object: &ObjectRef<Self::Kind>, uid: &Uid) {
        let _ = (object, uid);
    }
}

/// When the next pass of an object is due after a success. *Never* cannot be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After [`Reconciler::RESYNC`], with jitter, so that objects are spread over time.
    Resync,
    /// After this long, or after `RESYNC` if that is sooner.
    After(Duration),
    /// At this time, or after `RESYNC` if that is sooner. A time that has passed means at once.
    At(Timestamp),
    /// After a change of the object, else with the sweep over all objects that every controller makes twice an hour. No time is due and nothing is
    /// kept in memory for it, by the reconciler as by the framework: of the many objects that have ended, none costs anything.
    Settled,
}

/// What kind of failure an error is; decides about retry, event and log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The user must act. Reported; the next pass follows a change of the object, else comes after [`Reconciler::RESYNC`].
    Invalid,
    /// A retry may succeed. Reported; retried with a backoff that grows with each failure of this object.
    Transient,
    /// This process may not act any more (leadership lost, stopping). Retried like a transient one, without a report.
    Lost,
}

impl Class {
    /// The class of a failed request: lost if this process does not lead and a [gated client](crate::lease::gated) refused it, else transient.
    /// The reconciler itself has to recognize errors that only the user can correct.
    pub fn of(error: &kube::Error) -> Self {
        if is_not_leading(error) {
            Self::Lost
        } else {
            Self::Transient
        }
    }
}

/// A reconciler's error, as the framework needs it. Its text goes to the log and into an event: no secrets.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// Every reason there is.
    const REASONS: &'static [&'static str];

    /// How the framework handles it.
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
    fn a_reason_is_the_name_of_the_variant_or_the_given_text() {
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
