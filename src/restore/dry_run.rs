//! A dry run: the same plan, the same waves and the same steps as a run, up to the writes. Those are sent to the API server
//! with `dryRun=All`, which runs admission and validation and stores nothing. The server is not asked where it cannot know: it
//! does not find what only the restore itself would create (the namespace, the type or the service account of an object).
//!
//! A dry run does not wait and does not retry: it reports what a run would wait for. All differences from a run are in this
//! file.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::api::restore_plan::{PlannedAction, PlannedItem};
use crate::cluster::ApiError;
use crate::cluster::discovery::GroupResource;
use crate::cluster::objects::{self, WriteOptions};
use crate::restore::apply::{Apply, Creation, NewObject, TargetNamespace};
use crate::restore::deps::EngineDeps;
use crate::restore::fatal::Fatal;
use crate::restore::item::ItemContext;
use crate::restore::item_id::ItemId;
use crate::restore::ledger::{Ledger, Severity, State};
use crate::restore::messages::ItemMessages;
use crate::restore::namespaces::{NotMade, Obstacle};
use crate::restore::object::existing::differs_warning;
use crate::restore::object::needs;
use crate::restore::parts::RunParts;
use crate::restore::plan::NAMESPACES;
use crate::restore::prepared::prepare;
use crate::restore::priorities::CRDS;
use crate::restore::processed::Processed;
use crate::restore::request::Request;
use crate::restore::restore_item::RestoreItem;
use crate::restore::retry_reason::RetryReason;
use crate::restore::wait_reason::WaitReason;
use crate::restore::waves::Waves;

/// Sends for every object what a run would do with it. Writes nothing: it sends only dry-run writes to the cluster in `deps`, and
/// does not use the ledger's sink. Ends when the receiver is dropped.
///
/// Returns the messages about the restore as a whole.
///
/// # Errors
/// As a run that cannot begin, and [`Fatal::Cancelled`] when the receiver was dropped.
pub async fn plan_changes(
    request: &Request,
    deps: &EngineDeps<'_>,
    sender: &mpsc::Sender<PlannedItem>,
) -> Result<Vec<String>, Fatal> {
    let (prepared, served) = prepare(request, deps, false).await?;
    let ledger = Ledger::new(&request.archive);
    let options = WriteOptions { dry_run: true };
    let on_progress = |_| {};
    let parts = RunParts::new(&prepared, deps, served, ledger, &on_progress, options);
    let dry_run = DryRun::new(sender);
    tokio::select! {
        () = sender.closed() => Err(Fatal::Cancelled),
        warnings = dry_run.report_all(&parts) => Ok(warnings),
    }
}

/// The state of a dry run, and where it reports to.
struct DryRun<'s> {
    sender: &'s mpsc::Sender<PlannedItem>,
    /// The number of the wave, from 1.
    wave: AtomicU64,
    /// `apiVersion` and kind of the types of CRDs that would be created.
    types: Mutex<HashSet<(String, String)>>,
    /// Target namespaces that are reported.
    namespaces: Mutex<HashSet<String>>,
}

impl<'s> DryRun<'s> {
    fn new(sender: &'s mpsc::Sender<PlannedItem>) -> Self {
        Self {
            sender,
            wave: AtomicU64::new(0),
            types: Mutex::default(),
            namespaces: Mutex::default(),
        }
    }

    /// Processes the waves. Returns the messages about the restore as a whole.
    async fn report_all(&self, parts: &RunParts<'_>) -> Vec<String> {
        let prepared = parts.prepared;
        let mut warnings = Vec::new();
        if !prepared.request.archive.summary().has_resources {
            warnings.push("the backup has no resources: zero items to be restored".to_owned());
        }
        warnings.extend(prepared.warnings.iter().cloned());
        for (handle, reason) in prepared.plan.unreadable() {
            let item = prepared.item(*handle);
            let mut planned = planned(parts, item);
            planned.action = PlannedAction::Deny;
            planned.reason = format!("error decoding {}: {reason}", item.path);
            self.send_item(planned).await;
        }
        let waves = Waves::new(ItemContext::new(parts, self));
        waves.ctx.warn_of_displaced().await;
        for wave in prepared.plan.waves() {
            self.wave.fetch_add(1, Ordering::Relaxed);
            waves.restore_all(prepared.plan.items_of(wave)).await;
        }
        let texts = |ledger: &Ledger| -> Vec<String> {
            let messages = ledger.messages().0.iter();
            messages.map(|message| message.text.clone()).collect()
        };
        warnings.extend(parts.tracker.journal.read(texts));
        warnings
    }

