//! One run of a restore: plan, waves, what is parked, report.
//!
//! What happens if the process dies: every effect of a run can be repeated. Items are recorded in the ledger when they are
//! done; one that was done and not recorded is tried again, finds an object with our label that is not older than the
//! restore, and takes it for its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::actions::{ActionError, Actions, Restoration, RestoreItemAction};
use super::calls::Calls;
use super::flights::Flights;
use super::foresight::Foresight;
use super::ledger::{Ledger, LedgerSink, Message, Note, Severity, SinkError, State};
use super::missing::Contents;
use super::names::Names;
use super::namespaces::{Namespaces, Obstacle};
use super::object::existing::Policy;
use super::object::metadata::Origin;
use super::parked::{Hold, Parked, Patience};
use super::plan::{Part, Plan, Planning, Wave};
use super::progress::{Blocked, OnProgress, Progress, Standstill};
use super::report::{Kinds, Report};
use super::request::{Request, unsupported};
use super::retry::Passing;
use crate::api::GoDuration;
use crate::archive::spool::ItemRef;
use crate::cluster::Cluster;
use crate::cluster::discovery::{Discovery, DiscoveryError, GroupResource};
use crate::cluster::objects::WriteOptions;
use crate::select::includes::IncludesExcludes;
use crate::select::labels::SelectorError;
use crate::select::namespaces::NamespaceFilter;
use crate::select::restore::{RestoreFilter, RestoreLists};
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// Items worked on at once. More than requests at once, because some wait for others.
const WORKERS: usize = 128;

/// JSON of items worked on at once, in KiB. As values it takes several times that.
const IN_HAND_KIB: u32 = 24 << 10;

/// The ledger is kept at most so often.
const FLUSH: Duration = Duration::from_secs(1);

/// New types are waited for so long after their CRDs were accepted: discovery follows with a delay.
const DISCOVERY_LAG: Duration = Duration::from_secs(10);

/// What is over sooner is no standstill.
const STANDSTILL: Duration = Duration::from_secs(3);

/// How many parked items are shown to those who look on.
const SHOWN: usize = 10;

/// What a run needs from outside.
pub struct Deps<'a> {
    /// The cluster to restore into. Its client has no retry layer: 429 is the engine's own business (decision 9).
    pub cluster: Cluster,
    /// The restore item actions, in order: the built-in ones and those of plugins.
    pub actions: Vec<Arc<dyn RestoreItemAction>>,
    /// The restore's log.
    pub log: RunLog,
    /// Where the ledger is kept.
    pub sink: &'a dyn LedgerSink,
}

