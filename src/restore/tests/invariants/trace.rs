//! One restore of a generated scene, with all its requests and calls in order.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::generated::{Before, FaultKind, Generated, Item, KINDS};
use crate::cluster::discovery::GroupResource;
use crate::restore::actions::{ActionError, AppliesTo, Input, Output, RestoreItemAction, built_in};
use crate::restore::item_id::ItemId;
use crate::restore::object::metadata;
use crate::restore::priorities::CRDS;
use crate::restore::progress::Progress;
use crate::restore::report::Report;
use crate::restore::tests::scene::{Scene, SentRequest, crd, object};
use crate::testing::fake_api::{FakeApi, FakeKind, Fault, Seen};

/// Longer than every transient fault of a scene, shorter than the timeouts of waiting items.
const ENOUGH: Duration = Duration::from_mins(9);

/// The test's own actions, which run before and after the built-in ones, and the annotations that they write.
pub(super) const ACTIONS: [&str; 3] = ["first", "second", "third"];
pub(super) const SEEN_BY: &str = "seen-by";

/// An item of the archive, and its expected result.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) item: Item,
    pub(super) target: Option<&'static str>,
    /// `configmaps/a/n0` by its target.
    pub(super) key: String,
    /// It is selected and not displaced.
    pub(super) wanted: bool,
    /// A transient fault delays it, or an item that it needs, beyond its wave.
    pub(super) has_fault: bool,
    /// Others ask for it, so that it may come before its wave.
    pub(super) asked_for: bool,
}

/// One call of an action.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) key: String,
    pub(super) action: &'static str,
    pub(super) begin: usize,
    pub(super) end: usize,
}

/// A restore that has ended.
pub(super) struct Trace {
    pub(super) generated: Generated,
    pub(super) facts: Vec<Fact>,
    /// Which wanted item needs which other, by number, including items that displace another.
    pub(super) needs: Vec<(usize, usize)>,
    pub(super) sent_requests: Vec<SentRequest>,
    pub(super) calls: Vec<Call>,
    pub(super) progress: Vec<Progress>,
    /// When, by the logical clock, the leaving namespace was gone.
    pub(super) gone: Option<usize>,
    /// Nothing if it did not end in time.
    pub(super) report: Option<Report>,
    pub(super) api: FakeApi,
}

/// Writes its name on every item; the second action asks for additional items.
struct Marks {
    name: &'static str,
    asks: Vec<(ItemId, ItemId)>,
    serial: Arc<AtomicUsize>,
    calls: Arc<Mutex<Vec<Call>>>,
    delay: Generated,
}

impl RestoreItemAction for Marks {
    fn name(&self) -> &'static str {
        self.name
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::default()
    }

    fn execute<'a>(&'a self, item: &'a mut Value, input: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        async move {
            let begin = self.serial.fetch_add(1, Ordering::SeqCst);
            let text = |key| input.original.get(key).and_then(Value::as_str).unwrap_or_default();
            let kind = KINDS
                .iter()
                .find(|kind| kind.kind == text("kind") && kind.api_version == text("apiVersion"))
                .unwrap();
            let id = id_of(
                kind.resource,
                metadata::field(input.original, "namespace"),
                metadata::field(input.original, "name").unwrap_or_default(),
            );
            tokio::time::sleep(Duration::from_millis(
                self.delay.delay(&format!("{}{id}", self.name)) / 8,
            ))
            .await;
            let before = item["metadata"]["annotations"][SEEN_BY].as_str().unwrap_or_default();
            let mark = format!("{before} {}", self.name);
            item["metadata"]["annotations"][SEEN_BY] = json!(mark.trim());
            let key = key_of(
                kind.resource,
                id.namespace.as_deref().map(|source| input.restore.target(source)),
                &id.name,
            );
            self.calls.lock().unwrap().push(Call {
                key,
                action: self.name,
                begin,
                end: self.serial.fetch_add(1, Ordering::SeqCst),
            });
            let asks = self.asks.iter().filter(|(one, _)| *one == id);
            Ok(Output::after(asks.map(|(_, other)| other.clone()).collect()))
        }
        .boxed()
    }
}

