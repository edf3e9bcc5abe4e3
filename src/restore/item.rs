//! One item from the archive to the cluster (spec restore 9).
//!
//! Every step here may be repeated: an item that is parked, or whose outcome was not kept before a crash, goes through all
//! of them again.

use std::borrow::Cow;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

use self::unserved::Named;
use super::engine::{Outcome, Run, message};
use super::flights::Claim;
use super::ledger::{Message, Note, Severity, State};
use super::namespaces::{Obstacle, Readiness};
use super::object::changes::Changes;
use super::object::volume::{self, Decision, Kept};
use super::object::{cluster_owned, creation, ephemeral, existing, identity, managed_fields, metadata, outcome};
use super::parked::Hold;
use super::plan::NAMESPACES;
use super::retry::{Passing, Verdict, verdict};
use crate::api::annotations::{INIT_RESTORE_IMAGE, POST_RESTORE_COMMAND};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::archive::spool::ItemRef;
use crate::cluster::ApiError;
use crate::cluster::discovery::{Discovery, GroupResource, Resource};

mod additional;
mod default_rights;
mod dependency;
mod displaced;
mod job_pods;
mod namespace;
mod prerequisite;
mod rebind;
mod unserved;
mod write;

const VOLUMES: &str = "persistentvolumes";
const CLAIMS: &str = "persistentvolumeclaims";
const DATA_UPLOADS: &str = "datauploads.velero.io";

/// An item being restored.
#[derive(Clone, Copy)]
pub(super) struct Subject<'r> {
    item: ItemRef,
    pub(super) path: ItemPath<'r>,
    pub(super) target: Option<&'r str>,
}

/// What is to be said about an item when it is done.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) messages: Vec<Message>,
    pub(super) note: Note,
    /// Why it ended as it did, where no message says so: for a dry run.
    pub(super) why: Cow<'static, str>,
    /// It exists and is equal.
    pub(super) is_equal: bool,
    /// Where it differs from what exists, if anybody wants to know.
    pub(super) changes: Changes,
}

impl Subject<'_> {
    /// Its handle.
    pub(super) fn item(&self) -> ItemRef {
        self.item
    }

    /// The bucket of its messages.
    fn bucket(&self) -> &str {
        self.target.unwrap_or_default()
    }
}

impl Told {
    fn error(&mut self, subject: &Subject<'_>, text: String) {
        self.messages
            .push(message(Severity::Error, Some(subject.bucket()), text));
    }

    fn warn(&mut self, subject: &Subject<'_>, text: String) {
        self.messages
            .push(message(Severity::Warning, Some(subject.bucket()), text));
    }

    /// Says in one message that an object exists, differs and is left as it is, and why that matters or is so.
    fn differs(&mut self, subject: &Subject<'_>, kind: &str, reason: &str) {
        self.note.told = true;
        self.why = "it exists and is different: left as it is".into();
        let text = existing::differs_warning(kind, subject.path.name);
        self.warn(subject, format!("{text}: {reason}"));
    }

    /// The state of an item whose action is not explicit: messages mean that it failed (spec restore 9, step 7).
    fn implied(&self) -> State {
        if self.messages.is_empty() {
            State::Skipped
        } else {
            State::Failed
        }
    }
}

/// What an item waits for after this error, if that can pass.
fn hold_of(error: &ApiError) -> Option<Hold> {
    match verdict(error) {
        Verdict::Park(Passing::NamespaceTerminating) => Some(Hold::Namespace(Obstacle::Deletion)),
        Verdict::Park(passing) => Some(Hold::Error(passing, error.message.clone())),
        Verdict::Final => None,
    }
}

/// An error that can pass parks the item; gives what is final.
pub(super) fn unless_passing<T>(result: Result<T, ApiError>) -> Result<Result<T, ApiError>, Hold> {
    match result.as_ref().err().and_then(hold_of) {
        Some(hold) => Err(hold),
        None => Ok(result),
    }
}