/// Why a run ended without a report. What it did until then is in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The spec asks for what this release cannot do. Nothing was restored.
    #[error("the restore asks for what this release cannot do: {}", .0.join("; "))]
    Unsupported(Vec<String>),
    /// The spec names what the backup does not have, so that something else than was meant would be restored. Nothing was
    /// restored.
    #[error("the restore is refused: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// A label selector cannot be read. Nothing was restored.
    #[error("read the label selectors of the restore: {0}")]
    Selector(#[from] SelectorError),
    /// An action did not say what it applies to. Nothing was restored.
    #[error("prepare the restore item actions: {0}")]
    Actions(#[from] ActionError),
    /// The API server did not tell what it serves. Nothing was restored; may be tried again.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The first record of the run could not be kept. Nothing was restored; may be tried again.
    #[error(transparent)]
    Unkept(SinkError),
    /// It was cancelled; it can be resumed with the ledger.
    #[error("the restore was interrupted")]
    Cancelled,
}

/// What the cluster serves, and what that means for the actions. Replaced as a whole when discovery is read again.
pub(super) struct World {
    pub(super) discovery: Discovery,
    pub(super) actions: Actions,
}

/// By version and type.
type Prospects = HashMap<String, Option<String>>;

/// A run on its way.
pub(super) struct Run<'a> {
    pub(super) request: &'a Request,
    pub(super) deps: &'a Deps<'a>,
    pub(super) restoration: Restoration,
    /// The same for objects in the cluster, whose namespaces are targets already.
    pub(super) unmapped: Restoration,
    pub(super) origin: Origin,
    pub(super) policy: Policy,
    /// When the restore started, as the API server writes times.
    pub(super) started: String,
    pub(super) plan: Plan,
    pub(super) filter: RestoreFilter,
    pub(super) restored_status: Option<IncludesExcludes>,
    /// What the spec names in vain.
    pub(super) in_vain: Vec<String>,
    pub(super) calls: Calls,
    pub(super) flights: Flights<ItemRef>,
    pub(super) namespaces: Namespaces,
    /// Whether the last object that was asked about was in the cluster already.
    pub(super) asks_first: AtomicBool,
    /// There in a dry run: all goes the same way, only that nothing is written, waited for or tried again.
    pub(super) foresight: Option<Foresight<'a>>,
    world: RwLock<Arc<World>>,
    ledger: Mutex<Ledger>,
    parked: Mutex<Parked>,
    kinds: Mutex<Kinds<'a>>,
    /// Types that are not served: nothing where one may come, else the reason that its items fail with. Forgotten when discovery is
    /// read again.
    prospects: Mutex<Prospects>,
    /// Types of CRDs that this run has brought.
    new_types: Mutex<Vec<GroupResource>>,
    tally: Mutex<Tally>,
    in_hand: Semaphore,
    /// Held by whoever keeps the ledger, across the write: a later one must not be overtaken by an earlier one. Who waits for
    /// it mostly finds that its own change was kept with another's.
    keeping: tokio::sync::Mutex<()>,
    on_progress: &'a OnProgress<'a>,
}

/// What the progress is made from, beside the ledger.
#[derive(Debug, Default)]
struct Tally {
    /// Planned items that are not done.
    left: u64,
    /// The ledger changed since it was kept last.
    unkept: bool,
    parked: usize,
    blocked: Vec<Blocked>,
    /// Since when only parked items are left.
    draining: Option<Instant>,
    standstill: Option<Standstill>,
}

/// What an item came to, for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was processed; says whether its object is in the cluster now.
    Done { exists: bool },
    /// It is parked.
    Parked,
    /// It is being processed by somebody who waits for the one who asks.
    Cycle,
}

/// Restores what the request asks for. Can be cancelled, by the token or by dropping, and resumed with the ledger; a
/// second run over the same archive does no harm.
///
/// Errors of single items are in the report; an `Err` means that the run as a whole could not begin or was interrupted.
pub async fn run(
    request: &Request,
    deps: &Deps<'_>,
    ledger: Ledger,
    on_progress: &OnProgress<'_>,
    cancel: &CancellationToken,
) -> Result<Report, Fatal> {
    let fields = unsupported(&request.spec);
    if !fields.is_empty() {
        return Err(Fatal::Unsupported(fields));
    }
    let discovery = Discovery::read(deps.cluster()).await?;
    let run = Run::new(request, deps, discovery, ledger, on_progress, None)?;
    run.begin().await?;
    let ended = tokio::select! {
        () = cancel.cancelled() => Err(Fatal::Cancelled),
        result = run.go() => Ok(result),
        () = run.keep_flushing() => Err(Fatal::Cancelled),
    };
    run.flush().await;
    ended?;
    Ok(run.report())
}

impl Deps<'_> {
    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