fn id_of(resource: &str, namespace: Option<&str>, name: &str) -> ItemId {
    let resource: GroupResource = resource.parse().unwrap();
    match namespace {
        Some(namespace) => ItemId::namespaced(resource, namespace, name),
        None => ItemId::cluster(resource, name),
    }
}

pub(super) fn key_of(resource: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{resource}/{namespace}/{name}"),
        None => format!("{resource}/{name}"),
    }
}

/// The object that a request is about, in the form of [`key_of`]; nothing for discovery.
pub(super) fn object_of(path: &str, name: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, named) = match rest {
        [plural] => (*plural, name),
        [plural, named, ..] => (*plural, *named),
        [] => return None,
    };
    Some(key_of(&GroupResource::new(group, plural).to_string(), namespace, named))
}

/// The reads that are allowed before the wave of an object: endpoints read their service, a volume reads its claim and, before its
/// actions, itself, and an object reads another one that it needs.
const LOOKED_AT: [&str; 4] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "serviceaccounts",
    "services",
];

/// Whether a request about an item may be such a read, which changes nothing.
pub(super) fn is_look(fact: &Fact, sent: &SentRequest) -> bool {
    LOOKED_AT.contains(&fact.item.resource()) && sent.what.starts_with("GET ")
}

impl Trace {
    /// Restores a scene.
    pub(super) fn of(generated: &Generated) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(Self::run(generated))
    }

    async fn run(generated: &Generated) -> Self {
        let (facts, needs) = facts(generated);
        let objects: Vec<_> = facts
            .iter()
            .map(|fact| (fact.item.resource(), fact.item.object()))
            .collect();
        let mut scene = Scene::of(&objects);
        let mut spec = json!({
            "namespaceMapping": generated.mapping(), "includeClusterResources": true,
            "existingResourcePolicy": if generated.update { "update" } else { "none" },
        });
        if let Some(excluded) = generated.excluded() {
            spec["excludedNamespaces"] = json!([excluded]);
        }
        scene = scene.with_spec(spec);
        scene.options.max_requests = generated.requests;
        if let Some(order) = generated.priorities() {
            scene.options.priorities = order.parse().unwrap();
        }
        let delays = generated.clone();
        scene = scene.delayed_each(move |method, path, name| {
            Duration::from_millis(delays.delay(&format!("{method}{path}{name}")))
        });
        let calls = Arc::default();
        let ids: Vec<ItemId> = facts
            .iter()
            .map(|fact| id_of(fact.item.resource(), fact.item.source(), &fact.item.name()))
            .collect();
        let marks = |name| -> Arc<dyn RestoreItemAction> {
            Arc::new(Marks {
                name,
                asks: generated
                    .asked()
                    .into_iter()
                    .filter(|_| name == ACTIONS[1])
                    .map(|(one, other)| (ids[one].clone(), ids[other].clone()))
                    .collect(),
                serial: Arc::clone(&scene.serial),
                calls: Arc::clone(&calls),
                delay: generated.clone(),
            })
        };
        scene.actions = [marks(ACTIONS[0]), marks(ACTIONS[1])]
            .into_iter()
            .chain(built_in())
            .chain([marks(ACTIONS[2])])
            .collect();
        furnish(generated, &facts, &scene);
        let others = async {
            let (gone, (), ()) = tokio::join!(
                leave(generated, &scene),
                serve(generated, &facts, &scene),
                vanish(&facts, &scene)
            );
            gone
        };
        let restore = tokio::time::timeout(ENOUGH, scene.run());
        let (gone, report) = tokio::join!(others, restore);
        let sent_requests = scene.sent_requests.lock().unwrap().clone();
        let calls = calls.lock().unwrap().clone();
        let progress = scene.progress.lock().unwrap().clone();
        Self {
            generated: generated.clone(),
            facts,
            needs,
            sent_requests,
            calls,
            progress,
            gone,
            report: report.ok(),
            api: scene.api.clone(),
        }
    }

    /// The requests about an object, in the order of their answers.
    pub(super) fn of_key<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a SentRequest> {
        self.sent_requests
            .iter()
            .filter(move |sent| key_of_sent(sent).as_deref() == Some(key))
    }

    /// When the first request about an item began, without reads for other items.
    pub(super) fn touched(&self, fact: &Fact) -> Option<usize> {
        let own = self.of_key(&fact.key).filter(|sent| !is_look(fact, sent));
        own.map(|sent| sent.begin).min()
    }

    /// The requests of an item's own work, without reads for other items: of the reads only the one that follows a refused write counts, and
    /// the first one of a volume.
    pub(super) fn own<'a>(&'a self, fact: &'a Fact) -> impl Iterator<Item = &'a SentRequest> {
        let mut about_it: Vec<_> = self.of_key(&fact.key).collect();
        about_it.sort_by_key(|sent| sent.begin);
        let mut reads = fact.item.resource() == "persistentvolumes";
        about_it.into_iter().filter(move |sent| {
            let counts = reads || !is_look(fact, sent);
            reads = !is_look(fact, sent) && sent.code >= 400;
            counts
        })
    }

    /// When the last request of an item's own work was answered.
    pub(super) fn settled(&self, fact: &Fact) -> Option<usize> {
        self.own(fact).map(|sent| sent.end).max()
    }

    /// Whether an item can be reached from another over their additional items.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        reaches(&self.needs, from, to)
    }

    /// The object of an item as it is in the cluster now.
    pub(super) fn live(&self, fact: &Fact) -> Option<Value> {
        let kind = fact.item.kind();
        self.api
            .get(kind.api_version, kind.kind, fact.target, &fact.item.name())
    }
}