    async fn send_item(&self, mut item: PlannedItem) {
        item.wave = self.wave.load(Ordering::Relaxed);
        // the receiver is dropped: the dry run is about to be dropped too
        let _ = self.sender.send(item).await;
    }

    /// Remembers the types of a CRD.
    fn expect_types(&self, crd: &Value) {
        let text = |path| crd.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
        let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
        let served = versions
            .into_iter()
            .flatten()
            .filter(|version| version.get("served").is_some_and(|served| served == true))
            .filter_map(|version| version.get("name")?.as_str())
            .map(|version| (format!("{group}/{version}"), kind.to_owned()));
        self.types.lock().extend(served);
    }

    /// Whether the restore itself would create the CRD of an object.
    fn brings(&self, object: &Value) -> bool {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let wanted = (text("apiVersion"), text("kind"));
        self.types.lock().contains(&wanted)
    }

    /// Reports a target namespace, the first time.
    async fn report_namespace(&self, namespace: TargetNamespace<'_>, action: PlannedAction, reason: String) {
        let is_new = self.namespaces.lock().insert(namespace.name.to_owned());
        if !is_new {
            return;
        }
        let item = PlannedItem {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            name: namespace.name.to_owned(),
            source_namespace: Some(namespace.source)
                .filter(|source| *source != namespace.name)
                .map(String::from),
            action,
            reason,
            ..PlannedItem::default()
        };
        self.send_item(item).await;
    }
}

impl Apply for DryRun<'_> {
    fn create<'a>(&'a self, parts: &'a RunParts<'a>, new: NewObject<'a>) -> BoxFuture<'a, Creation> {
        async move {
            let target = new.item.target;
            let why = if target.is_some_and(|target| parts.tracker.journal.has_created_namespace(target)) {
                Cow::Borrowed("not checked: its namespace is created by this restore")
            } else {
                match parts.client.get(new.resource, target, new.name).await {
                    Ok(Some(live)) => return Creation::Exists(live),
                    Ok(None) => {}
                    Err(error) => {
                        if let Some(reason) = WaitReason::of(&error) {
                            return Creation::Waiting(reason);
                        }
                        // no answer: the creation will report the error
                    }
                }
                if let Some(missing) = missing(parts, new) {
                    format!("not checked: {missing} is created by this restore").into()
                } else if let Err(error) = self.send(parts, new).await {
                    return Creation::Refused(error);
                } else {
                    Cow::Borrowed("")
                }
            };
            if new.item.path.group_resource == CRDS {
                self.expect_types(new.object);
            }
            Creation::Planned(why)
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
            parts.client.create(new.resource, new.item.target, body).await?;
            Ok(None)
        }
        .boxed()
    }

    fn before_change<'a>(&'a self, _: &'a RunParts<'a>, _: RestoreItem<'a>) -> BoxFuture<'a, ()> {
        ready(()).boxed()
    }

    fn reports_differences(&self) -> bool {
        true
    }

    fn planned_type(&self, object: &Value) -> Option<&'static str> {
        self.brings(object)
            .then_some("not checked: its type is created by this restore")
    }

    fn plan_refused_namespace<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        namespace: TargetNamespace<'a>,
        refused: &'a ApiError,
    ) -> BoxFuture<'a, bool> {
        async move {
            if !refused.is_dry_run_unsupported() {
                return false;
            }
            self.report_namespace(namespace, PlannedAction::Unknown, RetryReason::DryRun.to_string())
                .await;
            parts.tracker.journal.created_namespace(namespace.name);
            true
        }
        .boxed()
    }

    fn namespace<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        namespace: TargetNamespace<'a>,
        made: &'a Result<(), NotMade>,
    ) -> BoxFuture<'a, ()> {
        let created = || parts.tracker.journal.has_created_namespace(namespace.name);
        let (action, reason) = match made {
            Ok(()) if created() => (PlannedAction::Create, String::new()),
            Ok(()) => (PlannedAction::Unchanged, "it exists and is used as it is".to_owned()),
            Err(NotMade::Held(Obstacle::Deletion)) => (PlannedAction::Wait, "it is being deleted".to_owned()),
            Err(NotMade::Held(Obstacle::Error(error))) => {
                (PlannedAction::Wait, format!("it cannot be created now: {error}"))
            }
            Err(NotMade::Failed(error)) => {
                let text = format!("error creating namespace {}: {error}", namespace.name);
                (PlannedAction::Deny, text)
            }
        };
        self.report_namespace(namespace, action, reason).boxed()
    }

    /// Reports the planned result of an item, and returns what to record: a dry run retries nothing.
    fn finish<'a>(
        &'a self,
        parts: &'a RunParts<'a>,
        item: RestoreItem<'a>,
        processed: Processed,
        messages: &'a mut ItemMessages<'_>,
    ) -> BoxFuture<'a, Processed> {
        let planned = outcome(parts, item, &processed, messages);
        let recorded = match (processed, planned.action) {
            // an item that fails in the end does not block others
            (Processed::Waiting(_), PlannedAction::Deny) => Processed::Done(State::Failed),
            (Processed::Waiting(_), PlannedAction::Unknown) => Processed::Done(State::Created),
            (processed, _) => processed,
        };
        async move {
            // a namespace was reported when it was first needed
            if item.path.group_resource != NAMESPACES {
                self.send_item(planned).await;
            }
            recorded
        }
        .boxed()
    }
}

