//! One item from the archive to the cluster (spec restore 9).
//!
//! Every step here may be repeated: an item that is parked, or whose outcome was not kept before a crash, goes through all
//! of them again.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, sleep, timeout};

use super::actions::{ActionError, Input, ItemId, Lookup, Output, RestoreItemAction};
use super::engine::{Outcome, Run, World, message};
use super::flights::Claim;
use super::ledger::{Message, Note, Severity, State};
use super::namespaces::{self, Known, LOOK_AGAIN, Obstacle, Readiness};
use super::object::changes::Changes;
use super::object::existing::{self, Step};
use super::object::volume::{self, Decision, Kept};
use super::object::{identity, managed_fields, metadata, outcome, status};
use super::parked::Hold;
use super::plan::NAMESPACES;
use super::priorities::CRDS;
use super::retry::{Passing, Verdict, verdict};
use crate::api::annotations::{INIT_RESTORE_IMAGE, POST_RESTORE_COMMAND};
use crate::api::restore_plan::PlannedAction;
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::archive::spool::ItemRef;
use crate::cluster::ApiError;
use crate::cluster::discovery::{GroupResource, Resource};
use crate::cluster::objects;

const VOLUMES: &str = "persistentvolumes";
const CLAIMS: &str = "persistentvolumeclaims";
const DATA_UPLOADS: &str = "datauploads.velero.io";

/// A CRD is accepted within milliseconds; one that is not after this gives its place in the wave to others.
const ACCEPTED_AT_ONCE: Duration = Duration::from_secs(10);