pub(super) fn key_of_sent(sent: &SentRequest) -> Option<String> {
    let (_, path) = sent.what.split_once(' ')?;
    object_of(path, &sent.name)
}

fn reaches(needs: &[(usize, usize)], from: usize, to: usize) -> bool {
    let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
    while let Some(at) = stack.pop() {
        for (_, next) in needs.iter().filter(|(one, _)| *one == at) {
            if *next == to {
                return true;
            }
            if seen.insert(*next) {
                stack.push(*next);
            }
        }
    }
    false
}

fn facts(generated: &Generated) -> (Vec<Fact>, Vec<(usize, usize)>) {
    let (items, mapping) = (generated.items(), generated.mapping());
    let mapped = |source: &'static str| mapping.get(source).copied().unwrap_or(source);
    let mut facts: Vec<Fact> = items
        .iter()
        .map(|item| {
            let target = item.source().map(mapped);
            let own = item.name();
            let name = match item.resource() {
                "namespaces" => mapped(
                    super::generated::NAMESPACES
                        .into_iter()
                        .find(|name| *name == own)
                        .unwrap(),
                ),
                _ => own.as_str(),
            };
            let left_out = generated.excluded();
            let excluded = left_out.is_some()
                && (item.source() == left_out || item.resource() == "namespaces" && left_out == Some(own.as_str()));
            Fact {
                item: *item,
                target,
                key: key_of(item.resource(), target, name),
                wanted: !excluded,
                has_fault: false,
                asked_for: false,
            }
        })
        .collect();
    // of items with one target, the one of the first namespace by name is wanted
    let winners: Vec<usize> = (0..facts.len())
        .map(|number| {
            let same = |other: &usize| facts[*other].wanted && facts[*other].key == facts[number].key;
            let winner = (0..facts.len())
                .filter(same)
                .min_by_key(|other| facts[*other].item.source());
            if facts[number].item.resource() == "namespaces" {
                number
            } else {
                winner.unwrap_or(number)
            }
        })
        .collect();
    let needs: Vec<(usize, usize)> = generated
        .needs()
        .into_iter()
        .filter(|(one, other)| facts[*one].wanted && winners[*one] == *one && facts[*other].wanted)
        .map(|(one, other)| (one, winners[other]))
        .collect();
    for number in 0..facts.len() {
        facts[number].wanted &= winners[number] == number;
        facts[number].asked_for = needs.iter().any(|(_, other)| *other == number);
    }
    let own_fault: Vec<bool> = (0..facts.len())
        .map(|number| has_own_fault(generated, &facts, number))
        .collect();
    for number in 0..facts.len() {
        facts[number].has_fault =
            own_fault[number] || (0..facts.len()).any(|other| own_fault[other] && reaches(&needs, number, other));
    }
    (facts, needs)
}