impl<'a> Run<'a> {
    #[expect(clippy::result_large_err, reason = "made once a restore")]
    pub(super) fn new(
        request: &'a Request,
        deps: &'a Deps<'a>,
        discovery: Discovery,
        ledger: Ledger,
        on_progress: &'a OnProgress<'a>,
        foresight: Option<Foresight<'a>>,
    ) -> Result<Self, Fatal> {
        let spec = &request.spec;
        let selectors = request.selectors()?;
        let restoration = request.restoration();
        let names = Names::new(&discovery, &request.archive);
        let resolve = |name: &str| names.resolve(name);
        let by_labels = !selectors.is_empty();
        let lists = RestoreLists {
            included_resources: &spec.included_resources,
            excluded_resources: &spec.excluded_resources,
            included_namespaces: &spec.included_namespaces,
            excluded_namespaces: &spec.excluded_namespaces,
            include_cluster: spec.include_cluster_resources,
            selectors,
        };
        let filter = RestoreFilter::new(lists, &resolve);
        let contents = Contents::of(&request.archive);
        let unknown = contents.unknown_sources(&spec.namespace_mapping);
        // A run that has begun is not refused any more, whatever the release that began it let pass.
        if !unknown.is_empty() && !ledger.is_resumed() {
            return Err(Fatal::Refused(unknown));
        }
        let mut in_vain = contents.warnings(spec, &resolve);
        let plan = Plan::new(Planning {
            archive: &request.archive,
            filter: &filter,
            namespaces: &NamespaceFilter::new(&spec.included_namespaces, &spec.excluded_namespaces),
            by_labels,
            priorities: &request.options.priorities,
            restore: &restoration,
            names: &names,
        });
        if plan.in_order().is_empty()
            && plan.unreadable().is_empty()
            && in_vain.is_empty()
            && request.archive.summary().has_resources
        {
            in_vain
                .push("the filters of the restore select nothing of the backup: zero items to be restored".to_owned());
        }
        let restored_status = spec.restore_status.as_ref().map(|status| {
            IncludesExcludes::of_resources(&status.included_resources, &status.excluded_resources, &resolve)
        });
        let actions = Actions::resolve(&deps.actions, &resolve)?;
        let left = plan
            .in_order()
            .iter()
            .filter(|item| ledger.state(**item) == State::Pending)
            .count() as u64;
        Ok(Self {
            request,
            deps,
            unmapped: Restoration {
                namespace_mapping: BTreeMap::new(),
                ..restoration.clone()
            },
            origin: Origin::new(&restoration.backup, &restoration.name),
            policy: Policy::of(&spec.existing_resource_policy),
            started: request.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            restoration,
            plan,
            filter,
            restored_status,
            in_vain,
            calls: Calls::new(
                deps.cluster.clone(),
                request.options.max_requests,
                WriteOptions {
                    dry_run: foresight.is_some(),
                },
            ),
            flights: Flights::default(),
            namespaces: Namespaces::default(),
            asks_first: AtomicBool::new(false),
            foresight,
            world: RwLock::new(Arc::new(World { discovery, actions })),
            ledger: Mutex::new(ledger),
            parked: Mutex::default(),
            kinds: Mutex::new(Kinds::new(&request.archive)),
            prospects: Mutex::default(),
            new_types: Mutex::default(),
            tally: Mutex::new(Tally {
                left,
                ..Tally::default()
            }),
            in_hand: Semaphore::new(IN_HAND_KIB as usize),
            keeping: tokio::sync::Mutex::default(),
            on_progress,
        })
    }

    async fn go(&self) {
        let log = &self.deps.log;
        let resumed = self.ledger().is_resumed();
        log.info(format!(
            "{} restore of backup {}/{}",
            if resumed { "Resuming" } else { "Starting" },
            self.request.namespace,
            self.restoration.backup
        ));
        self.tell_progress();
        for wave in self.plan.waves() {
            self.announce(wave);
            self.restore_all(self.plan.items_of(wave)).await;
            self.meet_new_types().await;
            self.retry_due().await;
        }
        self.drain().await;
        // whoever looks on is not to see a standstill that is over
        self.tally().standstill = None;
    }

