//! `POST /restores/plan/<backup>`: what a restore would do, for `velero restore create --dry-run` (decisions 20 and 37). The
//! body is the Restore that would be created, the token one for the backup's contents. Every replica serves it: nothing is
//! written, neither into the cluster nor into the bucket.
//!
//! ```text
//!   token -> body -> a free place -> validation -> 200, and then line by line: archive -> plan -> every object -> the sum
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api::restore_plan::{Invalid, PlanLine, PlannedItem, Summary};
use crate::api::v1::{BackupStorageLocation, DownloadTargetKind, Restore, RestoreStatus};
use crate::cluster::Cluster;
use crate::restore::actions;
use crate::restore::dry_run::plan_changes;
use crate::restore::engine::{EngineDeps, Fatal};
use crate::restore::ledger_sink::{LedgerSink, SinkError};
use crate::runtime::task::{self, Task};
use crate::store::layout::BackupFile;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::RunLog;

use super::source::{self, FetchError};
use crate::controllers::artifact::file::Artifact;
use crate::controllers::artifact::finder::Finder;
use crate::controllers::artifact::token::{HEADER, Key};
use crate::controllers::context::Context;
use crate::controllers::dry_only::dry_only;
use crate::controllers::location::{self, LocationError};

/// The route; the backup in it is the one the token is for.
const ROUTE: &str = "/restores/plan/{backup}";

/// The largest Restore that is read; the API server takes none that is larger than this by much.
pub const MAX_BODY: usize = 1 << 20;

/// Time for the body to arrive.
const BODY_IN_TIME: Duration = Duration::from_secs(30);

/// Dry runs at once: scratch and memory are for the runs.
const AT_ONCE: usize = 1;

/// Requests of a dry run to the API server at once.
const MAX_REQUESTS: u32 = 16;

/// Lines that wait for a slow client.
const LINES: usize = 64;

/// Something is sent at least so often.
const ALIVE: Duration = Duration::from_secs(10);

/// No dry run takes longer.
const LIMIT: Duration = Duration::from_hours(1);

/// Plans restores, a few at once. Clones share the places.
#[derive(Clone)]
pub struct DryRuns {
    /// Lets nothing through that would be stored.
    cluster: Cluster,
    places: Arc<Semaphore>,
}

