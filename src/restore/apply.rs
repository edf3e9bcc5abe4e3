//! The two ways to apply a restore to a cluster: a run, here, and a dry run ([`crate::restore::dry_run`]).
//!
//! The steps of an item are the same for both and call this trait where the two differ.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use crate::cluster::ApiError;
use crate::cluster::discovery::Resource;
use crate::cluster::objects;
use crate::restore::ledger::Severity;
use crate::restore::messages::ItemMessages;
use crate::restore::namespaces::NotMade;
use crate::restore::parts::RunParts;
use crate::restore::processed::Processed;
use crate::restore::restore_item::RestoreItem;
use crate::restore::wait_reason::WaitReason;

/// An object to create.
#[derive(Clone, Copy)]
pub(super) struct NewObject<'a> {
    /// The item of the object.
    pub(super) item: RestoreItem<'a>,
    /// Its type.
    pub(super) resource: &'a Resource,
    /// The name that it gets.
    pub(super) name: &'a str,
    /// The object.
    pub(super) object: &'a Value,
}

/// The result of a creation.
#[derive(Debug)]
pub(super) enum Creation {
    /// It was created; this is the API server's answer.
    Created(Value),
    /// A run would create it. If the API server was not asked, the text says why.
    Planned(Cow<'static, str>),
    /// An object of this name is in the cluster.
    Exists(Value),
    /// The API server refused it. An object of this name may still be in the cluster.
    Refused(ApiError),
    /// It is to be tried again.
    Waiting(WaitReason),
}

/// What a run and a dry run do differently.
pub(super) trait Apply: Send + Sync {
    /// Creates an object, unless one of its name is found first.
    fn create<'a>(&'a self, parts: &'a RunParts<'a>, new: NewObject<'a>) -> BoxFuture<'a, Creation>;

    /// Sends only the creation. Returns the created object; nothing in a dry run.
    fn send<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        new: NewObject<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ApiError>>;

    /// Called before an object in the cluster is changed.
    fn before_change<'a>(&'a self, parts: &'a RunParts<'a>, item: RestoreItem<'a>) -> BoxFuture<'a, ()>;

    /// Whether the differences of an object that exists are reported.
    fn reports_differences(&self) -> bool;

    /// Why an object of a type that is not served counts as created, if it does.
    fn planned_type(&self, object: &Value) -> Option<&'static str>;

    /// Whether a missing namespace counts as created although its creation was refused.
    fn plan_refused_namespace<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        namespace: TargetNamespace<'a>,
        refused: &'a ApiError,
    ) -> BoxFuture<'a, bool>;

    /// Reports what became of a target namespace.
    fn namespace<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        namespace: TargetNamespace<'a>,
        made: &'a Result<(), NotMade>,
    ) -> BoxFuture<'a, ()>;

    /// Called at the end of a pass over an item. Returns the result to record.
    fn finish<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        item: RestoreItem<'a>,
        processed: Processed,
        messages: &'a mut ItemMessages<'_>,
    ) -> BoxFuture<'a, Processed>;
}

/// A target namespace and the namespace of the backup that first needed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TargetNamespace<'a> {
    pub(super) source: &'a str,
    pub(super) name: &'a str,
}

/// A run.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Whether to read an object before it is created. A read costs the API server a fraction of a refused creation, so after an
    /// object that existed the next ones are read first, until one does not exist.
    looks_first: AtomicBool,
}

impl Apply for Live {
    fn create<'a>(&'a self, parts: &'a RunParts<'a>, new: NewObject<'a>) -> BoxFuture<'a, Creation> {
        async move {
            if self.looks_first.load(Ordering::Relaxed) {
                match parts.client.get(new.resource, new.item.target, new.name).await {
                    Ok(Some(live)) => return Creation::Exists(live),
                    Ok(None) => self.looks_first.store(false, Ordering::Relaxed),
                    Err(error) => {
                        if let Some(reason) = WaitReason::of(&error) {
                            return Creation::Waiting(reason);
                        }
                        // the creation will report the error
                    }
                }
            }
            let body = objects::body(new.object);
            let error = match parts.client.create(new.resource, new.item.target, body).await {
                Ok(created) => return Creation::Created(created),
                Err(error) => error,
            };
            if error.is_already_exists() {
                self.looks_first.store(true, Ordering::Relaxed);
            }
            match WaitReason::of(&error) {
                Some(WaitReason::Error(reason, _)) if reason.hides_what_exists() => Creation::Refused(error),
                Some(reason) => Creation::Waiting(reason),
                None => Creation::Refused(error),
            }
        }
        .boxed()
    }

    fn send<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        new: NewObject<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ApiError>> {
        async move {
            let body = objects::body(new.object);
            let created = parts.client.create(new.resource, new.item.target, body).await?;
            Ok(Some(created))
        }
        .boxed()
    }

    fn before_change<'a>(&'a self, parts: &'a RunParts<'a>, item: RestoreItem<'a>) -> BoxFuture<'a, ()> {
        parts.tracker.journal.intend_update(item.handle).boxed()
    }

    fn reports_differences(&self) -> bool {
        false
    }

    fn planned_type(&self, _: &Value) -> Option<&'static str> {
        None
    }

    fn plan_refused_namespace<'a>(
        &'a self,
        _: &'a RunParts<'a>,
        _: TargetNamespace<'a>,
        _: &'a ApiError,
    ) -> BoxFuture<'a, bool> {
        ready(false).boxed()
    }

    fn namespace<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        namespace: TargetNamespace<'a>,
        made: &'a Result<(), NotMade>,
    ) -> BoxFuture<'a, ()> {
        if let Err(NotMade::Failed(error)) = made {
            let text = format!("error creating namespace {}: {error}", namespace.name);
            parts.tracker.report(None, Severity::Error, text);
        }
        ready(()).boxed()
    }

    fn finish<'a>(
        &'a self,
        _: &'a RunParts<'a>,
        _: RestoreItem<'a>,
        processed: Processed,
        _: &'a mut ItemMessages<'_>,
    ) -> BoxFuture<'a, Processed> {
        ready(processed).boxed()
    }
}