    /// Once in the life of a restore: says what is odd, and keeps the ledger before the first effect. Whoever finds it there knows
    /// that what carries our label may be ours.
    async fn begin(&self) -> Result<(), Fatal> {
        if self.ledger().is_resumed() {
            return Ok(());
        }
        self.say_what_is_odd();
        self.warn_of_displaced().await;
        self.tally().unkept = false;
        let record = self.ledger().encode();
        let record = record.map_err(|error| Fatal::Unkept(SinkError(error.to_string())))?;
        self.deps.sink.keep(record).await.map_err(Fatal::Unkept)
    }

    /// What is to be said before the first item.
    fn say_what_is_odd(&self) {
        let summary = self.request.archive.summary();
        if !summary.has_resources {
            self.say(
                None,
                Severity::Warning,
                "the backup has no resources: zero items to be restored".to_owned(),
            );
        }
        for warning in &self.in_vain {
            self.say(None, Severity::Warning, warning.clone());
        }
        for warning in &summary.warnings.messages {
            self.deps.log.info(warning);
        }
        for (item, reason) in self.plan.unreadable() {
            let (path, _) = self.request.archive.path(*item);
            let target = path.namespace.map(|namespace| self.restoration.target(namespace));
            let text = format!("error decoding {path}: {reason}");
            let message = message(Severity::Error, Some(target.unwrap_or_default()), text);
            self.ledger()
                .record(*item, State::Unreadable, vec![message], Note::default());
        }
    }

    fn announce(&self, wave: &Wave) {
        let what = match wave.part {
            Part::Whole => "",
            Part::FixedNodePorts => ", those with node ports of their own",
            Part::OtherServices => ", the others",
        };
        let count = self.plan.items_of(wave).len();
        self.deps
            .log
            .info(format!("Restoring {count} items of resource '{}'{what}", wave.resource));
    }

    /// Restores these items, as many at once as can be.
    pub(super) async fn restore_all(&self, items: &[ItemRef]) {
        let each = |item: &ItemRef| {
            let item = *item;
            async move {
                let kib = u32::try_from(self.request.archive.size(item) >> 10)
                    .unwrap_or(u32::MAX)
                    .saturating_add(1);
                // items that others ask for ride along with these: they must not wait for room that their requester takes
                let _room = self.in_hand.acquire_many(kib.min(IN_HAND_KIB)).await;
                self.restore(item, None).await
            }
        };
        stream::iter(items)
            .map(each)
            .buffer_unordered(WORKERS)
            .for_each(|_| async {})
            .await;
    }

    /// Restores what was parked and whose time has come, in the order of the plan.
    async fn retry_due(&self) {
        let due = self.parked().take_due(Instant::now());
        let archive = &self.request.archive;
        let order: HashMap<String, usize> = self
            .plan
            .waves()
            .iter()
            .enumerate()
            .map(|(at, wave)| (wave.resource.to_string(), at))
            .collect();
        let rank = |item: &ItemRef| {
            order
                .get(archive.path(*item).0.group_resource)
                .copied()
                .unwrap_or(usize::MAX)
        };
        let mut due: Vec<(usize, ItemRef)> = due.into_iter().map(|item| (rank(&item), item)).collect();
        due.sort_unstable();
        for same in due.chunk_by(|one, other| one.0 == other.0) {
            let items: Vec<ItemRef> = same.iter().map(|(_, item)| *item).collect();
            self.restore_all(&items).await;
            self.meet_new_types().await;
        }
    }

    /// After the last wave: tries what is parked until nothing is, or until it has waited long enough.
    async fn drain(&self) {
        let (end, patience) = (Instant::now(), self.patience());
        self.tally().draining = Some(end);
        while !self.parked().is_empty() {
            let next = self.parked().next(Instant::now(), end, patience);
            let Some(next) = next else {
                // behind each other and behind nothing else: cannot be, but must not hold the restore for ever
                let rest = self.parked().some(usize::MAX);
                self.give_up(rest);
                return;
            };
            sleep_until(next).await;
            if self.parked().any_unserved() {
                self.read_discovery().await;
            }
            self.retry_due().await;
            let expired = self.parked().take_expired(Instant::now(), end, patience);
            self.give_up(expired);
        }
    }

