//! The loop of one controller.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join, join_all};
use futures::stream::{FuturesUnordered, select_all};
use futures::{FutureExt, StreamExt};
use parking_lot::MutexGuard;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::queue::{Queue, Requeue};
use super::requeue::{Spread, after_failure_at, after_success, after_success_at, spread_over, sweep_after};
use super::state::{BEAT, Key};
use super::trigger;
use super::{Controller, Known};
use crate::backoff::Failures;
use crate::enqueue::Enqueue;
use crate::metrics::{ControllerMetrics, Metrics, PassResult};
use crate::object::{ObjectRef, Uid, path_of, uid_of};
use crate::reconciler::{Class, Classify, Next, Reconciler};
use crate::report::{EventRecorder, Failure};
use crate::task::{Group, TaskError, panic_text};
use crate::watch::Found;

/// How often the gauges of work in progress are brought up to date while nothing else happens.
const GAUGES: Duration = Duration::from_secs(1);

impl<R: Reconciler> Controller<R> {
    /// Runs it until the group stops, then lets running passes and operations end. May be run again
    /// afterwards, never twice at once.
    ///
    /// Passes and operations are members of the group: dropping this future ends the passes at their next await,
    /// [`Group::abort`] the operations as well.
    pub async fn run(&self, group: &Group, metrics: &Metrics, recorder: &EventRecorder) {
        run(self, group, metrics, recorder).await;
    }
}

async fn run<R: Reconciler>(controller: &Controller<R>, group: &Group, metrics: &Metrics, recorder: &EventRecorder) {
    let stop = group.stop();
    let stores = join_all(controller.stores.iter().map(|ready| ready()));
    tokio::select! {
        biased;
        () = stop.cancelled() => return,
        _ = stores => {}
    }
    for operations in &controller.operations {
        operations.open(group, &controller.enqueuer);
    }
    // First listen, then request every object: a change in between is seen twice rather than never.
    let mut triggers = select_all(
        [&trigger::own(controller.watch.clone(), controller.predicate.clone())]
            .into_iter()
            .chain(&controller.triggers)
            .map(|listen| listen()),
    );
    let mut run = Run::new(controller, group, metrics, recorder);
    run.enqueue(Enqueue::All);
    tracing::info!(
        controller = R::NAME,
        workers = controller.options.workers,
        "controller started"
    );

    while !stop.is_cancelled() {
        run.sweep(Instant::now());
        run.start_passes();
        run.set_gauges();
        controller.state.turned(Instant::now(), run.failures.len());
        let next_look = run.next_look();
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = run.passes.next() => run.finish(done),
            enqueue = controller.enqueuer.next() => run.enqueue(enqueue),
            Some(enqueue) = triggers.next() => run.enqueue(enqueue),
            () = sleep_until(next_look) => {}
        }
    }
    let operations = join_all(controller.operations.iter().map(|operations| operations.close()));
    join(run.drain(), operations).await;
    tracing::info!(controller = R::NAME, "controller stopped");
}

/// One term of a controller.
struct Run<'a, R: Reconciler> {
    controller: &'a Controller<R>,
    group: &'a Group,
    recorder: &'a EventRecorder,
    metrics: ControllerMetrics,
    failures: Failures<ObjectRef<R::Kind>>,
    passes: FuturesUnordered<BoxFuture<'static, Done<R>>>,
    /// When the rate limit may let another pass begin, if it holds one back.
    limited_until: Option<Instant>,
    /// When to look at the objects that wait for nothing.
    sweep_at: Instant,
    /// Objects that get a pass beside those of the queue, one for one. A place in the queue for each of thousands at once, in every
    /// controller, would take more memory than ever after.
    everything: std::vec::IntoIter<Arc<R::Kind>>,
}

/// A pass that came to an end.
struct Done<R: Reconciler> {
    key: Key<R::Kind>,
    object: Arc<R::Kind>,
    span: Span,
    started: Instant,
    end: End<R::Error>,
}