/// The planned result of an item.
fn outcome(
    parts: &RunParts<'_>,
    item: RestoreItem<'_>,
    processed: &Processed,
    messages: &mut ItemMessages<'_>,
) -> PlannedItem {
    let mut planned = planned(parts, item);
    if let Some((api_version, kind)) = messages
        .note
        .kind
        .take()
        .as_deref()
        .and_then(|kind| kind.rsplit_once('/'))
    {
        (planned.api_version, planned.kind) = (api_version.to_owned(), kind.to_owned());
    }
    for message in messages.list.drain(..) {
        match message.severity {
            Severity::Error => planned.errors.push(message.text),
            Severity::Warning => planned.warnings.push(message.text),
        }
    }
    planned.reason = std::mem::take(&mut messages.why).into_owned();
    let changes = std::mem::take(&mut messages.changes);
    (planned.changes, planned.more_changes) = (changes.listed, changes.more);
    planned.action = match processed {
        Processed::Done(_) if messages.is_equal => PlannedAction::Unchanged,
        Processed::Done(state) => action_in(*state),
        Processed::Waiting(reason) => action_of(reason),
    };
    match processed {
        Processed::Waiting(reason) => planned.reason = parts.tracker.why(reason),
        Processed::Done(State::NoNamespace) => "its namespace cannot be created".clone_into(&mut planned.reason),
        Processed::Done(_) => {}
    }
    if planned.action == PlannedAction::Deny && planned.reason.is_empty() {
        // the message with which it fails is the reason, and not listed twice
        let reason = planned
            .errors
            .pop()
            .or_else(|| planned.warnings.pop())
            .unwrap_or_default();
        let known = format!("error restoring {}: ", parts.prepared.id_of(item.handle));
        planned.reason = reason.strip_prefix(&known).map_or(reason.clone(), String::from);
    }
    if *processed == Processed::Done(State::Differs) && !messages.note.reported {
        planned.warnings.push(differs_warning(&planned.kind, &planned.name));
    }
    planned
}

/// An item by its names.
fn planned(parts: &RunParts<'_>, item: RestoreItem<'_>) -> PlannedItem {
    let kind = parts.archived.kind_of(item.path.group_resource);
    let kind = kind.unwrap_or_else(|| item.path.group_resource.to_owned());
    let (api_version, kind) = kind.rsplit_once('/').unwrap_or(("", &kind));
    PlannedItem {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: item.target.map(String::from),
        name: item.path.name.to_owned(),
        source_namespace: item
            .path
            .namespace
            .filter(|source| Some(*source) != item.target)
            .map(String::from),
        ..PlannedItem::default()
    }
}

/// The objects that admission would not find, because this restore has only planned them.
fn missing(parts: &RunParts<'_>, new: NewObject<'_>) -> Option<ItemId> {
    let path = new.item.path;
    let resource: GroupResource = path.group_resource.parse().ok()?;
    needs::of(&resource, new.object, path.namespace)
        .into_iter()
        .find(|needed| {
            let archived = parts.archived.find_id(needed);
            archived.is_some_and(|item| {
                let item = parts.prepared.plan.winner(item);
                parts.tracker.journal.state(item) == State::Created
            })
        })
}