impl DryRuns {
    /// With this connection to the API server, which must have no retry layer.
    pub fn new(engine: &Cluster) -> Self {
        Self {
            cluster: dry_only(engine),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Dry runs for which there is room.
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }
}

/// What answering needs.
#[derive(Clone)]
pub struct Plans {
    /// For validation and for opening stores.
    pub ctx: Arc<Context>,
    /// Finds the backup and its location.
    pub finder: Finder,
    /// Checks tokens.
    pub key: Key,
    /// Plans restores that are not carried out.
    pub dry_runs: DryRuns,
}

impl Plans {
    /// The route of this file.
    pub fn router(self) -> Router {
        Router::new().route(ROUTE, post(plan)).with_state(self)
    }
}

/// Why a dry run has no end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Engine(#[from] Fatal),
    #[error("a file in the scratch directory could not be made: {0}; check its space")]
    Scratch(#[from] std::io::Error),
}

/// Answers the request.
async fn plan(State(plans): State<Plans>, Path(backup): Path<String>, headers: HeaderMap, body: Body) -> Response {
    match accept(&plans, &backup, &headers, body).await {
        Ok((job, place)) => {
            let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (headers, Body::from_stream(answer(job, place))).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a restore is not planned.
enum Refusal {
    Text(StatusCode, String),
    Invalid(Vec<String>),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Text(status, text) => (status, text + "\n").into_response(),
            Self::Invalid(validation_errors) => {
                let invalid = Invalid { validation_errors };
                (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(invalid)).into_response()
            }
        }
    }
}

/// A dry run that may begin.
struct Job {
    ctx: Arc<Context>,
    cluster: Cluster,
    restore: Restore,
    location: Arc<BackupStorageLocation>,
}

async fn accept(
    plans: &Plans,
    backup: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Job, OwnedSemaphorePermit), Refusal> {
    let refuse = |status, text: &str| Refusal::Text(status, text.to_owned());
    let token = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let kind = DownloadTargetKind::BackupContents;
    let now = plans.ctx.clock.now();
    plans
        .key
        .check(token.unwrap_or_default(), kind.as_str(), backup, now)
        .map_err(|refused| Refusal::Text(StatusCode::FORBIDDEN, refused.to_string()))?;
    let asked = restore(plans, &whole(body).await?)?;
    let place = Arc::clone(&plans.dry_runs.places).try_acquire_owned().map_err(|_| {
        refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "another dry run is under way; try again when it is over",
        )
    })?;
    let finder = &plans.finder;
    let judged = source::judge(&plans.ctx, &finder.backups, &finder.locations, &asked)
        .await
        .map_err(|error| Refusal::Text(StatusCode::BAD_GATEWAY, format!("read the backup: {error}")))?;
    if !judged.status.validation_errors.is_empty() {
        return Err(Refusal::Invalid(judged.status.validation_errors));
    }
    let name = &judged.spec.backup_name;
    if name != backup {
        let text = format!("the restore is from backup `{name}`, but the token is for `{backup}`; try again");
        return Err(Refusal::Text(StatusCode::CONFLICT, text));
    }
    let contents = Artifact::Backup(BackupFile::Contents, name.clone());
    let location = finder.location(&contents).map_err(|_| {
        refuse(
            StatusCode::CONFLICT,
            "this replica does not know the backup or its location yet; try again",
        )
    })?;
    let job = Job {
        ctx: Arc::clone(&plans.ctx),
        cluster: plans.dry_runs.cluster.clone(),
        restore: judged,
        location,
    };
    Ok((job, place))
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let read = timeout(BODY_IN_TIME, Limited::new(body, MAX_BODY).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("the restore has more than {MAX_BODY} bytes");
            Err(Refusal::Text(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Ok(Err(error)) => Err(Refusal::Text(
            StatusCode::BAD_REQUEST,
            format!("read the restore: {error}"),
        )),
        Err(_) => Err(Refusal::Text(
            StatusCode::REQUEST_TIMEOUT,
            "the restore did not arrive in time".to_owned(),
        )),
    }
}

/// The Restore as it would be new: of what was sent only what a user may choose counts.
fn restore(plans: &Plans, body: &[u8]) -> Result<Restore, Refusal> {
    let sent: Restore = serde_json::from_slice(body)
        .map_err(|error| Refusal::Text(StatusCode::BAD_REQUEST, format!("read the restore: {error}")))?;
    let name = sent.metadata.name.unwrap_or_default();
    let mut restore = Restore::new(&plans.ctx.namespace, &name);
    restore.metadata.labels = sent.metadata.labels;
    restore.metadata.annotations = sent.metadata.annotations;
    restore.spec = sent.spec;
    Ok(restore)
}

/// The lines of a dry run. The dry run ends when this is dropped, as when the client disconnects.
fn answer(job: Job, place: OwnedSemaphorePermit) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    let (lines, read) = mpsc::channel(LINES);
    let dry_run = task::spawn("restore dry run", async move {
        let _place = place;
        job.send(&lines).await;
    });
    stream::unfold((read, dry_run), |(mut read, dry_run): (_, Task<()>)| async move {
        let line: PlanLine = mpsc::Receiver::recv(&mut read).await?;
        let text = serde_json::to_vec(&line)
            .map_err(std::io::Error::other)
            .map(|mut text| {
                text.push(b'\n');
                Bytes::from(text)
            });
        Some((text, (read, dry_run)))
    })
}

impl Job {
    async fn send(&self, lines: &mpsc::Sender<PlanLine>) {
        let mut shown = self.restore.clone();
        shown.status = RestoreStatus::default();
        // If the client is gone, the next line fails too and ends the run.
        let _ = lines.send(PlanLine::Restore(Box::new(shown))).await;
        let last = match timeout(LIMIT, self.attempt(lines)).await {
            Ok(Ok((summary, warnings))) => PlanLine::End { summary, warnings },
            Ok(Err(error)) => PlanLine::Failed {
                reason: error.to_string(),
            },
            Err(_) => PlanLine::Failed {
                reason: "it took more than an hour; plan a part of it, by namespaces or resources".to_owned(),
            },
        };
        let _ = lines.send(last).await;
    }

    async fn attempt(&self, lines: &mpsc::Sender<PlanLine>) -> Result<(Summary, Vec<String>), Broken> {
        let (sender, items) = mpsc::channel(LINES);
        // Side by side: a slow client must not keep answers of the API server from being received.
        let both = async { tokio::try_join!(self.plan(sender), pass_on(items, lines)) };
        tokio::select! {
            () = lines.closed() => Err(Fatal::Cancelled.into()),
            both = both => {
                let (warnings, mut summary) = both?;
                summary.warnings += warnings.len() as u64;
                Ok((summary, warnings))
            }
        }
    }

    async fn plan(&self, sender: mpsc::Sender<PlannedItem>) -> Result<Vec<String>, Broken> {
        let ctx = &self.ctx;
        let store = location::open(ctx, &self.location).await?;
        // The other half is for restores that are carried out.
        let spool = ctx.settings.restore_spool_limit / 2;
        let mut request = source::request(ctx, &store, &self.restore, spool).await?;
        request.options.max_requests = request.options.max_requests.min(MAX_REQUESTS);
        let clock = Arc::clone(&ctx.clock);
        let log = RunLog::create(
            tempfile::tempfile_in(&ctx.scratch)?,
            ctx.settings.log_format,
            // the plan has what it says of each item
            Level::Error,
            Vec::new(),
            Arc::new(move || clock.now()),
        );
        let deps = EngineDeps {
            cluster: self.cluster.clone(),
            actions: actions::built_in(),
            log,
            sink: &Nowhere,
        };
        Ok(plan_changes(&request, &deps, &sender).await?)
    }
}

/// Passes the planned items on and counts them, with a sign of life now and then.
async fn pass_on(mut items: mpsc::Receiver<PlannedItem>, lines: &mpsc::Sender<PlanLine>) -> Result<Summary, Broken> {
    let mut tick = interval(ALIVE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut summary = Summary::default();
    loop {
        let line = tokio::select! {
            _ = tick.tick() => PlanLine::Alive {},
            item = items.recv() => {
                let Some(item) = item else { return Ok(summary) };
                summary.add(&item);
                PlanLine::Item(Box::new(item))
            }
        };
        // If the client is gone, `attempt` ends with it.
        let _ = lines.send(line).await;
    }
}

/// A dry run leaves no record.
struct Nowhere;

impl LedgerSink for Nowhere {
    fn store(&self, _record: Bytes) -> futures::future::BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(futures::future::ready(Ok(())))
    }
}