/// Whether an item itself has a transient fault.
fn has_own_fault(generated: &Generated, facts: &[Fact], number: usize) -> bool {
    let fact = &facts[number];
    let holds = |key: &str| {
        generated.faults().iter().any(|(other, fault_kind, _)| {
            facts[*other].key == key && !matches!(fault_kind, FaultKind::TooMany | FaultKind::Invalid)
        })
    };
    let namespace = fact.target.or_else(|| fact.key.strip_prefix("namespaces/"));
    let crd = key_of(CRDS, None, fact.item.resource());
    holds(&fact.key)
        || matches!(fact.item.before(), Before::Leaving(_))
        || namespace.is_some_and(|name| holds(&key_of("namespaces", None, name)))
        || namespace.is_some() && namespace == generated.leaving().map(|(name, _)| name)
        || holds(&crd)
        || generated.unserved.is_some() && is_custom(&fact.item) && !facts.iter().any(|fact| fact.key == crd)
}

/// Whether a cluster does not serve an item's type by itself.
fn is_custom(item: &Item) -> bool {
    ["example.com", "cluster.x-k8s.io", "carvel.dev"]
        .iter()
        .any(|group| item.resource().ends_with(group))
}

/// The objects in the cluster before the restore.
fn furnish(generated: &Generated, facts: &[Fact], scene: &Scene) {
    let old = |mut object: Value| {
        object["metadata"]["creationTimestamp"] = json!("2029-01-01T00:00:00Z");
        object
    };
    // API services with their own servers, so that items wait for their types
    for group in ["example.com", "cluster.x-k8s.io", "packaging.carvel.dev"] {
        let mut service = old(object(
            "apiregistration.k8s.io/v1",
            "APIService",
            "",
            &format!("v1.{group}"),
        ));
        service["spec"] = json!({"group": group, "version": "v1", "service": {"namespace": "default", "name": "x"}});
        scene.api.insert(service);
    }
    if let Some((name, _)) = generated.leaving() {
        let mut namespace = old(object("v1", "Namespace", "", name));
        namespace["status"] = json!({"phase": "Terminating"});
        namespace["metadata"]["deletionTimestamp"] = json!("2029-12-31T00:00:00Z");
        scene.api.insert(namespace);
    }
    for fact in facts
        .iter()
        .filter(|fact| fact.wanted && fact.item.before() != Before::Absent)
    {
        if let Some(target) = fact.target
            && scene.api.get("v1", "Namespace", None, target).is_none()
        {
            scene.api.insert(old(object("v1", "Namespace", "", target)));
        }
        let mut there = old(fact.item.object());
        if let Some(target) = fact.target {
            there["metadata"]["namespace"] = json!(target);
        }
        there["metadata"]["annotations"][SEEN_BY] = json!(ACTIONS.join(" "));
        match fact.item.before() {
            Before::Different => there["metadata"]["annotations"]["from"] = json!("elsewhere"),
            Before::Leaving(_) => {
                there["metadata"]["deletionTimestamp"] = json!("2029-12-31T00:00:00Z");
                there["metadata"]["finalizers"] = json!(["example.com/wait"]);
            }
            Before::Equal | Before::Absent => {}
        }
        scene.api.insert(there);
    }
    for (number, fault_kind, times) in generated.faults() {
        scene
            .api
            .fault(fault(fault_kind, usize::from(times), facts[number].key.clone()));
    }
}

