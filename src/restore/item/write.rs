//! An item on its way into the cluster: created, or reconciled with what is there (spec restore 9 steps 15 to 21, 11, 12).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::actions::Input;
use super::super::engine::{Run, World};
use super::super::ledger::State;
use super::super::object::existing::{self, Step};
use super::super::object::shared::{self, Sharing};
use super::super::object::{called_services, creation, managed_fields, metadata, outcome, status, unseen, volume};
use super::super::parked::Hold;
use super::super::priorities::CRDS;
use super::super::retry::Passing;
use super::rebind::Looked;
use super::{CLAIMS, Subject, Told, VOLUMES, Wanted, hold_of, unless_passing};
use crate::cluster::ApiError;
use crate::cluster::discovery::{GroupResource, Resource};
use crate::cluster::objects;

/// A CRD is accepted within milliseconds; one that is not after this gives its place in the wave to others.
const ACCEPTED_AT_ONCE: Duration = Duration::from_secs(10);

const ACCOUNTS: &str = "serviceaccounts";

/// A quota's use is counted within milliseconds where a controller does it.
const COUNTED_AT_ONCE: Duration = Duration::from_secs(10);

const QUOTAS: &str = "resourcequotas";

/// A status that somebody else changes at the same time is written so often.
const STATUS_TRIES: u32 = 5;