impl Run<'_> {
    /// Restores an item, or waits for whoever does. `requester` is the item whose action asks for it.
    pub(super) fn restore(&self, item: ItemRef, requester: Option<ItemRef>) -> BoxFuture<'_, Outcome> {
        let item = self.plan.winner(item);
        async move {
            loop {
                match self.flights.claim(item, requester, || self.known(item)) {
                    Err(outcome) => return outcome,
                    Ok(Claim::Cycle) => return Outcome::Cycle,
                    // whoever works on it belongs to this wave or to an item of it, so the wave waits for it anyway
                    Ok(Claim::Wait(_)) if requester.is_none() => return Outcome::Parked,
                    Ok(Claim::Wait(waiting)) => waiting.landed().await,
                    Ok(Claim::Mine(_flight)) => return self.work(item).await,
                }
            }
        }
        .boxed()
    }

    fn known(&self, item: ItemRef) -> Option<Outcome> {
        match self.ledger().state(item) {
            State::Pending => self.parked().holds(item).then_some(Outcome::Parked),
            state => Some(Outcome::Done { exists: state.exists() }),
        }
    }

    async fn work(&self, item: ItemRef) -> Outcome {
        let (path, _) = self.request.archive.path(item);
        let target = path.namespace.map(|namespace| self.restoration.target(namespace));
        let subject = Subject { item, path, target };
        let mut told = Told::default();
        let mut came_to = self.process(&subject, &mut told).await;
        if let Some(foresight) = &self.foresight {
            came_to = self.foretell(foresight, &subject, came_to, &mut told).await;
        }
        match came_to {
            Ok(state) => {
                self.done(item, state, told.messages, told.note);
                Outcome::Done { exists: state.exists() }
            }
            Err(hold) => {
                if matches!(hold, Hold::Namespace(_))
                    && let Some(target) = target
                {
                    self.doubt_namespace(target).await;
                }
                self.park(item, hold);
                Outcome::Parked
            }
        }
    }

    async fn process(&self, subject: &Subject<'_>, told: &mut Told) -> Result<State, Hold> {
        let resource: GroupResource = subject.path.group_resource.parse().unwrap_or_default();
        if subject.path.group_resource == NAMESPACES {
            return self.process_namespace(subject).await;
        }
        // its own issue: the action that turns it into a result; a bare one would make the node agents copy
        if subject.path.group_resource == DATA_UPLOADS {
            told.why = "the data it stands for cannot be restored yet".into();
            return Ok(State::Skipped);
        }
        if let (Some(source), Some(target)) = (subject.path.namespace, subject.target) {
            match self.ensure_namespace(source, target).await {
                Readiness::Ready => {}
                Readiness::Held(obstacle) => return Err(Hold::Namespace(obstacle)),
                Readiness::Failed => return Ok(State::NoNamespace),
            }
        }
        let original = match self.read(subject).await {
            Ok(original) => original,
            Err(text) => {
                told.error(subject, text);
                return Ok(State::Unreadable);
            }
        };
        self.note_kind(subject, &original, told);
        if let Some(state) = self.compare_default_rights(subject, &original, told).await? {
            return Ok(state);
        }
        if let Some(reason) = self.owner_of(subject, &original).await? {
            self.log_item(subject.item, &format!("Left to the cluster: {reason}"));
            told.why = reason.into();
            return Ok(State::Skipped);
        }
        if let Some(how) = outcome::over(subject.path.group_resource, &original) {
            self.log_item(subject.item, &format!("It {how}, so it is not restored"));
            told.why = format!("it {how}").into();
            // pods are made again by their controllers, or bare and at their end; a job stands for work that a user wants done
            if subject.path.group_resource != "pods" {
                let id = self.id_of(subject.item);
                told.warn(
                    subject,
                    format!("{id} {how}: it is not restored, because it would run again"),
                );
            }
            return Ok(State::Dropped);
        }
        if outcome::is_mirror(&original) {
            told.why = "it is the image of a static pod, which its node makes".into();
            return Ok(State::Skipped);
        }
        if let Some(state) = self.leave_to_job(subject, &original, told).await {
            return Ok(state);
        }
        if let Some(state) = self.leave_to_pod(subject, &original, told) {
            return Ok(state);
        }
        let mut item = original.clone();
        if let Some(state) = self.decide_volume(subject, &mut item, told).await? {
            return Ok(state);
        }
        let status = match metadata::reset(&mut item) {
            Ok(status) => status,
            Err(error) => {
                told.error(
                    subject,
                    format!("error restoring {}: {error}", self.id_of(subject.item)),
                );
                return Ok(State::Failed);
            }
        };
        let world = self.world();
        if let Some(state) = self.act(subject, &world, &mut item, &original, told).await? {
            return Ok(state);
        }
        for lost in creation::clear(subject.path.group_resource, &mut item) {
            self.log_item(subject.item, lost);
        }
        if subject.path.group_resource == CLAIMS {
            volume::adjust_claim(&mut item, |name| self.is_provisioned(name));
        }
        if let Some(target) = subject.target {
            metadata::set_field(&mut item, "namespace", target);
        }
        self.origin.label(&mut item);
        let managed = managed_fields::take(&mut item, self.request.options.managed_fields);
        let converted = ["apiVersion", "kind"]
            .iter()
            .any(|key| item.get(key) != original.get(key));
        let text = |key| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let named = Named {
            resource: &resource,
            api_version: text("apiVersion"),
            kind: text("kind"),
        };
        let served = match served(&world.discovery, named, converted) {
            Served::As(served) => served,
            Served::Otherwise(other) => {
                let id = self.id_of(subject.item);
                told.error(
                    subject,
                    format!(
                        "error restoring {id}: the API server serves it as {other}, not as {}",
                        named.api_version
                    ),
                );
                return Ok(State::Failed);
            }
            Served::Not => {
                if self.foresight.as_ref().is_some_and(|foresight| foresight.brings(&item)) {
                    told.why = "not asked: its type comes with this restore".into();
                    self.warn_of_hooks(subject, &item, told);
                    return Ok(State::Created);
                }
                return self.unserved(subject, &world, named, told).await;
            }
        };
        self.warn_of_hooks(subject, &item, told);
        self.warn_of_missing_prerequisite(subject, &item, told).await?;
        let wanted = Wanted {
            item,
            owners: original.pointer("/metadata/ownerReferences").cloned(),
            status,
            managed,
            resource: served,
        };
        self.create(subject, &world, wanted, told).await
    }

    /// Why an object is left to the cluster, if it is.
    async fn owner_of(&self, subject: &Subject<'_>, object: &Value) -> Result<Option<&'static str>, Hold> {
        let mut services = Vec::new();
        if let Some(name) = cluster_owned::service_of(&subject.path, object) {
            let (world, path) = (
                self.world(),
                ItemPath {
                    group_resource: "services",
                    name,
                    ..subject.path
                },
            );
            if let Some(item) = self.request.archive.find(&path, ItemCopy::Plain) {
                services.extend(self.read_json(item).await);
            }
            let served = world.discovery.preferred_version(&GroupResource::new("", "services"));
            if let Some(served) = served.filter(|_| !services.iter().any(cluster_owned::selects)) {
                // without the right to read services the backup's decides
                let live = unless_passing(self.calls.get(served, subject.target, name).await)?;
                services.extend(live.ok().flatten());
            }
        }
        Ok(cluster_owned::reason(&subject.path, object, &services))
    }

    /// `Some` if the item is a claim that the cluster makes again with its pod.
    fn leave_to_pod(&self, subject: &Subject<'_>, claim: &Value, told: &mut Told) -> Option<State> {
        let pod = ephemeral::pod_of(claim).filter(|_| subject.path.group_resource == CLAIMS)?;
        told.warn(subject, ephemeral::warning(&self.id_of(subject.item), pod));
        told.why = format!("the cluster makes it again with pod {pod}").into();
        Some(State::Skipped)
    }

    async fn read_json(&self, item: ItemRef) -> Option<Value> {
        let bytes = self.read_bytes(item).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    async fn read_bytes(&self, item: ItemRef) -> Result<Bytes, String> {
        // A runtime of one thread is a test's: read at once, everything happens in the same order each time.
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return self.request.archive.read(item).map_err(|error| error.to_string());
        }
        let archive = std::sync::Arc::clone(&self.request.archive);
        let read = tokio::task::spawn_blocking(move || archive.read(item)).await;
        read.map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }

    /// The object out of the archive, if it is what its path says.
    async fn read(&self, subject: &Subject<'_>) -> Result<Value, String> {
        let path = &subject.path;
        let failed = |reason: String| format!("error decoding {path}: {reason}");
        let bytes = self.read_bytes(subject.item).await.map_err(failed)?;
        let object: Value = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        let world = self.world();
        let resource = path.group_resource.parse().ok();
        let kind = resource
            .and_then(|resource| world.discovery.preferred_version(&resource))
            .map(|served| served.kind.as_str());
        identity::check(&object, path, kind).map_err(|error| failed(error.to_string()))?;
        Ok(object)
    }

    /// Remembers the kind of an item that is not of the kind of its type's first item.
    fn note_kind(&self, subject: &Subject<'_>, object: &Value, told: &mut Told) {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = format!("{}/{}", text("apiVersion"), text("kind"));
        if self.lock_kinds().of(subject.path.group_resource).as_ref() != Some(&kind) {
            told.note.kind = Some(kind);
        }
    }

    /// What becomes of a persistent volume; `Some` if it is not restored (spec restore 10.1).
    async fn decide_volume(
        &self,
        subject: &Subject<'_>,
        item: &mut Value,
        told: &mut Told,
    ) -> Result<Option<State>, Hold> {
        if subject.path.group_resource != VOLUMES {
            return Ok(None);
        }
        let mut waiting = item.clone();
        volume::reset_binding(&mut waiting);
        volume::map_claim(&mut waiting, |source| {
            self.restoration.namespace_mapping.get(source).map(String::as_str)
        });
        let wants_data = self.request.spec.restore_pvs != Some(false);
        let name = subject.path.name;
        match volume::decide(item, &self.request.kept_volumes) {
            Decision::Provision(None) if self.outlives(subject, &mut waiting).await? => {}
            Decision::Provision(kept) => {
                if kept == Some(Kept::CsiSnapshot) && wants_data {
                    told.error(
                        subject,
                        format!("the data of persistent volume {name} is in a CSI snapshot, which this release cannot restore: its claim gets an empty volume"),
                    );
                }
                told.why = "it is not restored, so that its claim gets a new volume".into();
                return Ok(Some(State::Provision));
            }
            Decision::FromSnapshot if wants_data => {
                told.error(
                    subject,
                    format!("the data of persistent volume {name} is in a native snapshot, which this release cannot restore; restore with restorePVs=false to get the volume without it"),
                );
                return Ok(Some(State::Failed));
            }
            Decision::FromSnapshot | Decision::AsItWas => {}
        }
        *item = waiting;
        Ok(None)
    }

    /// Whether a volume of the backup is provisioned anew.
    fn is_provisioned(&self, name: &str) -> bool {
        let path = ItemPath {
            group_resource: VOLUMES,
            namespace: None,
            name,
        };
        let item = self.request.archive.find(&path, ItemCopy::Plain);
        item.is_some_and(|item| self.ledger().state(item) == State::Provision)
    }

    /// What a pod asks for and is not there yet (decision 22).
    fn warn_of_hooks(&self, subject: &Subject<'_>, item: &Value, told: &mut Told) {
        if subject.path.group_resource != "pods" {
            return;
        }
        let id = self.id_of(subject.item);
        let asks = |key| metadata::annotation(item, key).is_some();
        if asks(INIT_RESTORE_IMAGE) || asks(POST_RESTORE_COMMAND) {
            told.warn(
                subject,
                format!("{id} asks for restore hooks by annotation, which are not supported yet: none is run"),
            );
        }
        if let (Some(namespace), name) = (subject.path.namespace, subject.path.name)
            && self
                .request
                .kept_volumes
                .pods
                .contains(&(namespace.to_owned(), name.to_owned()))
        {
            told.error(
                subject,
                format!(
                    "the volumes of {id} were backed up file by file, which this release cannot restore: they are empty"
                ),
            );
        }
    }
}

/// How the cluster has the type of an item.
enum Served {
    /// In the version the item has.
    As(Resource),
    /// In other versions only; this is the preferred one.
    Otherwise(String),
    /// Not at all, now.
    Not,
}

/// How the type of an item is served. Where another definition has taken the name of its kind, objects of theirs are not
/// what was saved, unless an action has `converted` the item.
fn served(discovery: &Discovery, named: Named<'_>, converted: bool) -> Served {
    let found = discovery.by_kind(named.api_version, named.kind);
    if let Some(found) = found.filter(|found| converted || found.group_resource() == *named.resource) {
        return Served::As(found.clone());
    }
    match discovery.preferred_version(named.resource) {
        Some(other) => Served::Otherwise(other.api_version()),
        None => Served::Not,
    }
}

/// An object on its way into the cluster.
pub(super) struct Wanted {
    pub(super) item: Value,
    /// Its owners in the backup.
    owners: Option<Value>,
    status: Option<Value>,
    managed: Option<Value>,
    pub(super) resource: Resource,
}
