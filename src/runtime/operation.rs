//! Long work, supervised.

use std::{future::Future, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::object::{Kind, ObjectRef, Uid};

/// The long operations of one kind of object, at most one for each uid. Clones are the same.
///
/// `O` is what an operation returns, `P` what it says on the way.
#[derive(Debug)]
pub struct Operations<K: Kind, O, P = ()> {
    _todo: std::marker::PhantomData<(K, O, P)>,
}

impl<K: Kind, O, P> Clone for Operations<K, O, P> {
    fn clone(&self) -> Self {
        Self { _todo: self._todo }
    }
}

/// What an operation sees of the framework.
#[derive(Debug, Clone)]
pub struct Handle<P> {
    cancelled: CancellationToken,
    _todo: std::marker::PhantomData<P>,
}

impl<P> Handle<P> {
    /// Fires when the operation should end: it was cancelled, its object is gone, or we are stopping.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// How far it is. Cheap: only the latest counts, and the object is looked at no more than once a second.
    pub fn progress(&self, progress: P) {
        let _ = progress;
        todo!()
    }
}

/// Whether an operation was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It was.
    Started,
    /// One with this uid runs, or has ended and its outcome was not acknowledged.
    Present,
    /// As many as may run do. The object is looked at again when one of them ended.
    Full,
    /// The controller is not running, or stopping.
    Closed,
}

/// An operation as a pass sees it.
#[derive(Debug)]
pub enum Seen<O, P> {
    /// It runs.
    Running {
        /// What it last said.
        progress: Option<P>,
        /// Whether it was told to end.
        cancelling: bool,
    },
    /// It ended; kept until acknowledged.
    Ended(Arc<Outcome<O>>),
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<O> {
    /// It returned this, also after it was cancelled.
    Returned(O),
    /// It panicked with this message.
    Panicked(String),
}

impl<K: Kind, O, P> Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    /// As many at once as are asked for.
    pub fn new() -> Self {
        Self::at_most(usize::MAX)
    }

    /// No more than this many at once.
    pub fn at_most(limit: usize) -> Self {
        let _ = limit;
        todo!()
    }

    /// Starts the operation of this object, unless it is present. The name appears in logs, such as `backup`.
    pub fn start_if_absent<F>(
        &self,
        uid: &Uid,
        key: &ObjectRef<K>,
        name: &str,
        work: impl FnOnce(Handle<P>) -> F,
    ) -> Start
    where
        F: Future<Output = O> + Send + 'static,
    {
        let _ = (uid, key, name, work);
        todo!()
    }

    /// What is known of the operation with this uid. Nothing, if it never was started in this process.
    pub fn get(&self, uid: &Uid) -> Option<Seen<O, P>> {
        let _ = uid;
        todo!()
    }

    /// Tells it to end. Its outcome comes as usual. Returns whether there was one to tell.
    pub fn cancel(&self, uid: &Uid) -> bool {
        let _ = uid;
        todo!()
    }

    /// The outcome was recorded and is dropped. Returns whether there was one.
    pub fn acknowledge(&self, uid: &Uid) -> bool {
        let _ = uid;
        todo!()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        todo!()
    }
}

impl<K: Kind, O, P> Default for Operations<K, O, P>
where
    O: Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}