/// The action for an item that a run would retry: it waits, fails in the end, or could not be checked by the dry run.
fn action_of(reason: &WaitReason) -> PlannedAction {
    match reason {
        WaitReason::Error(reason, _) => match reason {
            // retried for a while, but nothing in this restore ends them
            RetryReason::Quota | RetryReason::Unserved => PlannedAction::Deny,
            RetryReason::Webhook
            | RetryReason::Conversion
            | RetryReason::Policy
            | RetryReason::Conflict
            | RetryReason::NamespaceTerminating
            | RetryReason::TypeTerminating
            | RetryReason::QuotaUnknown
            | RetryReason::Dependency => PlannedAction::Wait,
            RetryReason::Transport
            | RetryReason::TooManyRequests
            | RetryReason::Unavailable
            | RetryReason::GatewayTimeout
            | RetryReason::Backend
            | RetryReason::DryRun => PlannedAction::Unknown,
        },
        WaitReason::Deletion | WaitReason::Namespace(_) | WaitReason::Established | WaitReason::Item(_) => {
            PlannedAction::Wait
        }
    }
}

/// The action for an item that ends in a state.
fn action_in(state: State) -> PlannedAction {
    match state {
        State::Created | State::Pending => PlannedAction::Create,
        State::Updated => PlannedAction::Patch,
        State::Skipped | State::Dropped | State::Provision | State::Differs => PlannedAction::Skip,
        State::Failed | State::Unreadable | State::NoNamespace => PlannedAction::Deny,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn waiting_failing_and_unknown_are_three_actions() {
        let error = |reason| WaitReason::Error(reason, "x".to_owned());
        let table = [
            (error(RetryReason::Quota), PlannedAction::Deny),
            (error(RetryReason::Unserved), PlannedAction::Deny),
            (error(RetryReason::Webhook), PlannedAction::Wait),
            (error(RetryReason::Conversion), PlannedAction::Wait),
            (error(RetryReason::Policy), PlannedAction::Wait),
            (error(RetryReason::QuotaUnknown), PlannedAction::Wait),
            (error(RetryReason::Dependency), PlannedAction::Wait),
            (error(RetryReason::TypeTerminating), PlannedAction::Wait),
            (error(RetryReason::Backend), PlannedAction::Unknown),
            (error(RetryReason::Conflict), PlannedAction::Wait),
            (error(RetryReason::NamespaceTerminating), PlannedAction::Wait),
            (error(RetryReason::Transport), PlannedAction::Unknown),
            (error(RetryReason::TooManyRequests), PlannedAction::Unknown),
            (error(RetryReason::Unavailable), PlannedAction::Unknown),
            (error(RetryReason::GatewayTimeout), PlannedAction::Unknown),
            (error(RetryReason::DryRun), PlannedAction::Unknown),
            (WaitReason::Deletion, PlannedAction::Wait),
            (WaitReason::Namespace(Obstacle::Deletion), PlannedAction::Wait),
        ];
        for (reason, action) in table {
            assert_eq!(action_of(&reason), action, "{reason:?}");
        }
    }

    #[test]
    fn every_end_of_an_item_is_an_action() {
        let table = [
            (State::Created, PlannedAction::Create),
            (State::Updated, PlannedAction::Patch),
            (State::Skipped, PlannedAction::Skip),
            (State::Dropped, PlannedAction::Skip),
            (State::Provision, PlannedAction::Skip),
            (State::Differs, PlannedAction::Skip),
            (State::Failed, PlannedAction::Deny),
            (State::Unreadable, PlannedAction::Deny),
            (State::NoNamespace, PlannedAction::Deny),
        ];
        for (state, action) in table {
            assert_eq!(action_in(state), action, "{state:?}");
        }
    }

    #[test]
    fn a_crd_brings_the_versions_that_it_serves() {
        let (sender, _receiver) = mpsc::channel(1);
        let dry_run = DryRun::new(&sender);
        dry_run.expect_types(&json!({"spec": {
            "group": "example.com", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}],
        }}));
        let widget = |version: &str| json!({"apiVersion": format!("example.com/{version}"), "kind": "Widget"});
        assert!(dry_run.brings(&widget("v1")));
        assert!(!dry_run.brings(&widget("v1alpha1")) && !dry_run.brings(&json!({})));
    }
}
