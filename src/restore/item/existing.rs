//! An object of the item's name is in the cluster: the two are compared (spec restore 11).

use serde_json::{Value, json};

use super::binding::Bound;
use super::context::{CLAIMS, ItemRestore, VOLUMES, Wanted};
use crate::cluster::ApiError;
use crate::restore::actions::Input;
use crate::restore::ledger::State;
use crate::restore::object::existing::{self, ExistingResourcePolicy, Step as Change};
use crate::restore::object::shared::{self, Sharing};
use crate::restore::object::{creation, metadata, unseen, volume};
use crate::restore::processed::{End, Step, done, unless_transient};

const ACCOUNTS: &str = "serviceaccounts";

impl ItemRestore<'_> {
    /// Compares the object in the cluster with the one that would have been created, and changes it if the policy says so.
    pub(super) async fn existing(&mut self, wanted: &Wanted, live: Value) -> End {
        let (live, given_back) = match self.group_resource() {
            VOLUMES => match self.check_binding(wanted, live).await? {
                Bound::AsItWas(live) => (live, false),
                Bound::GivenBack(live) => (live, true),
            },
            _ => (live, false),
        };
        let id = self.id();
        for remark in unseen::remarks(self.group_resource(), &live, wanted.owners.as_ref()) {
            self.messages.warn(format!("{id} already exists: {remark}"));
        }
        let version = live.pointer("/metadata/resourceVersion").cloned();
        let comparable = self.as_if_restored(wanted, live).await;
        let parts = self.ctx.parts;
        let (labels, policy) = (&parts.prepared.labels, parts.prepared.policy);
        // an earlier run, or a request with a lost answer, may have changed it already
        let updating = parts
            .tracker
            .journal
            .read(|ledger| ledger.note(self.item.handle).is_some_and(|note| note.updating));
        let equal = if updating || given_back {
            State::Updated
        } else {
            State::Skipped
        };
        let mapping = &parts.prepared.context.namespace_mapping;
        let path = &self.item.path;
        let pair = (&comparable, &wanted.object);
        let sharing = shared::decide(path.group_resource, path.namespace, pair, mapping);
        let mut becomes = sharing.becomes(&wanted.object).clone();
        labels.label(&mut becomes);
        let change = existing::decide(&comparable, &becomes, labels, policy);
        if self.ctx.apply.reports_differences() && !given_back {
            self.messages.changes = existing::differences(&comparable, &becomes, labels, policy);
        }
        let kind = wanted.object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let change = self.with_others(kind, (sharing, change), version.as_ref());
        if self.group_resource() == ACCOUNTS && policy == ExistingResourcePolicy::Leave {
            self.warn_of_kept(&comparable, &wanted.object);
        }
        if matches!(change, Change::Complete(_) | Change::Overwrite(_)) && !updating {
            self.ctx.apply.before_change(parts, self.item).await;
        }
        self.carry_out(wanted, change, equal, given_back).await
    }

    /// `equal`: the state of an object that is equal.
    async fn carry_out(&mut self, wanted: &Wanted, change: Change, equal: State, given_back: bool) -> End {
        match change {
            Change::Keep => {
                self.messages.is_equal = !given_back;
                done(equal)
            }
            Change::Warn if given_back => {
                let warning = existing::differs_warning("PersistentVolume", self.item.path.name);
                self.messages.warn(warning);
                done(State::Updated)
            }
            Change::Warn => {
                self.log("It already exists and is different: left as it is");
                self.messages.why = "it exists and is different: left as it is".into();
                done(State::Differs)
            }
            Change::Relabel(labels) => match self.patch(wanted, &labels).await? {
                Ok(_) => {
                    if !given_back {
                        self.messages.is_equal = true;
                        self.messages.why = "gets the two labels of this restore".into();
                    }
                    done(equal)
                }
                Err(error) => {
                    self.label_failed(&error);
                    done(State::Failed)
                }
            },
            Change::Complete(patch) | Change::Overwrite(patch) => match self.patch(wanted, &patch).await? {
                Ok(_) => done(State::Updated),
                Err(error) => {
                    let text = format!(
                        "could not update {}, which already exists: {}",
                        self.id(),
                        error.message
                    );
                    self.messages.warn(text);
                    let prepared = self.ctx.parts.prepared;
                    if prepared.policy == ExistingResourcePolicy::Update
                        && let Err(error) = self.patch(wanted, &prepared.labels.label_patch()).await?
                    {
                        self.label_failed(&error);
                    }
                    done(State::Failed)
                }
            },
        }
    }

    async fn patch(&self, wanted: &Wanted, patch: &Value) -> Step<Result<Value, ApiError>> {
        let client = &self.ctx.parts.client;
        let name = self.name_of(&wanted.object);
        unless_transient(
            client
                .merge_patch(&wanted.resource, self.item.target, name, patch)
                .await,
        )
    }

    fn label_failed(&mut self, error: &ApiError) {
        let text = format!("error labelling {}, which already exists: {}", self.id(), error.message);
        self.messages.error(text);
    }

    /// The change that keeps what the object has, and the messages about it. `version`: that of the object.
    fn with_others(&mut self, kind: &str, (sharing, change): (Sharing, Change), version: Option<&Value>) -> Change {
        let name = self.item.path.name;
        match (sharing, change) {
            (Sharing::Serves(source), Change::Overwrite(_)) => {
                let target = self.ctx.parts.prepared.context.target(&source);
                let reason = format!(
                    "it calls a service of namespace {source}, which this restore copies to {target}: it is left as it is; check \
                     whether the copy needs one of its own"
                );
                self.messages.differs(kind, name, &reason);
                Change::Warn
            }
            (Sharing::Common(_), Change::Overwrite(_)) => {
                self.messages.differs(kind, name, shared::common_warning());
                Change::Warn
            }
            (Sharing::Common(_) | Sharing::Serves(_), Change::Relabel(_)) | (Sharing::Held, _) => Change::Keep,
            (Sharing::Join { missing, .. }, Change::Warn) if !missing.is_empty() => {
                let reason = format!(
                    "it lacks these subjects of the restore, which so lack its rights: {}; add them, or restore with \
                     --existing-resource-policy update, which adds them",
                    missing.join(", ")
                );
                self.messages.differs(kind, name, &reason);
                Change::Warn
            }
            (Sharing::Join { missing, .. }, Change::Overwrite(mut patch)) if !missing.is_empty() => {
                let missing = missing.join(", ");
                self.log(&format!("Its subjects are kept, and these are added: {missing}"));
                self.messages.why = format!("its subjects are kept, and these are added: {missing}").into();
                // the list is replaced whole: concurrent additions to it must not get lost
                json_patch::merge(&mut patch, &json!({"metadata": {"resourceVersion": version}}));
                Change::Overwrite(patch)
            }
            (_, change) => change,
        }
    }

    /// The fields of a service account that differ in the cluster.
    fn warn_of_kept(&mut self, live: &Value, wanted: &Value) {
        let kept = unseen::kept_by_account(live, wanted);
        if !kept.is_empty() {
            let text = format!(
                "{} already exists and keeps its own {}; restore with --existing-resource-policy update to get the \
                 backup's",
                self.id(),
                kept.join(", ")
            );
            self.messages.warn(text);
        }
    }

    /// The object in the cluster after the changes of a restore: the remaining differences were made in the cluster.
    async fn as_if_restored(&self, wanted: &Wanted, live: Value) -> Value {
        let parts = self.ctx.parts;
        let mut object = live.clone();
        // a live object always has metadata
        let _ = metadata::reset(&mut object);
        let actions = &wanted.types.actions;
        for applicable in actions.for_items(self.group_resource(), self.item.target) {
            if applicable.action.is_pure() && applicable.matches(&object) {
                let input = Input {
                    original: &live,
                    namespace: self.item.path.namespace,
                    restore: &parts.prepared.unmapped,
                    lookup: &parts.archived,
                };
                let mut changed = object.clone();
                if matches!(applicable.action.execute(&mut changed, input).await, Ok(output) if !output.skip) {
                    object = changed;
                }
            }
        }
        creation::clear(self.group_resource(), &mut object);
        match self.group_resource() {
            VOLUMES => volume::reset_binding(&mut object),
            CLAIMS => {
                let unbound = volume::volume_of(&wanted.object).is_none();
                volume::adjust_claim(&mut object, |_| unbound);
            }
            _ => {}
        }
        object
    }
}
