//! A dry run: the same plan, the same waves and the same steps as a run, up to the writes. Those are asked of the API
//! server with `dryRun=All`, which runs admission and validation and stores nothing, wherever it can know: what an object
//! needs and only the restore itself would bring (its namespace, its type, its service account) is not there to be found.
//!
//! Nothing is waited for and nothing tried again: what a run would wait for is told.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;

use super::actions::ItemId;
use super::engine::{Deps, Fatal, Run, World};
use super::item::{Subject, Told, Wanted, unless_passing};
use super::ledger::{Ledger, Severity, State};
use super::namespaces::{Obstacle, Readiness};
use super::object::existing::differs_warning;
use super::object::{metadata, needs};
use super::parked::Hold;
use super::plan::NAMESPACES;
use super::priorities::CRDS;
use super::request::{Request, unsupported};
use super::retry::Passing;
use crate::api::restore_plan::{PlannedAction, PlannedItem};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::cluster::discovery::{Discovery, GroupResource};

/// What a dry run knows beside the cluster, and whom it tells.
pub(super) struct Foresight<'a> {
    teller: &'a mpsc::Sender<PlannedItem>,
    /// The wave that is looked at, from 1.
    wave: AtomicU64,
    /// `apiVersion` and kind of what the CRDs would bring that would be created.
    types: Mutex<HashSet<(String, String)>>,
    /// Target namespaces that were told about.
    namespaces: Mutex<HashSet<String>>,
}

/// Tells of every object what a run would do with it. Writes nothing: of the cluster in `deps` it asks for dry runs only,
/// and the ledger's sink is not used. Ends when whoever is told went away.
///
/// Gives what is to be said about the restore as a whole.
///
/// # Errors
/// As a run that cannot begin, and [`Fatal::Cancelled`] when nobody listens any more.
pub async fn foresee(
    request: &Request,
    deps: &Deps<'_>,
    teller: &mpsc::Sender<PlannedItem>,
) -> Result<Vec<String>, Fatal> {
    let fields = unsupported(&request.spec);
    if !fields.is_empty() {
        return Err(Fatal::Unsupported(fields));
    }
    let discovery = Discovery::read(deps.cluster()).await?;
    let foresight = Foresight {
        teller,
        wave: AtomicU64::new(0),
        types: Mutex::default(),
        namespaces: Mutex::default(),
    };
    let ledger = Ledger::new(&request.archive);
    let on_progress = |_| {};
    let run = Run::new(request, deps, discovery, ledger, &on_progress, Some(foresight))?;
    tokio::select! {
        () = teller.closed() => Err(Fatal::Cancelled),
        warnings = run.foretell_all() => Ok(warnings),
    }
}

impl Foresight<'_> {
    async fn tell(&self, mut item: PlannedItem) {
        item.wave = self.wave.load(Ordering::Relaxed);
        // nobody listens any more: the run is about to be dropped
        let _ = self.teller.send(item).await;
    }

    /// Remembers the types that a definition brings.
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
        self.types.lock().unwrap_or_else(PoisonError::into_inner).extend(served);
    }

    /// Whether the restore itself brings the type of an object.
    pub(super) fn brings(&self, object: &Value) -> bool {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let wanted = (text("apiVersion"), text("kind"));
        self.types
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&wanted)
    }

    fn is_new_namespace(&self, target: &str) -> bool {
        self.namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target.to_owned())
    }
}

/// What a run would come to after a step that did not end an item: what is waited for, what fails in the end, and what the
/// dry run itself could not find out.
pub(super) fn action_of(hold: &Hold) -> PlannedAction {
    match hold {
        Hold::Error(passing, _) => match passing {
            // tried again for a while, but nothing of this restore makes them pass
            Passing::Quota | Passing::Unserved => PlannedAction::Deny,
            Passing::Webhook
            | Passing::Conversion
            | Passing::Policy
            | Passing::Conflict
            | Passing::NamespaceTerminating
            | Passing::TypeTerminating
            | Passing::QuotaUnknown
            | Passing::Dependency => PlannedAction::Wait,
            Passing::Transport
            | Passing::TooManyRequests
            | Passing::Unavailable
            | Passing::GatewayTimeout
            | Passing::Backend
            | Passing::DryRun => PlannedAction::Unknown,
        },
        Hold::Deletion | Hold::Namespace(_) | Hold::Established | Hold::Behind(_) => PlannedAction::Wait,
    }
}

/// What an item came to, as an action.
pub(super) fn action_in(state: State) -> PlannedAction {
    match state {
        State::Created | State::Pending => PlannedAction::Create,
        State::Updated => PlannedAction::Patch,
        State::Skipped | State::Dropped | State::Provision | State::Differs => PlannedAction::Skip,
        State::Failed | State::Unreadable | State::NoNamespace => PlannedAction::Deny,
    }
}

