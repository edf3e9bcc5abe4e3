//! A reconciler that records each call, with scripted answers.

use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::ResourceExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::object::{AnyKind, ObjectRef, Uid};
use crate::reconciler::{Class, Classify, Next, Reconciler};

/// The failures that a [`Probe`] may answer with, one of each class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Oops {
    /// Transient.
    #[error("the other side did not answer")]
    NoAnswer,
    /// Invalid.
    #[error("the spec makes no sense")]
    Nonsense,
    /// Lost.
    #[error("not leading")]
    NotLeading,
}

impl Classify for Oops {
    crate::reasons!(NoAnswer, Nonsense, NotLeading);

    fn class(&self) -> Class {
        match self {
            Self::NoAnswer => Class::Transient,
            Self::Nonsense => Class::Invalid,
            Self::NotLeading => Class::Lost,
        }
    }
}

/// What a pass of a [`Probe`] returns.
pub type Answer = Result<Next, Oops>;

/// A call of a reconciler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A pass for this version of this object.
    Pass {
        /// The object's name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its resource version.
        version: String,
    },
    /// This object is gone.
    Gone {
        /// The object's name.
        name: String,
        /// Its uid.
        uid: String,
    },
}

/// A [`Call::Pass`].
pub fn pass(name: &str, uid: &str, version: u64) -> Call {
    Call::Pass {
        name: name.into(),
        uid: uid.into(),
        version: version.to_string(),
    }
}

/// A [`Call::Gone`].
pub fn gone(name: &str, uid: &str) -> Call {
    Call::Gone {
        name: name.into(),
        uid: uid.into(),
    }
}

type Behaviour<K> = Box<dyn Fn(Arc<K>) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A reconciler for tests of the framework and of triggers. Its name is `probe`, its resync period 1,000 seconds.
pub struct Probe<K> {
    calls: mpsc::UnboundedSender<(Instant, Call)>,
    behaviour: Behaviour<K>,
}

/// The calls of a [`Probe`], in order.
#[derive(Debug)]
pub struct Calls {
    start: Instant,
    calls: mpsc::UnboundedReceiver<(Instant, Call)>,
}

impl<K: AnyKind> Probe<K> {
    /// Each pass is recorded, then does this.
    pub fn new<F>(behaviour: impl Fn(Arc<K>) -> F + Send + Sync + 'static) -> (Self, Calls)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (send, calls) = mpsc::unbounded_channel();
        let probe = Self {
            calls: send,
            behaviour: Box::new(move |object| behaviour(object).boxed()),
        };
        let start = Instant::now();
        (probe, Calls { start, calls })
    }

    /// Each pass returns this.
    pub fn answering(answer: Answer) -> (Self, Calls) {
        Self::new(move |_| std::future::ready(answer.clone()))
    }

    /// Each pass panics with this message.
    ///
    /// # Panics
    /// This function itself does not.
    #[expect(clippy::panic, reason = "it is what it is for")]
    pub fn panicking(message: &'static str) -> (Self, Calls) {
        Self::new(move |_| async move { panic!("{message}") })
    }

    /// No pass ever ends.
    pub fn hanging() -> (Self, Calls) {
        Self::new(|_| pending())
    }
}

impl<K> fmt::Debug for Probe<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl<K: AnyKind> Reconciler for Probe<K> {
    type Kind = K;
    type Error = Oops;
    const NAME: &'static str = "probe";
    const RESYNC: Duration = Duration::from_secs(1000);

    async fn reconcile(&self, object: Arc<K>) -> Answer {
        let call = Call::Pass {
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
        };
        let _ = self.calls.send((Instant::now(), call));
        (self.behaviour)(object).await
    }

    fn gone(&self, key: &ObjectRef<K>, uid: &Uid) {
        let _ = self.calls.send((Instant::now(), gone(&key.name, uid.as_str())));
    }
}

impl Calls {
    /// The next call, however long it takes.
    pub async fn next(&mut self) -> Call {
        self.next_at().await.1
    }

    /// The next call and how many tenths of a second after the probe was made it came.
    ///
    /// # Panics
    /// The probe was dropped.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn next_at(&mut self) -> (u128, Call) {
        let (at, call) = self.calls.recv().await.expect("the probe is still there");
        ((at - self.start).as_millis() / 100, call)
    }

    /// Whether the probe is dropped without another call.
    pub async fn is_over(&mut self) -> bool {
        self.calls.recv().await.is_none()
    }

    /// Asserts that nothing is called for this long.
    ///
    /// # Panics
    /// Something is.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub async fn none_for(&mut self, time: Duration) {
        if let Ok(call) = tokio::time::timeout(time, self.next()).await {
            panic!("{call:?} came unexpectedly");
        }
    }
}