enum End<E> {
    Next(Next),
    Failed(E),
    TooLong(Duration),
    Panicked(String),
    Aborted,
}

impl<'a, R: Reconciler> Run<'a, R> {
    fn new(controller: &'a Controller<R>, group: &'a Group, metrics: &Metrics, recorder: &'a EventRecorder) -> Self {
        let metrics = metrics.controller(R::NAME);
        metrics.max_concurrent.set(count(controller.options.workers));
        // If the future of an earlier term was dropped, its queue is still filled.
        controller.state.reset();
        Self {
            controller,
            group,
            recorder,
            metrics,
            failures: Failures::new(controller.options.backoff),
            passes: FuturesUnordered::new(),
            limited_until: None,
            sweep_at: Instant::now() + sweep_after(rand::random_range(0.0..1.0)),
            everything: Vec::new().into_iter(),
        }
    }

    fn enqueue(&mut self, enqueue: Enqueue<R::Kind>) {
        let now = Instant::now();
        match enqueue {
            Enqueue::Some(keys) => self.add(keys.into_iter().map(Arc::new), now),
            Enqueue::All => {
                let watch = &self.controller.watch;
                self.everything = watch.list().into_iter();
                // A known object that no longer exists is gone, which must be announced.
                let known: Vec<_> = self.controller.known().keys().cloned().collect();
                self.add(known.into_iter().filter(|key| watch.get(key).is_none()), now);
            }
        }
    }

    fn add(&self, keys: impl IntoIterator<Item = Key<R::Kind>>, now: Instant) {
        for key in keys {
            if self.queue().add(key, now) {
                self.metrics.adds.inc();
            }
        }
    }