/// A status that somebody else changes at the same time is written so often.
const STATUS_TRIES: u32 = 5;

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
        if outcome::is_over(subject.path.group_resource, &original) {
            self.log_item(subject.item, "It has completed, so it is not restored");
            told.why = "it has completed".into();
            return Ok(State::Dropped);
        }
        if outcome::is_mirror(&original) {
            told.why = "it is the image of a static pod, which its node makes".into();
            return Ok(State::Skipped);
        }
        let mut item = original.clone();
        if let Some(state) = self.decide_volume(subject, &mut item, told) {
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
        let served = self.served(subject, &world, (&resource, converted), &item, told);
        let served = match (&self.foresight, served) {
            (Some(foresight), Err(Hold::Error(Passing::Unserved, _))) if foresight.brings(&item) => {
                told.why = "not asked: its type comes with this restore".into();
                self.warn_of_hooks(subject, &item, told);
                return Ok(State::Created);
            }
            (_, served) => served?,
        };
        let Some(served) = served else {
            return Ok(State::Failed);
        };
        self.warn_of_hooks(subject, &item, told);
        let wanted = Wanted {
            item,
            status,
            managed,
            resource: served,
        };
        self.create(subject, &world, wanted, told).await
    }

    /// A Namespace item is only made sure of (spec restore 7.6).
    async fn process_namespace(&self, subject: &Subject<'_>) -> Result<State, Hold> {
        let source = subject.path.name;
        match self.ensure_namespace(source, self.restoration.target(source)).await {
            Readiness::Ready => Ok(State::Dropped),
            Readiness::Held(obstacle) => Err(Hold::Namespace(obstacle)),
            Readiness::Failed => Ok(State::NoNamespace),
        }
    }

    /// Makes sure of a target namespace, once for all who need it.
    async fn ensure_namespace(&self, source: &str, target: &str) -> Readiness {
        let slot = self.namespaces.slot(target);
        let mut known = slot.lock().await;
        if let Some(answer) = known.answer(Instant::now()) {
            return answer;
        }
        let may_be_ours = known.may_be_ours() || self.ledger().is_resumed();
        let (now_known, answer) = match self.make_namespace(source, target, may_be_ours).await {
            Ok(()) => (Known::Ready, Readiness::Ready),
            Err(Unmade::Held(obstacle)) => (
                Known::Held(Instant::now() + LOOK_AGAIN, obstacle.clone()),
                Readiness::Held(obstacle),
            ),
            Err(Unmade::Failed(error)) => {
                let text = format!("error creating namespace {target}: {error}");
                if self.foresight.is_some() {
                    self.foretell_namespace(source, target, PlannedAction::Deny, text).await;
                } else {
                    self.say(None, Severity::Error, text);
                }
                (Known::Failed, Readiness::Failed)
            }
        };
        *known = now_known;
        self.foretell_readiness(source, target, answer.clone()).await;
        answer
    }

    /// Creates a namespace or finds it usable. `may_be_ours`: an earlier life, or a call whose answer was lost, may have
    /// created it.
    async fn make_namespace(&self, source: &str, target: &str, may_be_ours: bool) -> Result<(), Unmade> {
        let undecided = |error: ApiError| match verdict(&error) {
            Verdict::Park(Passing::NamespaceTerminating) => Unmade::Held(Obstacle::Deletion),
            Verdict::Park(_) => Unmade::Held(Obstacle::Error(error.message.into())),
            Verdict::Final => Unmade::Failed(error.message),
        };
        let world = self.world();
        let resource = world
            .discovery
            .preferred_version(&GroupResource::new("", NAMESPACES))
            .ok_or_else(|| Unmade::Held(Obstacle::Error("the API server does not serve namespaces".into())))?;
        let wanted = namespaces::wanted(target, self.archived_namespace(source, target).await.as_ref());
        let Err(refused) = self.calls.create(resource, None, objects::body(&wanted)).await else {
            self.ledger().created_namespace(target);
            return Ok(());
        };
        // Admission is asked before the name is looked at: whatever it says about a creation, the namespace may be there.
        // Any other answer may be that to a creation that was carried out.
        let refuses = |passing| matches!(passing, Passing::Webhook | Passing::Quota | Passing::DryRun);
        match verdict(&refused) {
            Verdict::Park(passing) if !refuses(passing) => return Err(undecided(refused)),
            _ => {}
        }
        match self.calls.get(resource, None, target).await {
            Ok(Some(live)) if namespaces::can_take_objects(&live) => {
                // It carries no label of ours, so its age has to tell.
                if may_be_ours && existing::is_not_older(&live, &self.started) {
                    self.ledger().created_namespace(target);
                }
                Ok(())
            }
            Ok(None) if refused.is_dry_run_unsupported() => {
                let reason = Passing::DryRun.to_string();
                self.foretell_namespace(source, target, PlannedAction::Unknown, reason)
                    .await;
                self.ledger().created_namespace(target);
                Ok(())
            }
            Ok(None) | Err(_) if !refused.is_already_exists() => Err(undecided(refused)),
            Ok(_) => Err(Unmade::Held(Obstacle::Deletion)),
            Err(error) => Err(undecided(error)),
        }
    }

    /// The Namespace object to model a target namespace on: of several sources, the first by name that the archive has.
    async fn archived_namespace(&self, source: &str, target: &str) -> Option<Value> {
        let own = [source.to_owned()];
        let sources = self.plan.sources_of(target).unwrap_or(&own);
        let find = |name: &String| {
            let path = ItemPath {
                group_resource: NAMESPACES,
                namespace: None,
                name,
            };
            self.request.archive.find(&path, ItemCopy::Plain)
        };
        let bytes = self.read_bytes(sources.iter().find_map(find)?).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Somebody was told that the namespace is on its way out: what is known about it does not hold any more.
    async fn doubt_namespace(&self, target: &str) {
        let slot = self.namespaces.slot(target);
        let mut known = slot.lock().await;
        if *known == Known::Ready {
            *known = Known::Nothing;
        }
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
    fn decide_volume(&self, subject: &Subject<'_>, item: &mut Value, told: &mut Told) -> Option<State> {
        if subject.path.group_resource != VOLUMES {
            return None;
        }
        let wants_data = self.request.spec.restore_pvs != Some(false);
        let name = subject.path.name;
        match volume::decide(item, &self.request.kept_volumes) {
            Decision::Provision(kept) => {
                if kept == Some(Kept::CsiSnapshot) && wants_data {
                    told.error(
                        subject,
                        format!("the data of persistent volume {name} is in a CSI snapshot, which this release cannot restore: its claim gets an empty volume"),
                    );
                }
                told.why = "it is not restored, so that its claim gets a new volume".into();
                return Some(State::Provision);
            }
            Decision::FromSnapshot if wants_data => {
                told.error(
                    subject,
                    format!("the data of persistent volume {name} is in a native snapshot, which this release cannot restore; restore with restorePVs=false to get the volume without it"),
                );
                return Some(State::Failed);
            }
            Decision::FromSnapshot | Decision::AsItWas => {}
        }
        volume::reset_binding(item);
        volume::map_claim(item, |source| {
            self.restoration.namespace_mapping.get(source).map(String::as_str)
        });
        None
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

    /// Runs the item's actions in order; `Some` if one of them leaves it out or fails.
    async fn act(
        &self,
        subject: &Subject<'_>,
        world: &World,
        item: &mut Value,
        original: &Value,
        told: &mut Told,
    ) -> Result<Option<State>, Hold> {
        for applicable in world.actions.for_items(subject.path.group_resource, subject.target) {
            if !applicable.matches(item) {
                continue;
            }
            let action = applicable.action;
            let input = Input {
                original,
                restore: &self.restoration,
                lookup: self,
            };
            match action.execute(item, input).await {
                Err(error) => {
                    told.error(
                        subject,
                        format!("error preparing {}: {error}", self.id_of(subject.item)),
                    );
                    return Ok(Some(State::Failed));
                }
                Ok(Output { skip: true, .. }) => {
                    self.log_item(subject.item, &format!("Left out by action {}", action.name()));
                    told.why = format!("left out by action {}", action.name()).into();
                    return Ok(Some(told.implied()));
                }
                Ok(output) => {
                    for wanted in &output.additional {
                        self.restore_additional(subject, wanted, told).await?;
                    }
                    if let Some(limit) = output.wait {
                        self.wait_for_additional(subject, action, &output.additional, limit, told)
                            .await;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Restores an item that an action asks for, before anything else is done about the one that it asks for.
    async fn restore_additional(&self, subject: &Subject<'_>, wanted: &ItemId, told: &mut Told) -> Result<(), Hold> {
        let resource = wanted.resource.to_string();
        if let Err(reason) = self.filter.additional(&resource, wanted.namespace.as_deref()) {
            self.log_item(
                subject.item,
                &format!("It needs {wanted}, which is not restored: {reason}"),
            );
            return Ok(());
        }
        let path = ItemPath {
            group_resource: &resource,
            namespace: wanted.namespace.as_deref(),
            name: &wanted.name,
        };
        let Some(item) = self.request.archive.find(&path, ItemCopy::Plain) else {
            let text = format!(
                "{} needs {wanted}, which is not in the backup",
                self.id_of(subject.item)
            );
            told.messages.push(message(
                Severity::Warning,
                Some(wanted.namespace.as_deref().unwrap_or_default()),
                text,
            ));
            return Ok(());
        };
        let item = self.plan.winner(item);
        if self.restore(item, Some(subject.item)).await == Outcome::Parked
            && self.parked().park_behind(subject.item, item, Instant::now())
        {
            return Err(Hold::Behind(item));
        }
        Ok(())
    }

    async fn wait_for_additional(
        &self,
        subject: &Subject<'_>,
        action: &dyn RestoreItemAction,
        wanted: &[ItemId],
        limit: Duration,
        told: &mut Told,
    ) {
        let exists = |id: &&ItemId| {
            let resource = id.resource.to_string();
            let path = ItemPath {
                group_resource: &resource,
                namespace: id.namespace.as_deref(),
                name: &id.name,
            };
            let item = self.request.archive.find(&path, ItemCopy::Plain);
            item.is_some_and(|item| self.ledger().state(self.plan.winner(item)).exists())
        };
        let items: Vec<ItemId> = wanted.iter().filter(exists).cloned().collect();
        let limit = if limit.is_zero() {
            self.request.options.resource_timeout
        } else {
            limit
        };
        let ready = async {
            while !action.are_ready(&items, &self.restoration).await? {
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, ActionError>(())
        };
        let reason = match timeout(limit, ready).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not within {limit:?}"),
        };
        let id = self.id_of(subject.item);
        told.error(
            subject,
            format!(
                "additional items of {id} are not ready for action {}: {reason}",
                action.name()
            ),
        );
    }

    /// The type as it is served, in the version the item has now; nothing after an error.
    fn served(
        &self,
        subject: &Subject<'_>,
        world: &World,
        (resource, converted): (&GroupResource, bool),
        item: &Value,
        told: &mut Told,
    ) -> Result<Option<Resource>, Hold> {
        let text = |key| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let served = world.discovery.by_kind(api_version, kind);
        // where somebody else's definition has taken the name of the kind, objects of theirs are not what was saved
        if let Some(served) = served.filter(|served| converted || served.group_resource() == *resource) {
            return Ok(Some(served.clone()));
        }
        let Some(other) = world.discovery.preferred_version(resource) else {
            let error = format!("the API server does not serve {kind} of {api_version}");
            return Err(Hold::Error(Passing::Unserved, error));
        };
        let id = self.id_of(subject.item);
        told.error(
            subject,
            format!(
                "error restoring {id}: the API server serves it as {}, not as {api_version}",
                other.api_version()
            ),
        );
        Ok(None)
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

    async fn create(
        &self,
        subject: &Subject<'_>,
        world: &World,
        wanted: Wanted,
        told: &mut Told,
    ) -> Result<State, Hold> {
        if let Some(foresight) = &self.foresight {
            return self.foresee(foresight, subject, world, wanted, told).await;
        }
        if self.asks_first() {
            let name = metadata::field(&wanted.item, "name").unwrap_or(subject.path.name);
            match unless_passing(self.calls.get(&wanted.resource, subject.target, name).await)? {
                Ok(Some(live)) => return self.found(subject, world, wanted, live, told).await,
                Ok(None) => self.ask_first(false),
                // the creation will say what is wrong
                Err(_) => {}
            }
        }
        let body = objects::body(&wanted.item);
        match self.calls.create(&wanted.resource, subject.target, body).await {
            Ok(created) => self.created(subject, &wanted, created, told).await,
            Err(error) => {
                if error.is_already_exists() {
                    self.ask_first(true);
                }
                match hold_of(&error) {
                    // Admission comes before anybody looks whether the name is taken.
                    Some(hold) if !matches!(hold, Hold::Error(Passing::Quota | Passing::Webhook, _)) => Err(hold),
                    _ => self.not_created(subject, world, wanted, error, told).await,
                }
            }
        }
    }

    /// Whether to look for an object before it is created. To read one costs the API server a fraction of refusing to create
    /// it, so where one object was there already it is worth asking for the next ones, until one is not.
    fn asks_first(&self) -> bool {
        self.asks_first.load(Ordering::Relaxed)
    }

    fn ask_first(&self, ask: bool) {
        self.asks_first.store(ask, Ordering::Relaxed);
    }

    /// An object of that name may be there, also if the server says something else: a service that has its ports already,
    /// a quota, a webhook. Then the two are compared (spec restore 11).
    pub(super) async fn not_created(
        &self,
        subject: &Subject<'_>,
        world: &World,
        wanted: Wanted,
        error: ApiError,
        told: &mut Told,
    ) -> Result<State, Hold> {
        let name = metadata::field(&wanted.item, "name").unwrap_or(subject.path.name);
        let live = match unless_passing(self.calls.get(&wanted.resource, subject.target, name).await)? {
            Ok(live) => live,
            Err(unreadable) if error.is_already_exists() => {
                let id = self.id_of(subject.item);
                told.warn(
                    subject,
                    format!(
                        "{id} already exists, but cannot be read to compare it: {}",
                        unreadable.message
                    ),
                );
                return Ok(State::Failed);
            }
            Err(_) => None,
        };
        match live {
            Some(live) => self.found(subject, world, wanted, live, told).await,
            // gone between the two calls
            None if error.is_already_exists() => Err(Hold::Error(Passing::Conflict, error.message)),
            None => {
                if let Some(hold) = hold_of(&error) {
                    return Err(hold);
                }
                told.error(
                    subject,
                    format!("error restoring {}: {}", self.id_of(subject.item), error.message),
                );
                Ok(State::Failed)
            }
        }
    }

    /// The object is in the cluster.
    pub(super) async fn found(
        &self,
        subject: &Subject<'_>,
        world: &World,
        wanted: Wanted,
        live: Value,
        told: &mut Told,
    ) -> Result<State, Hold> {
        if metadata::is_deleting(&live) {
            return Err(Hold::Deletion);
        }
        if self.is_ours(subject, &live) {
            return self.created(subject, &wanted, live, told).await;
        }
        self.existing(subject, world, &wanted, live, told).await
    }

    /// Whether an earlier try of this restore made the object.
    fn is_ours(&self, subject: &Subject<'_>, live: &Value) -> bool {
        let tried_before = self.ledger().is_resumed() || self.parked().tries(subject.item) > 0;
        tried_before && existing::made_by_us(live, &self.origin, &self.started)
    }

    async fn existing(
        &self,
        subject: &Subject<'_>,
        world: &World,
        wanted: &Wanted,
        live: Value,
        told: &mut Told,
    ) -> Result<State, Hold> {
        let comparable = self.as_if_restored(subject, world, live, &wanted.item).await;
        let patch = |patch: Value| async move {
            let name = metadata::field(&wanted.item, "name").unwrap_or(subject.path.name);
            unless_passing(
                self.calls
                    .merge_patch(&wanted.resource, subject.target, name, &patch)
                    .await,
            )
        };
        let id = self.id_of(subject.item);
        // an earlier life, or a call whose answer was lost, may have changed it already
        let updating = self.ledger().note(subject.item).is_some_and(|note| note.updating);
        let equal = if updating { State::Updated } else { State::Skipped };
        let step = existing::decide(&comparable, &wanted.item, &self.origin, self.policy);
        if self.foresight.is_some() {
            told.changes = existing::differences(&comparable, &wanted.item, &self.origin);
        } else if matches!(step, Step::Complete(_) | Step::Overwrite(_)) && !updating {
            self.intend_update(subject.item).await;
        }
        match step {
            Step::Keep => {
                told.is_equal = true;
                Ok(equal)
            }
            Step::Warn => {
                self.log_item(subject.item, "It already exists and is different: left as it is");
                told.why = "it exists and is different: left as it is".into();
                Ok(State::Differs)
            }
            Step::Relabel(labels) => match patch(labels).await? {
                Ok(_) => {
                    told.is_equal = true;
                    told.why = "gets the two labels of this restore".into();
                    Ok(equal)
                }
                Err(error) => {
                    told.error(
                        subject,
                        format!("error labelling {id}, which already exists: {}", error.message),
                    );
                    Ok(State::Failed)
                }
            },
            Step::Complete(change) | Step::Overwrite(change) => match patch(change).await? {
                Ok(_) => Ok(State::Updated),
                Err(error) => {
                    told.warn(
                        subject,
                        format!("could not update {id}, which already exists: {}", error.message),
                    );
                    if self.policy == existing::Policy::Update
                        && let Err(error) = patch(self.origin.label_patch()).await?
                    {
                        told.error(
                            subject,
                            format!("error labelling {id}, which already exists: {}", error.message),
                        );
                    }
                    Ok(State::Failed)
                }
            },
        }
    }

    /// The object in the cluster after what a restore would do to it: what remains different was made so by somebody.
    async fn as_if_restored(&self, subject: &Subject<'_>, world: &World, live: Value, wanted: &Value) -> Value {
        let mut item = live.clone();
        // a live object always has metadata
        let _ = metadata::reset(&mut item);
        for applicable in world.actions.for_items(subject.path.group_resource, subject.target) {
            if applicable.action.is_pure() && applicable.matches(&item) {
                let input = Input {
                    original: &live,
                    restore: &self.unmapped,
                    lookup: self,
                };
                let mut changed = item.clone();
                if matches!(applicable.action.execute(&mut changed, input).await, Ok(output) if !output.skip) {
                    item = changed;
                }
            }
        }
        match subject.path.group_resource {
            VOLUMES => volume::reset_binding(&mut item),
            CLAIMS => {
                let unbound = volume::volume_of(wanted).is_none();
                volume::adjust_claim(&mut item, |_| unbound);
            }
            _ => {}
        }
        item
    }

    /// What follows a creation: status, managed fields, and for a CRD its acceptance.
    async fn created(
        &self,
        subject: &Subject<'_>,
        wanted: &Wanted,
        created: Value,
        told: &mut Told,
    ) -> Result<State, Hold> {
        if let Some(name) = metadata::field(&created, "name").filter(|name| *name != subject.path.name) {
            told.note.name = Some(name.to_owned());
        }
        let created = self.restore_status(subject, wanted, created, told).await;
        if let Some(patch) = wanted
            .managed
            .as_ref()
            .and_then(|fields| managed_fields::patch(&created, fields))
        {
            let name = metadata::field(&created, "name").unwrap_or(subject.path.name);
            // a warning only: what else is to follow must not fail for it (spec restore 26, row 35)
            if let Err(error) = self
                .calls
                .merge_patch(&wanted.resource, subject.target, name, &patch)
                .await
            {
                let id = self.id_of(subject.item);
                told.warn(
                    subject,
                    format!("could not restore the managed fields of {id}: {}", error.message),
                );
            }
        }
        if subject.path.group_resource == CRDS {
            self.wait_for_acceptance(subject, &wanted.resource, created).await?;
        }
        Ok(State::Created)
    }

    /// Restores the status if that is asked for; gives the object as it is then (spec restore 12).
    async fn restore_status(&self, subject: &Subject<'_>, wanted: &Wanted, created: Value, told: &mut Told) -> Value {
        let by_spec = self
            .restored_status
            .as_ref()
            .is_some_and(|types| types.should_include(subject.path.group_resource));
        let (restore, unreadable) = status::is_wanted(&wanted.item, by_spec);
        let id = self.id_of(subject.item);
        if let Some(value) = unreadable {
            self.log_item(
                subject.item,
                &format!(
                    "Its annotation {} is `{value}`, neither true nor false",
                    crate::api::annotations::RESTORE_STATUS
                ),
            );
        }
        let Some(status) = wanted.status.as_ref().filter(|_| restore) else {
            return created;
        };
        if !wanted.resource.has_status {
            self.log_item(
                subject.item,
                "Its status is not restored: its type has no status subresource",
            );
            return created;
        }
        let name = metadata::field(&created, "name")
            .unwrap_or(subject.path.name)
            .to_owned();
        let mut object = created;
        for tries in 1..=STATUS_TRIES {
            object["status"] = status.clone();
            let body = objects::body(&object);
            let error = match self
                .calls
                .update_status(&wanted.resource, subject.target, &name, body)
                .await
            {
                Ok(updated) => return updated,
                Err(error) => error,
            };
            if error.is_conflict()
                && tries < STATUS_TRIES
                && let Ok(Some(newer)) = self.calls.get(&wanted.resource, subject.target, &name).await
            {
                object = newer;
                continue;
            }
            told.warn(
                subject,
                format!("could not restore the status of {id}: {}", error.message),
            );
            break;
        }
        object
    }

    /// Waits until the API server has accepted a CRD (spec restore 9, step 21).
    async fn wait_for_acceptance(&self, subject: &Subject<'_>, crds: &Resource, mut crd: Value) -> Result<(), Hold> {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(20));
        while !outcome::is_accepted(&crd) {
            if start.elapsed() > ACCEPTED_AT_ONCE {
                return Err(Hold::Established);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
            match unless_passing(self.calls.get(crds, None, subject.path.name).await)? {
                Ok(Some(newer)) => crd = newer,
                // gone, or not to be read: created all the same
                Ok(None) | Err(_) => return Ok(()),
            }
        }
        let text = |path| crd.pointer(path).and_then(Value::as_str).unwrap_or_default();
        self.expect_type(GroupResource::new(text("/spec/group"), text("/spec/names/plural")));
        Ok(())
    }
}

/// Why a namespace was not made.
enum Unmade {
    /// It may be later.
    Held(Obstacle),
    /// It never will.
    Failed(String),
}

/// An object on its way into the cluster.
pub(super) struct Wanted {
    pub(super) item: Value,
    status: Option<Value>,
    managed: Option<Value>,
    pub(super) resource: Resource,
}

impl Lookup for Run<'_> {
    fn is_archived(&self, item: &ItemId) -> bool {
        let resource = item.resource.to_string();
        let path = ItemPath {
            group_resource: &resource,
            namespace: item.namespace.as_deref(),
            name: &item.name,
        };
        self.request.archive.find(&path, ItemCopy::Plain).is_some()
    }

    fn is_live<'a>(
        &'a self,
        resource: &'a GroupResource,
        namespace: Option<&'a str>,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool, ActionError>> {
        async move {
            let world = self.world();
            let Some(served) = world.discovery.preferred_version(resource) else {
                return Ok(false);
            };
            let found = self.calls.get(served, namespace, name).await;
            Ok(found.map_err(|error| ActionError(error.to_string()))?.is_some())
        }
        .boxed()
    }
}