    fn patience(&self) -> Patience {
        Patience {
            errors: self.request.options.resource_timeout,
            deletions: self.request.options.terminating_timeout,
        }
    }

    /// Reports items whose reason to wait did not pass.
    fn give_up(&self, items: Vec<(ItemRef, Hold)>) {
        let mut waiting_for_namespace: BTreeMap<&str, (u64, Obstacle)> = BTreeMap::new();
        for (item, hold) in items {
            let (path, _) = self.request.archive.path(item);
            let target = path.namespace.map(|namespace| self.restoration.target(namespace));
            let id = self.id_of(item);
            let (state, text) = match hold {
                Hold::Error(_, error) => (State::Failed, format!("error restoring {id}: {error}")),
                Hold::Deletion => (
                    State::Failed,
                    format!("error restoring {id}: it exists and is being deleted; check what its finalizers wait for"),
                ),
                Hold::Established => (
                    State::Created,
                    format!("{id} was created, but the API server has not accepted it; check its conditions"),
                ),
                Hold::Behind(other) => (
                    State::Failed,
                    format!(
                        "error restoring {id}: it waits for {}, which was not restored",
                        self.id_of(other)
                    ),
                ),
                Hold::Namespace(obstacle) => {
                    let name = target.unwrap_or_else(|| self.restoration.target(path.name));
                    waiting_for_namespace.entry(name).or_insert((0, obstacle)).0 += 1;
                    self.done(item, State::NoNamespace, Vec::new(), Note::default());
                    continue;
                }
            };
            let messages = vec![message(Severity::Error, Some(target.unwrap_or_default()), text)];
            self.done(item, state, messages, self.note_of_type(path.group_resource));
        }
        for (namespace, (count, obstacle)) in waiting_for_namespace {
            let text = match obstacle {
                Obstacle::Deletion => format!(
                    "namespace {namespace} is being deleted and was not gone in time: {count} items were not restored; check \
                     what its finalizers wait for"
                ),
                Obstacle::Error(error) => {
                    format!(
                        "namespace {namespace} could not be created in time: {count} items were not restored: {error}"
                    )
                }
            };
            self.say(None, Severity::Error, text);
        }
    }

    /// A type whose first item is unreadable has no name for those that nobody looked at.
    fn note_of_type(&self, group_resource: &str) -> Note {
        match self.lock_kinds().of(group_resource) {
            Some(_) => Note::default(),
            None => Note {
                kind: Some(format!("unknown/{group_resource}")),
                ..Note::default()
            },
        }
    }

    /// The names of an item in messages.
    pub(super) fn id_of(&self, item: ItemRef) -> String {
        let (path, _) = self.request.archive.path(item);
        match path.namespace.map(|namespace| self.restoration.target(namespace)) {
            Some(namespace) => format!("{}/{namespace}/{}", path.group_resource, path.name),
            None => format!("{}/{}", path.group_resource, path.name),
        }
    }

    /// A CRD was accepted: its type will be served in a moment.
    pub(super) fn expect_type(&self, resource: GroupResource) {
        self.new_types
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(resource);
    }