    /// Begins to look at every object that is not in the queue, if that is due.
    fn sweep(&mut self, now: Instant) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + sweep_after(rand::random_range(0.0..1.0));
        let watch = &self.controller.watch;
        let mut objects = watch.list();
        objects.retain(|object| !self.queue().contains(&Arc::new(watch.key_of(object))));
        let left = std::mem::take(&mut self.everything);
        self.everything = left.chain(objects).collect::<Vec<_>>().into_iter();
    }

    /// Puts one of the objects that get a pass beside the queue into it, and more until one is ready: some have a pass already, or must wait.
    fn draw(&mut self, now: Instant) {
        while let Some(object) = self.everything.next() {
            self.add([Arc::new(self.controller.watch.key_of(&object))], now);
            if self.queue().has_ready(now) {
                return;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Key<R::Kind>>> {
        self.controller.state.queue()
    }

    /// Starts passes while workers are free.
    fn start_passes(&mut self) {
        self.limited_until = None;
        while self.passes.len() < self.controller.options.workers {
            let now = Instant::now();
            self.draw(now);
            if let Some(limit) = &self.controller.options.rate_limit
                && self.queue().has_ready(now)
                && let Err(until) = limit.take(now)
            {
                self.limited_until = Some(until);
                return;
            }
            let Some((key, since)) = self.queue().take(now) else {
                return;
            };
            self.metrics.queue_duration.observe((now - since).as_secs_f64());
            match self.controller.watch.find(&key) {
                Found::Object(object) => {
                    self.knows(&key, &uid_of(&*object));
                    self.passes.push(self.pass(key, object));
                }
                // It exists and cannot be read: its operation goes on.
                Found::Unreadable(unreadable) => {
                    self.gone_unless(&key, Some(&unreadable.uid));
                    self.recorder.unreadable(&key, &unreadable.uid, &unreadable.error);
                    self.queue().finished(&key, None, now);
                }
                Found::Nothing => {
                    self.gone_unless(&key, None);
                    self.queue().finished(&key, None, now);
                }
            }
        }
    }

    fn pass(&self, key: Key<R::Kind>, object: Arc<R::Kind>) -> BoxFuture<'static, Done<R>> {
        let span = tracing::info_span!(
            "reconcile",
            controller = R::NAME,
            object = path_of(&key),
            reconcile_id = %Uuid::new_v4(),
        );
        let (reconciler, seen) = (self.controller.reconciler.clone(), object.clone());
        let deadline = self.controller.options.deadline;
        let work = async move {
            let pass = reconciler.reconcile(seen);
            match deadline {
                Some(deadline) => timeout(deadline, pass).await.map_err(|_| deadline),
                None => Ok(pass.await),
            }
        };
        // A task of its own, so that a pass that computes does not delay the others, and a panic is contained.
        let task = self
            .group
            .spawn(format!("{} {}", R::NAME, path_of(&key)), work.instrument(span.clone()));
        let started = Instant::now();
        async move {
            let end = match task.await {
                Ok(Ok(Ok(next))) => End::Next(next),
                Ok(Ok(Err(error))) => End::Failed(error),
                Ok(Err(deadline)) => End::TooLong(deadline),
                Err(TaskError::Panicked { message, .. }) => End::Panicked(message),
                Err(TaskError::Aborted { .. }) => End::Aborted,
            };
            Done {
                key,
                object,
                span,
                started,
                end,
            }
        }
        .boxed()
    }

    fn finish(&mut self, done: Done<R>) {
        let Done {
            key,
            object,
            span,
            started,
            end,
        } = done;
        let (result, requeue, failure) = match end {
            End::Next(next) => {
                let (result, requeue) = self.succeeded(&key, next);
                (result, requeue, None)
            }
            End::Failed(error) => {
                let failure = self.failed(&key, error.class(), error.reason(), error.to_string());
                let result = match failure.class {
                    Class::Invalid => PassResult::Invalid,
                    Class::Transient => PassResult::Error,
                    Class::Lost => PassResult::Lost,
                };
                let requeue = after_failure_at(Instant::now(), failure.retry);
                (result, Some(requeue), Some(failure))
            }
            End::TooLong(deadline) => {
                let text = format!("the pass took longer than {deadline:?} and was broken off");
                let failure = self.failed(&key, Class::Transient, "DeadlineExceeded", text);
                (
                    PassResult::Error,
                    Some(after_failure_at(Instant::now(), failure.retry)),
                    Some(failure),
                )
            }
            End::Panicked(message) => {
                let text = format!("the pass panicked: {message}");
                let failure = self.failed(&key, Class::Transient, "Panicked", text);
                (
                    PassResult::Panic,
                    Some(after_failure_at(Instant::now(), failure.retry)),
                    Some(failure),
                )
            }
            End::Aborted => {
                // Aborted from outside: the group is ending.
                let failure = self.failed(&key, Class::Lost, "Aborted", "the pass was broken off".into());
                (
                    PassResult::Lost,
                    Some(after_failure_at(Instant::now(), failure.retry)),
                    Some(failure),
                )
            }
        };
        self.metrics.pass(result, started.elapsed());
        if let Some(failure) = failure {
            self.metrics.failure(failure.reason);
            span.in_scope(|| self.recorder.failed(&key, &*object, &failure));
        }
        self.queue().finished(&key, requeue, Instant::now());
    }

    fn succeeded(&mut self, key: &ObjectRef<R::Kind>, next: Next) -> (PassResult, Option<Requeue>) {
        self.failures.forget(key);
        if next == Next::Settled {
            self.settled(key);
        }
        let wait = after_success(next, R::RESYNC, self.controller.options.clock.now(), self.spread(key));
        let result = match next {
            Next::Resync | Next::Settled => PassResult::Success,
            Next::After(_) | Next::At(_) => PassResult::RequeueAfter,
        };
        (result, wait.map(|wait| after_success_at(Instant::now(), wait)))
    }

    /// Nothing is kept of an object that is settled, unless an operation of it must be cancelled when it is gone.
    fn settled(&self, key: &ObjectRef<R::Kind>) {
        let mut known = self.controller.known();
        let operations = &self.controller.operations;
        let has_operation = |uid: &Uid| operations.iter().any(|operations| operations.has(uid));
        if known.get(key).is_some_and(|known| !has_operation(&known.uid)) {
            known.remove(key);
        }
    }

    fn failed(&mut self, key: &ObjectRef<R::Kind>, class: Class, reason: &'static str, text: String) -> Failure {
        let retry = match class {
            Class::Invalid => {
                self.failures.forget(key);
                spread_over(R::RESYNC, self.spread(key))
            }
            Class::Transient | Class::Lost => {
                self.metrics.retries.inc();
                self.failures.failed(key.clone())
            }
        };
        Failure {
            class,
            reason,
            text,
            retry,
        }
    }

    fn spread(&self, key: &ObjectRef<R::Kind>) -> Spread {
        let spread = self
            .controller
            .known()
            .get_mut(key)
            .is_some_and(|known| std::mem::replace(&mut known.spread, true));
        Spread {
            first: !spread,
            random: rand::random_range(0.0..1.0),
        }
    }

    /// Passes of this name are for this object from now on.
    fn knows(&mut self, key: &Key<R::Kind>, uid: &Uid) {
        self.gone_unless(key, Some(uid));
        self.controller.known().entry(key.clone()).or_insert_with(|| Known {
            uid: uid.clone(),
            spread: false,
        });
    }

    /// Announces that the object that passes of this name were for is gone, unless it still is this one.
    fn gone_unless(&mut self, key: &ObjectRef<R::Kind>, still: Option<&Uid>) {
        let lost = {
            let mut known = self.controller.known();
            match known.get(key) {
                Some(object) if Some(&object.uid) != still => known.remove(key),
                _ => None,
            }
        };
        let Some(Known { uid, .. }) = lost else { return };
        self.failures.forget(key);
        for operations in &self.controller.operations {
            operations.gone(&uid);
        }
        let object = path_of(key);
        tracing::debug!(controller = R::NAME, object, %uid, "object is gone");
        let gone = || self.controller.reconciler.gone(key, &uid);
        if let Err(cause) = catch_unwind(AssertUnwindSafe(gone)) {
            let cause: &(dyn Any + Send) = &*cause;
            tracing::error!(
                controller = R::NAME,
                object,
                error = panic_text(cause),
                "burying an object panicked"
            );
        }
    }

    /// When there may be something to do without an event.
    fn next_look(&self) -> Instant {
        let now = Instant::now();
        let gauges = (!self.passes.is_empty()).then(|| now + GAUGES);
        // A worker that becomes free checks the timers as well, so without a free one no wake-up is needed.
        let free = self.passes.len() < self.controller.options.workers;
        let due = match self.limited_until {
            // The due key may be the one that the rate limit holds back.
            Some(until) => Some(until),
            None => self.queue().next_due(),
        };
        let due = due.filter(|_| free);
        let soonest = (now + BEAT).min(self.sweep_at);
        gauges.into_iter().chain(due).fold(soonest, Instant::min)
    }

    fn set_gauges(&self) {
        let now = Instant::now();
        let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
        {
            let queue = self.queue();
            for (_, since) in queue.working() {
                sum += now - since;
                longest = longest.max(now - since);
            }
            self.metrics.depth.set(count(queue.depth()));
        }
        self.metrics.active.set(count(self.passes.len()));
        self.metrics.unfinished.set(sum.as_secs_f64());
        self.metrics.longest_running.set(longest.as_secs_f64());
    }

    /// Lets the running passes end and starts none.
    async fn drain(&mut self) {
        self.controller.state.stopping();
        while let Some(done) = self.passes.next().await {
            self.finish(done);
        }
        self.controller.state.reset();
        self.set_gauges();
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of objects and workers")]
fn count(number: usize) -> f64 {
    number as f64
}