impl Run<'_> {
    pub(super) async fn create(
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
        let body = self.body_of(subject, &wanted);
        match self.calls.create(&wanted.resource, subject.target, body).await {
            Ok(created) => self.created(subject, &wanted, created, told).await,
            Err(error) => {
                if error.is_already_exists() {
                    self.ask_first(true);
                }
                match hold_of(&error) {
                    Some(Hold::Error(passing, _)) if passing.hides_what_exists() => {
                        self.not_created(subject, world, wanted, error, told).await
                    }
                    Some(hold) => Err(hold),
                    None => self.not_created(subject, world, wanted, error, told).await,
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
    pub(in super::super) async fn not_created(
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
                if let Some(hold) = self.hold_of_creation(subject, &wanted.item, &error) {
                    return Err(hold);
                }
                if let Some(lesser) =
                    creation::without_default(subject.path.group_resource, &wanted.item, &error.message)
                {
                    return self.create_lesser(subject, wanted, lesser, &error, told).await;
                }
                told.error(
                    subject,
                    format!("error restoring {}: {}", self.id_of(subject.item), error.message),
                );
                Ok(State::Failed)
            }
        }
    }

    /// Creates a priority class that cannot be the default as an ordinary one: the pods that name it need it.
    async fn create_lesser(
        &self,
        subject: &Subject<'_>,
        wanted: Wanted,
        lesser: Value,
        refused: &ApiError,
        told: &mut Told,
    ) -> Result<State, Hold> {
        let id = self.id_of(subject.item);
        let created = self
            .calls
            .create(&wanted.resource, subject.target, objects::body(&lesser))
            .await;
        match unless_passing(created)? {
            Ok(created) => {
                told.warn(
                    subject,
                    format!(
                        "{id} is restored with globalDefault: false, because the cluster has another default: {}",
                        refused.message
                    ),
                );
                let wanted = Wanted { item: lesser, ..wanted };
                if self.foresight.is_some() {
                    return Ok(State::Created);
                }
                self.created(subject, &wanted, created, told).await
            }
            Err(error) => {
                told.error(subject, format!("error restoring {id}: {}", error.message));
                Ok(State::Failed)
            }
        }
    }

    /// The object is in the cluster.
    pub(in super::super) async fn found(
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
        let (live, given_back) = match subject.path.group_resource {
            VOLUMES => match self.look_at_binding(subject, wanted, live, told).await? {
                Looked::AsItWas(live) => (live, false),
                Looked::GivenBack(live) => (live, true),
                Looked::Ended(state) => return Ok(state),
            },
            _ => (live, false),
        };
        let id = self.id_of(subject.item);
        for remark in unseen::remarks(subject.path.group_resource, &live, wanted.owners.as_ref()) {
            told.warn(subject, format!("{id} already exists: {remark}"));
        }
        let version = live.pointer("/metadata/resourceVersion").cloned();
        let comparable = self.as_if_restored(subject, world, live, &wanted.item).await;
        let patch = |patch: Value| async move {
            let name = metadata::field(&wanted.item, "name").unwrap_or(subject.path.name);
            unless_passing(
                self.calls
                    .merge_patch(&wanted.resource, subject.target, name, &patch)
                    .await,
            )
        };
        // an earlier life, or a call whose answer was lost, may have changed it already
        let updating = self.ledger().note(subject.item).is_some_and(|note| note.updating);
        let equal = if updating || given_back {
            State::Updated
        } else {
            State::Skipped
        };
        let sharing = self.sharing(subject, &comparable, wanted);
        let mut becomes = sharing.becomes(&wanted.item).clone();
        self.origin.label(&mut becomes);
        let step = existing::decide(&comparable, &becomes, &self.origin, self.policy);
        if self.foresight.is_some() && !given_back {
            told.changes = existing::differences(&comparable, &becomes, &self.origin, self.policy);
        }
        let kind = wanted.item.get("kind").and_then(Value::as_str).unwrap_or_default();
        let step = self.with_others(subject, kind, (sharing, step), version.as_ref(), told);
        if subject.path.group_resource == ACCOUNTS && self.policy == existing::Policy::Leave {
            self.warn_of_kept(subject, &comparable, &wanted.item, told);
        }
        if self.foresight.is_none() && matches!(step, Step::Complete(_) | Step::Overwrite(_)) && !updating {
            self.intend_update(subject.item).await;
        }
        match step {
            Step::Keep => {
                told.is_equal = !given_back;
                Ok(equal)
            }
            Step::Warn if given_back => {
                let name = subject.path.name;
                told.warn(subject, existing::differs_warning("PersistentVolume", name));
                Ok(State::Updated)
            }
            Step::Warn => {
                self.log_item(subject.item, "It already exists and is different: left as it is");
                told.why = "it exists and is different: left as it is".into();
                Ok(State::Differs)
            }
            Step::Relabel(labels) => match patch(labels).await? {
                Ok(_) => {
                    if !given_back {
                        told.is_equal = true;
                        told.why = "gets the two labels of this restore".into();
                    }
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

    /// What a restore may do about an object that it finds, for the sake of others.
    fn sharing(&self, subject: &Subject<'_>, live: &Value, wanted: &Wanted) -> Sharing {
        let mapping = &self.restoration.namespace_mapping;
        let path = &subject.path;
        shared::decide(path.group_resource, path.namespace, (live, &wanted.item), mapping)
    }

    /// What is sent to create an object. One that is there is compared without this: it is the source's, and as the source's was.
    pub(in super::super) fn body_of(&self, subject: &Subject<'_>, wanted: &Wanted) -> Bytes {
        let mapping = &self.restoration.namespace_mapping;
        match called_services::moved(subject.path.group_resource, &wanted.item, mapping) {
            Some((moved, _)) => objects::body(&moved),
            None => objects::body(&wanted.item),
        }
    }

    /// Says of a created object that it calls another service than in the backup.
    pub(in super::super) fn warn_of_moved(&self, subject: &Subject<'_>, wanted: &Wanted, told: &mut Told) {
        let mapping = &self.restoration.namespace_mapping;
        if let Some((_, targets)) = called_services::moved(subject.path.group_resource, &wanted.item, mapping) {
            let id = self.id_of(subject.item);
            told.warn(subject, called_services::moved_warning(&id, &targets));
        }
    }

    /// The step that leaves to others what they have, and what is to be said about it. `version`: that of the object.
    fn with_others(
        &self,
        subject: &Subject<'_>,
        kind: &str,
        (sharing, step): (Sharing, Step),
        version: Option<&Value>,
        told: &mut Told,
    ) -> Step {
        match (sharing, step) {
            (Sharing::Serves(source), Step::Overwrite(_)) => {
                let target = self.restoration.target(&source);
                let reason = format!(
                    "it calls a service of namespace {source}, which this restore copies to {target}: it is left as it is; check \
                     whether the copy needs one of its own"
                );
                told.differs(subject, kind, &reason);
                Step::Warn
            }
            (Sharing::Common(_), Step::Overwrite(_)) => {
                told.differs(subject, kind, shared::common_warning());
                Step::Warn
            }
            (Sharing::Common(_) | Sharing::Serves(_), Step::Relabel(_)) => Step::Keep,
            (Sharing::Join { missing, .. }, Step::Warn) if !missing.is_empty() => {
                let reason = format!(
                    "it lacks these subjects of the restore, which so lack its rights: {}; add them, or restore with \
                     --existing-resource-policy update, which adds them",
                    missing.join(", ")
                );
                told.differs(subject, kind, &reason);
                Step::Warn
            }
            (Sharing::Join { missing, .. }, Step::Overwrite(mut patch)) if !missing.is_empty() => {
                let text = format!("Its subjects stay, and these are added: {}", missing.join(", "));
                self.log_item(subject.item, &text);
                told.why = format!("its subjects stay, and these are added: {}", missing.join(", ")).into();
                // the list is replaced whole: what was added to it in the meantime must not get lost
                json_patch::merge(
                    &mut patch,
                    &serde_json::json!({"metadata": {"resourceVersion": version}}),
                );
                Step::Overwrite(patch)
            }
            (_, step) => step,
        }
    }

    /// What a service account of the cluster has in a form of its own.
    fn warn_of_kept(&self, subject: &Subject<'_>, live: &Value, wanted: &Value, told: &mut Told) {
        let kept = unseen::kept_by_account(live, wanted);
        if !kept.is_empty() {
            let id = self.id_of(subject.item);
            told.warn(
                subject,
                format!(
                    "{id} already exists and keeps its own {}; restore with --existing-resource-policy update to get the \
                     backup's",
                    kept.join(", ")
                ),
            );
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
                    namespace: subject.path.namespace,
                    restore: &self.unmapped,
                    lookup: self,
                };
                let mut changed = item.clone();
                if matches!(applicable.action.execute(&mut changed, input).await, Ok(output) if !output.skip) {
                    item = changed;
                }
            }
        }
        creation::clear(subject.path.group_resource, &mut item);
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
    pub(super) async fn created(
        &self,
        subject: &Subject<'_>,
        wanted: &Wanted,
        created: Value,
        told: &mut Told,
    ) -> Result<State, Hold> {
        if let Some(name) = metadata::field(&created, "name").filter(|name| *name != subject.path.name) {
            told.note.name = Some(name.to_owned());
        }
        self.warn_of_moved(subject, wanted, told);
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
        match subject.path.group_resource {
            CRDS => self.wait_for_acceptance(subject, &wanted.resource, created).await?,
            QUOTAS => self.wait_until_counted(subject, &wanted.resource, created).await?,
            _ => {}
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

    /// Waits until a quota's use was counted: until then nothing that it limits is admitted, and what is parked for that lets
    /// controllers go first. Without a controller that counts it is not waited for longer.
    async fn wait_until_counted(&self, subject: &Subject<'_>, quotas: &Resource, mut quota: Value) -> Result<(), Hold> {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(20));
        let name = metadata::field(&quota, "name").unwrap_or(subject.path.name).to_owned();
        while !outcome::is_counted(&quota) {
            if start.elapsed() > COUNTED_AT_ONCE {
                self.log_item(subject.item, "Its use has not been counted yet; the restore goes on");
                return Ok(());
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
            match unless_passing(self.calls.get(quotas, subject.target, &name).await)? {
                Ok(Some(newer)) => quota = newer,
                // gone, or not to be read: created all the same
                Ok(None) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}