impl Run<'_> {
    async fn foretell_all(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let summary = self.request.archive.summary();
        if !summary.has_resources {
            warnings.push("the backup has no resources: zero items to be restored".to_owned());
        }
        warnings.extend(self.in_vain.iter().cloned());
        self.warn_of_displaced().await;
        let Some(foresight) = &self.foresight else {
            return warnings;
        };
        for (item, reason) in self.plan.unreadable() {
            let (path, _) = self.request.archive.path(*item);
            let target = path.namespace.map(|namespace| self.restoration.target(namespace));
            let mut planned = self.planned(&path, target);
            planned.action = PlannedAction::Deny;
            planned.reason = format!("error decoding {path}: {reason}");
            foresight.tell(planned).await;
        }
        for wave in self.plan.waves() {
            foresight.wave.fetch_add(1, Ordering::Relaxed);
            self.restore_all(self.plan.items_of(wave)).await;
        }
        let said = self.ledger();
        warnings.extend(said.messages().0.iter().map(|message| message.text.clone()));
        warnings
    }

    /// An item by its names.
    fn planned(&self, path: &ItemPath<'_>, target: Option<&str>) -> PlannedItem {
        let kind = self.lock_kinds().of(path.group_resource);
        let kind = kind.unwrap_or_else(|| path.group_resource.to_owned());
        let (api_version, kind) = kind.rsplit_once('/').unwrap_or(("", &kind));
        PlannedItem {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: target.map(String::from),
            name: path.name.to_owned(),
            source_namespace: path
                .namespace
                .filter(|source| Some(*source) != target)
                .map(String::from),
            ..PlannedItem::default()
        }
    }

    /// Tells what an item would come to, and gives what is to be recorded of it: nothing of a dry run is tried again.
    pub(super) async fn foretell(
        &self,
        foresight: &Foresight<'_>,
        subject: &Subject<'_>,
        came_to: Result<State, Hold>,
        told: &mut Told,
    ) -> Result<State, Hold> {
        let mut item = self.planned(&subject.path, subject.target);
        if let Some((api_version, kind)) = told.note.kind.take().as_deref().and_then(|kind| kind.rsplit_once('/')) {
            (item.api_version, item.kind) = (api_version.to_owned(), kind.to_owned());
        }
        for message in told.messages.drain(..) {
            match message.severity {
                Severity::Error => item.errors.push(message.text),
                Severity::Warning => item.warnings.push(message.text),
            }
        }
        item.reason = std::mem::take(&mut told.why).into_owned();
        let changes = std::mem::take(&mut told.changes);
        (item.changes, item.more_changes) = (changes.listed, changes.more);
        item.action = match &came_to {
            Ok(state) => action_in(*state),
            Err(hold) => action_of(hold),
        };
        if told.is_equal {
            item.action = PlannedAction::Unchanged;
        }
        if let Err(hold) = &came_to {
            item.reason = self.why(hold);
        }
        if came_to == Ok(State::NoNamespace) {
            "its namespace cannot be created".clone_into(&mut item.reason);
        }
        if item.action == PlannedAction::Deny && item.reason.is_empty() {
            // the message with which it fails is the reason, and not said twice
            let reason = item.errors.pop().or_else(|| item.warnings.pop()).unwrap_or_default();
            let known = format!("error restoring {}: ", self.id_of(subject.item()));
            item.reason = reason.strip_prefix(&known).map_or(reason.clone(), String::from);
        }
        if came_to == Ok(State::Differs) && !told.note.told {
            item.warnings.push(differs_warning(&item.kind, &item.name));
        }
        let came_to = match (came_to, item.action) {
            // what fails in the end holds nobody back then
            (Err(_), PlannedAction::Deny) => Ok(State::Failed),
            (Err(_), PlannedAction::Unknown) => Ok(State::Created),
            (came_to, _) => came_to,
        };
        // a namespace was told of when it was first needed
        if subject.path.group_resource != NAMESPACES {
            foresight.tell(item).await;
        }
        came_to
    }

    /// Tells once what becomes of a target namespace.
    pub(super) async fn foretell_namespace(&self, source: &str, target: &str, action: PlannedAction, reason: String) {
        let Some(foresight) = &self.foresight else { return };
        if !foresight.is_new_namespace(target) {
            return;
        }
        let item = PlannedItem {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            name: target.to_owned(),
            source_namespace: Some(source).filter(|source| *source != target).map(String::from),
            action,
            reason,
            ..PlannedItem::default()
        };
        foresight.tell(item).await;
    }

    /// The same by what was found out about it.
    pub(super) async fn foretell_readiness(&self, source: &str, target: &str, readiness: Readiness) {
        let created = self.ledger().has_created_namespace(target);
        let (action, reason) = match readiness {
            Readiness::Ready if created => (PlannedAction::Create, String::new()),
            Readiness::Ready => (PlannedAction::Unchanged, "it exists and is used as it is".to_owned()),
            Readiness::Held(Obstacle::Deletion) => (PlannedAction::Wait, "it is being deleted".to_owned()),
            Readiness::Held(Obstacle::Error(error)) => {
                (PlannedAction::Wait, format!("it cannot be created now: {error}"))
            }
            Readiness::Failed => (PlannedAction::Deny, String::new()),
        };
        self.foretell_namespace(source, target, action, reason).await;
    }

    /// What the creation of an object would come to.
    pub(super) async fn foresee(
        &self,
        foresight: &Foresight<'_>,
        subject: &Subject<'_>,
        world: &World,
        wanted: Wanted,
        told: &mut Told,
    ) -> Result<State, Hold> {
        let comes_with_namespace = subject
            .target
            .is_some_and(|target| self.ledger().has_created_namespace(target));
        if comes_with_namespace {
            told.why = "not asked: its namespace comes with this restore".into();
        } else {
            let name = metadata::field(&wanted.item, "name").unwrap_or(subject.path.name);
            // an error is no answer: the creation will say what is wrong
            if let Ok(Some(live)) = unless_passing(self.calls.get(&wanted.resource, subject.target, name).await)? {
                return self.found(subject, world, wanted, live, told).await;
            }
            if let Some(missing) = self.missing(subject, &wanted.item) {
                told.why = format!("not asked: {missing} comes with this restore").into();
            } else {
                let body = self.body_of(subject, &wanted);
                if let Err(error) = self.calls.create(&wanted.resource, subject.target, body).await {
                    return self.not_created(subject, world, wanted, error, told).await;
                }
            }
        }
        if subject.path.group_resource == CRDS {
            foresight.expect_types(&wanted.item);
        }
        self.warn_of_moved(subject, &wanted, told);
        Ok(State::Created)
    }

    /// What admission looks for and would not find, because this restore has only planned it.
    fn missing(&self, subject: &Subject<'_>, item: &Value) -> Option<ItemId> {
        let resource: GroupResource = subject.path.group_resource.parse().ok()?;
        needs::of(&resource, item, subject.path.namespace)
            .into_iter()
            .find(|needed| {
                let resource = needed.resource.to_string();
                let path = ItemPath {
                    group_resource: &resource,
                    namespace: needed.namespace.as_deref(),
                    name: &needed.name,
                };
                let archived = self.request.archive.find(&path, ItemCopy::Plain);
                archived.is_some_and(|item| self.ledger().state(self.plan.winner(item)) == State::Created)
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_waited_for_what_fails_and_what_cannot_be_told_are_three_things() {
        let error = |passing| Hold::Error(passing, "x".to_owned());
        let table = [
            (error(Passing::Quota), PlannedAction::Deny),
            (error(Passing::Unserved), PlannedAction::Deny),
            (error(Passing::Webhook), PlannedAction::Wait),
            (error(Passing::Conversion), PlannedAction::Wait),
            (error(Passing::Policy), PlannedAction::Wait),
            (error(Passing::QuotaUnknown), PlannedAction::Wait),
            (error(Passing::Dependency), PlannedAction::Wait),
            (error(Passing::TypeTerminating), PlannedAction::Wait),
            (error(Passing::Backend), PlannedAction::Unknown),
            (error(Passing::Conflict), PlannedAction::Wait),
            (error(Passing::NamespaceTerminating), PlannedAction::Wait),
            (error(Passing::Transport), PlannedAction::Unknown),
            (error(Passing::TooManyRequests), PlannedAction::Unknown),
            (error(Passing::Unavailable), PlannedAction::Unknown),
            (error(Passing::GatewayTimeout), PlannedAction::Unknown),
            (error(Passing::DryRun), PlannedAction::Unknown),
            (Hold::Deletion, PlannedAction::Wait),
            (Hold::Namespace(Obstacle::Deletion), PlannedAction::Wait),
        ];
        for (hold, action) in table {
            assert_eq!(action_of(&hold), action, "{hold:?}");
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
    fn a_definition_brings_the_versions_that_it_serves() {
        let (teller, _told) = mpsc::channel(1);
        let foresight = Foresight {
            teller: &teller,
            wave: AtomicU64::new(0),
            types: Mutex::default(),
            namespaces: Mutex::default(),
        };
        foresight.expect_types(&json!({"spec": {
            "group": "example.com", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}],
        }}));
        let widget = |version: &str| json!({"apiVersion": format!("example.com/{version}"), "kind": "Widget"});
        assert!(foresight.brings(&widget("v1")));
        assert!(!foresight.brings(&widget("v1alpha1")) && !foresight.brings(&json!({})));
    }
}