fn fault(fault_kind: FaultKind, times: usize, key: String) -> Fault {
    let hits = move |seen: &Seen| {
        let name = serde_json::from_slice::<Value>(&seen.body).unwrap_or_default();
        let name = name["metadata"]["name"].as_str().unwrap_or_default();
        seen.method == "POST" && object_of(&seen.path, name).as_ref() == Some(&key)
    };
    match fault_kind {
        FaultKind::TooMany => Fault::new(times, 429, "TooManyRequests", hits).retry_after(2),
        FaultKind::Unavailable => Fault::new(times, 503, "ServiceUnavailable", hits),
        FaultKind::TimedOut => Fault::new(times, 504, "Timeout", hits),
        FaultKind::Lost => {
            let mut lost = Fault::new(1, 504, "Timeout", hits);
            lost.applied = true;
            lost
        }
        FaultKind::Conflict => Fault::new(times, 409, "Conflict", hits),
        FaultKind::Webhook => Fault::new(times, 500, "InternalError", hits).message("failed calling webhook \"w\""),
        FaultKind::Quota => Fault::new(times, 403, "Forbidden", hits).message("exceeded quota: q"),
        FaultKind::Invalid => Fault::new(1, 422, "Invalid", hits).message("it is invalid"),
    }
}

/// Deletes the namespace that is being deleted.
async fn leave(generated: &Generated, scene: &Scene) -> Option<usize> {
    let (name, seconds) = generated.leaving()?;
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    for kind in KINDS.iter().filter(|kind| kind.namespaced) {
        for there in scene.api.all(kind.api_version, kind.kind) {
            if metadata::field(&there, "namespace") == Some(name) {
                let named = metadata::field(&there, "name").unwrap();
                scene.api.remove(kind.api_version, kind.kind, Some(name), named);
            }
        }
    }
    scene.api.remove("v1", "Namespace", None, name);
    Some(scene.serial.fetch_add(1, Ordering::SeqCst))
}

/// Types that no CRD of the archive brings are served from the beginning, or later.
async fn serve(generated: &Generated, facts: &[Fact], scene: &Scene) {
    if let Some(seconds) = generated.unserved {
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
    let archived = |name: &str| facts.iter().any(|fact| fact.key == key_of(CRDS, None, name));
    for (plural, kind) in [("widgets", "Widget"), ("gadgets", "Gadget")] {
        if !archived(&format!("{plural}.example.com")) {
            scene.api.insert(crd(plural, kind).1);
        }
    }
    for (api_version, plural, kind) in [
        ("cluster.x-k8s.io/v1", "clusters", "Cluster"),
        ("packaging.carvel.dev/v1", "packageinstalls", "PackageInstall"),
    ] {
        scene.api.serve(FakeKind::new(api_version, plural, kind, true));
    }
}

/// Deletes the objects that are being deleted.
async fn vanish(facts: &[Fact], scene: &Scene) {
    let start = Instant::now();
    let mut leaving: Vec<(u8, &Fact)> = facts
        .iter()
        .filter(|fact| fact.wanted)
        .filter_map(|fact| match fact.item.before() {
            Before::Leaving(seconds) => Some((seconds, fact)),
            _ => None,
        })
        .collect();
    leaving.sort_by_key(|(seconds, _)| *seconds);
    for (seconds, fact) in leaving {
        tokio::time::sleep_until(start + Duration::from_secs(seconds.into())).await;
        let kind = fact.item.kind();
        let there = scene
            .api
            .get(kind.api_version, kind.kind, fact.target, &fact.item.name());
        if there.is_some_and(|there| metadata::is_deleting(&there)) {
            scene
                .api
                .remove(kind.api_version, kind.kind, fact.target, &fact.item.name());
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(usize, String)> = self
            .sent_requests
            .iter()
            .map(|sent| {
                let SentRequest {
                    what,
                    name,
                    begin,
                    end,
                    code,
                    ..
                } = sent;
                (*begin, format!("  {begin}..{end} {what} {name} -> {code}"))
            })
            .collect();
        lines.extend(self.calls.iter().map(|call| {
            let Call {
                key,
                action,
                begin,
                end,
            } = call;
            (*begin, format!("  {begin}..{end} action {action} of {key}"))
        }));
        lines.sort();
        for (_, line) in lines {
            writeln!(f, "{line}")?;
        }
        match &self.report {
            Some(report) => writeln!(f, "  {:?}\n  {:?}", report.results, report.resources),
            None => writeln!(f, "  it did not end"),
        }
    }
}