    /// If CRDs were accepted since the last time, reads discovery until it knows their types.
    async fn meet_new_types(&self) {
        let expected = std::mem::take(&mut *self.new_types.lock().unwrap_or_else(PoisonError::into_inner));
        if expected.is_empty() {
            return;
        }
        let (start, mut pause) = (Instant::now(), Duration::from_millis(25));
        while self.read_discovery().await {
            let world = self.world();
            let is_served = |resource: &GroupResource| world.discovery.preferred_version(resource).is_some();
            if expected.iter().all(is_served) || start.elapsed() > DISCOVERY_LAG {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Reads discovery again, and resolves anew what the actions apply to; false if that failed.
    async fn read_discovery(&self) -> bool {
        let read = async {
            let discovery = Discovery::read(self.calls.cluster()).await?;
            let names = Names::new(&discovery, &self.request.archive);
            let actions = Actions::resolve(&self.deps.actions, &|name| names.resolve(name))?;
            Ok::<_, Fatal>(World { discovery, actions })
        };
        match read.await {
            Ok(world) => {
                *self.world.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
                self.prospects().clear();
                true
            }
            Err(error) => {
                let text = format!("read again what the API server serves: {error}");
                self.say(Some(""), Severity::Warning, text);
                false
            }
        }
    }

    /// What the cluster serves now.
    pub(super) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn prospects(&self) -> MutexGuard<'_, Prospects> {
        self.prospects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds of the archive's types.
    pub(super) fn lock_kinds(&self) -> MutexGuard<'_, Kinds<'a>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is about no item: in the log and, once, in the results.
    pub(super) fn say(&self, namespace: Option<&str>, severity: Severity, text: String) {
        self.deps
            .log
            .line(level(severity))
            .field("namespace", namespace.unwrap_or_default())
            .msg(&text);
        self.ledger().say_once(message(severity, namespace, text));
        self.tally().unkept = true;
    }

    /// An item is done: recorded with its messages in one step, logged, counted.
    pub(super) fn done(&self, item: ItemRef, state: State, messages: Vec<Message>, note: Note) {
        let (path, _) = self.request.archive.path(item);
        for message in &messages {
            self.item_line(level(message.severity), item).msg(&message.text);
        }
        let tries = {
            let mut parked = self.parked();
            let tries = parked.tries(item);
            parked.release(item);
            tries
        };
        if tries > 0 {
            self.log_item(item, &format!("Not put aside any more, after {tries} tries"));
        }
        self.ledger().record(item, state, messages, note);
        {
            let mut tally = self.tally();
            tally.unkept = true;
            if self.plan.contains(item) {
                tally.left = tally.left.saturating_sub(1);
            }
        }
        if tries > 0 {
            self.count_parked();
        }
        let progress = self.tell_progress();
        if state.is_listed() {
            let target = path.namespace.map(|namespace| self.restoration.target(namespace));
            self.deps
                .log
                .line(Level::Info)
                .field("name", path.name)
                .field("namespace", target.unwrap_or_default())
                .field("progress", "")
                .field("resource", path.group_resource)
                .msg(format!(
                    "Restored {} items out of an estimated total of {} (estimate will change throughout the restore)",
                    progress.restored, progress.total
                ));
        }
    }

    /// An item cannot be restored now: it is put aside and tried again.
    pub(super) fn park(&self, item: ItemRef, hold: Hold) {
        let why = self.why(&hold);
        let is_news = {
            let mut parked = self.parked();
            // an item behind another was parked when it was found that this closes no circle
            if !matches!(hold, Hold::Behind(_)) {
                parked.park(item, hold, Instant::now());
            }
            parked.is_news(item)
        };
        if is_news {
            self.log_item(item, &format!("Will be tried again: {why}"));
        }
        self.count_parked();
        self.tell_progress();
    }

    pub(super) fn why(&self, hold: &Hold) -> String {
        match hold {
            Hold::Error(passing, error) => format!("{passing} ({error})"),
            Hold::Deletion => "it exists and is being deleted".to_owned(),
            Hold::Namespace(Obstacle::Deletion) => "its namespace is being deleted".to_owned(),
            Hold::Namespace(Obstacle::Error(error)) => format!("its namespace could not be created ({error})"),
            Hold::Established => "the API server has not accepted it yet".to_owned(),
            Hold::Behind(other) => format!("it waits for {}", self.id_of(*other)),
        }
    }

    fn count_parked(&self) {
        let (count, some) = {
            let parked = self.parked();
            (parked.len(), parked.some(SHOWN))
        };
        let blocked = some.iter().map(|(item, hold)| Blocked {
            item: self.id_of(*item),
            why: self.why(hold),
        });
        let blocked = blocked.collect();
        let mut tally = self.tally();
        (tally.parked, tally.blocked) = (count, blocked);
    }

    fn item_line(&self, level: Level, item: ItemRef) -> Line<'_> {
        let (path, _) = self.request.archive.path(item);
        self.deps
            .log
            .line(level)
            .field("groupResource", path.group_resource)
            .field("namespace", path.namespace.unwrap_or_default())
            .field("original name", path.name)
    }

    /// A line about an item that is not in the results.
    pub(super) fn log_item(&self, item: ItemRef, text: &str) {
        self.item_line(Level::Info, item).msg(text);
    }

    fn tell_progress(&self) -> Progress {
        let restored = self.ledger().listed();
        let progress = {
            let tally = self.tally();
            Progress {
                restored,
                total: restored + tally.left,
                parked: tally.parked,
                blocked: tally.blocked.clone(),
                standstill: tally.standstill.clone(),
            }
        };
        (self.on_progress)(progress.clone());
        progress
    }

    async fn keep_flushing(&self) {
        loop {
            sleep(FLUSH).await;
            self.look_for_standstill();
            self.flush().await;
        }
    }

    /// Tells if the restore has come to a standstill, if that has another reason, and if it is over.
    fn look_for_standstill(&self) {
        let standstill = self.standstill();
        let is_news = {
            let mut tally = self.tally();
            let is_news = tally.standstill != standstill;
            tally.standstill = standstill;
            is_news
        };
        if is_news {
            self.tell_progress();
        }
    }

    fn standstill(&self) -> Option<Standstill> {
        let is_long = |since: Instant| since.elapsed() >= STANDSTILL;
        if self.calls.turned_away_since().is_some_and(is_long) {
            return Some(Standstill {
                reason: Passing::TooManyRequests.word(),
                message: "the API server turns every request away (429); the restore waits as long as it asks for"
                    .to_owned(),
            });
        }
        if !self.tally().draining.is_some_and(is_long) {
            return None;
        }
        let (count, first) = {
            let parked = self.parked();
            (parked.len(), parked.first())
        };
        let (item, hold) = first?;
        let others = match count - 1 {
            0 => String::new(),
            1 => ", as does another item".to_owned(),
            others => format!(", as do {others} other items"),
        };
        let patience = hold.patience(self.patience()).unwrap_or_default().as_secs();
        let patience = GoDuration::from_secs(i64::try_from(patience).unwrap_or(i64::MAX));
        let message = format!(
            "{} waits{others}: {}; it is given up {} after everything else was done",
            self.id_of(item),
            self.why(&hold),
            patience.text()
        );
        Some(Standstill {
            reason: hold.word(),
            message,
        })
    }

    /// Keeps that an item's object is about to be changed, before it is.
    pub(super) async fn intend_update(&self, item: ItemRef) {
        self.ledger().intend_update(item);
        self.tally().unkept = true;
        self.flush().await;
    }

    /// Keeps the ledger if it changed.
    async fn flush(&self) {
        let _turn = self.keeping.lock().await;
        if !std::mem::take(&mut self.tally().unkept) {
            return;
        }
        let record = self.ledger().encode();
        let kept = match record {
            Ok(record) => self.deps.sink.keep(record).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = kept {
            self.deps.log.info(format!("{error}; it is tried again"));
            self.tally().unkept = true;
        }
    }

    fn report(&self) -> Report {
        let report = Report::new(&self.ledger(), &self.request.archive, &self.restoration);
        (self.on_progress)(report.progress.clone());
        report
    }
}

/// A message for the results.
pub(super) fn message(severity: Severity, namespace: Option<&str>, text: String) -> Message {
    Message {
        severity,
        namespace: namespace.map(String::from),
        text,
    }
}

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    }
}
