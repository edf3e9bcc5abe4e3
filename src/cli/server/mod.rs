//! `velero server`: from flags to a manager with its controllers. Reading [`serve`] in sequence shows the whole system.

mod connect;
pub mod flags;
mod scratch;
mod settings;
mod token_key;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::api::constants::FEATURE_API_GROUP_VERSIONS;
use crate::api::v1::{Backup, Restore};
use crate::controllers::artifact::base::{BaseUrl, SERVICE};
use crate::controllers::artifact::finder::Finder;
use crate::controllers::artifact::renewal::Renewal;
use crate::controllers::artifact::tls::Identity;
use crate::controllers::backup::queue::Queue;
use crate::controllers::backup::reconcile::Backups;
use crate::controllers::backup_deletion::Deletions;
use crate::controllers::backup_storage_location::Locations;
use crate::controllers::backup_sync::Sync;
use crate::controllers::context::Context;
use crate::controllers::download_request::DownloadRequests;
use crate::controllers::endpoint::Endpoint;
use crate::controllers::freeze::reconcile::OpenFreezes;
use crate::controllers::gc::Gc;
use crate::controllers::item_operations::finalizer::Finalizer;
use crate::controllers::item_operations::waiting::Waiting;
use crate::controllers::restore::dry_run::DryRuns;
use crate::controllers::restore::reconcile::{RestoreOperations, Restores};
use crate::controllers::retention::Retention;
use crate::controllers::run::leftovers::RunRecords;
use crate::controllers::run::live_log::LiveLogs;
use crate::controllers::schedule::last::last_results;
use crate::controllers::schedule::{self, Schedules};
use crate::controllers::server_status_request::StatusRequests;
use crate::controllers::version;
use crate::controllers::watches::Watches;
use crate::runtime::clock::{Clock as _, System};
use crate::runtime::lease::LeaseConfig;
use crate::runtime::task::Group;
use crate::runtime::{Manager, Reconciler as _, SharedWatch, When};
use crate::telemetry::metrics::Registry;
use crate::telemetry::otlp_metrics::MetricExporter;
use crate::telemetry::process::Telemetry;

pub use connect::Connection;
use flags::ServerArgs;

/// The name of the server in metrics and traces.
const PROGRAM: &str = "velero";

/// The Lease of the leader.
pub const LEASE: &str = "velero-server";

/// Runs the server until it gets a signal to stop.
///
/// # Errors
/// What kept it from starting, or ended it, with what to check.
pub async fn run(args: ServerArgs, features: BTreeSet<String>, connection: Connection) -> anyhow::Result<()> {
    let telemetry = Telemetry::init(PROGRAM, args.log_level, args.log_format, Arc::new(|| System.now()))
        .context("start the log")?;
    tracing::info!(version = version::server(), "starting Velero server");
    for (flag, value) in args.unused.given() {
        tracing::warn!(flag, value, "this flag has no effect in this release");
    }
    for feature in features.iter().filter(|feature| *feature != FEATURE_API_GROUP_VERSIONS) {
        tracing::warn!(feature, "this feature has no effect in this release");
    }
    let served = serve(args, &features, connection).await;
    if let Err(error) = &served {
        tracing::error!(error = format!("{error:#}"), "the server ends");
    }
    telemetry.shutdown().await;
    served
}

async fn serve(args: ServerArgs, features: &BTreeSet<String>, connection: Connection) -> anyhow::Result<()> {
    let enabled = args.enabled().map_err(anyhow::Error::msg)?;
    scratch::prepare(&args.scratch_dir)?;
    let registry = Registry::new();
    let mut manager = Manager::new(PROGRAM, &registry)?
        .listen(args.metrics_address)
        .events(connection.cluster.client().clone())
        .lease(LeaseConfig::new(
            connection.lease.client().clone(),
            &connection.namespace,
            LEASE,
            &args.identity.clone().unwrap_or_else(identity),
        ));
    let ctx = connect::context(
        &args,
        features,
        &connection,
        &manager,
        &registry,
        enabled(Backups::NAME),
    )
    .await?;
    let Connection { engine, namespace, .. } = connection;
    let client = ctx.cluster.client();
    let key = token_key::read_or_create(client, &namespace).await?;
    let base = args
        .artifact_url
        .clone()
        .unwrap_or_else(|| BaseUrl::of_service(&namespace));

    let watches = Watches::new(&mut manager, client, &namespace);
    let finder = Finder {
        backups: watches.backups.clone(),
        restores: watches.restores.clone(),
        locations: watches.locations.clone(),
        namespace: namespace.clone(),
    };
    let live_logs = LiveLogs::default();
    let backups = Backups::operations(ctx.settings.concurrent_backups);
    let restores = RestoreOperations::new();

    // Whatever this server may do, applications that an earlier one left frozen are thawed.
    OpenFreezes::register(&mut manager, &ctx, &watches);
    Locations::register(&mut manager, &ctx, &watches);
    if enabled(Queue::NAME) {
        Queue::register(&mut manager, &ctx, &watches);
    }
    if enabled(Backups::NAME) {
        Backups::register(&mut manager, &ctx, &watches, &backups, &live_logs);
    }
    if enabled(Waiting::<Backup>::NAME) {
        Waiting::register(&mut manager, &ctx, &watches, &watches.backups);
    }
    if enabled(Finalizer::<Backup>::NAME) {
        Finalizer::register(&mut manager, &ctx, &watches, &watches.backups);
    }
    if enabled(Restores::NAME) {
        Restores::register(&mut manager, &ctx, &watches, &restores, &live_logs);
    }
    if enabled(Waiting::<Restore>::NAME) {
        Waiting::register(&mut manager, &ctx, &watches, &watches.restores);
    }
    if enabled(Finalizer::<Restore>::NAME) {
        Finalizer::register(&mut manager, &ctx, &watches, &watches.restores);
    }
    let records = RunRecords::new(ctx.clone(), watches.locations.clone())
        .with::<Backups>(watches.backups.clone(), backups)
        .with::<Restores>(watches.restores.clone(), restores);
    manager.control(
        records
            .controller(&watches.records)
            .on(&watches.backups, RunRecords::of::<Backup>)
            .on(&watches.restores, RunRecords::of::<Restore>),
    );
    if enabled(Sync::NAME) {
        Sync::register(&mut manager, &ctx, &watches);
    }
    if enabled(Gc::NAME) {
        Gc::register(&mut manager, &ctx, &watches);
        Retention::register(&mut manager, &ctx, &watches);
    }
    if enabled(Deletions::NAME) {
        Deletions::register(&mut manager, &ctx, &watches);
    }
    if enabled(Schedules::NAME) {
        Schedules::register(&mut manager, &ctx, &watches);
    }
    if enabled(DownloadRequests::NAME) {
        let requests = DownloadRequests::new(ctx.clone(), finder.clone(), key.clone(), base.clone());
        requests.register(&mut manager, &watches);
    }
    if enabled(StatusRequests::NAME) {
        StatusRequests::register(&mut manager, &ctx, &watches);
    }
    let names = base.names(&namespace);
    Renewal::new(ctx.clone(), names.clone()).register(&mut manager, &watches);
    let identity = Arc::new(Identity::new(ctx.clone(), names, watches.certificate.clone()));
    let endpoint = Endpoint {
        ctx: ctx.clone(),
        finder,
        key,
        live_logs,
        dry_runs: DryRuns::new(&engine),
    };
    let address = args.artifact_address;
    manager.task(When::Always, "artifacts", move |group| {
        let (endpoint, identity) = (endpoint.clone(), identity.clone());
        async move { endpoint.serve(address, &identity, group).await }
    });
    let exporter = MetricExporter::of_environment(PROGRAM, &registry).unwrap_or_else(|error| {
        tracing::warn!(%error, "this signal is not exported");
        None
    });
    if let Some(exporter) = exporter {
        let exporter = Arc::new(exporter);
        manager.task(When::Always, "metrics export", move |group| {
            let exporter = exporter.clone();
            async move {
                exporter.run(group.stop()).await;
                Ok::<_, Infallible>(())
            }
        });
    }
    let (backups, restores) = (watches.backups, watches.restores);
    manager.task(When::Always, "object counts", move |group| {
        let (ctx, backups, restores) = (ctx.clone(), backups.clone(), restores.clone());
        async move { count_objects(&ctx, &backups, &restores, group).await }
    });
    tracing::info!(
        service = SERVICE,
        "serving artifacts and metrics; waiting for the stores and the lease"
    );
    manager.run().await?;
    Ok(())
}

/// The gauges that count objects (spec server-cli 7.1), once a minute as upstream has them.
async fn count_objects(
    ctx: &Context,
    backups: &SharedWatch<Backup>,
    restores: &SharedWatch<Restore>,
    group: Group,
) -> Result<(), Infallible> {
    let mut tick = tokio::time::interval(Duration::from_mins(1));
    loop {
        tokio::select! {
            () = group.stop().cancelled() => return Ok(()),
            _ = tick.tick() => {
                ctx.metrics.backups(backups.list().len());
                ctx.metrics.restores(restores.list().len());
                // Those of a schedule are its controller's.
                let unscheduled = backups.list_where(|backup| schedule::label_of(backup).is_none());
                let last = last_results(unscheduled.iter().map(|backup| &**backup));
                ctx.metrics.backup_results("", last);
            }
        }
    }
}

/// The identity of this process in the leader election: a restarted container of the same pod is the same (decision 8).
fn identity() -> String {
    match (std::env::var("POD_UID"), std::env::var("CONTAINER_NAME")) {
        (Ok(pod), container) if !pod.is_empty() => {
            format!("{pod}_{}", container.unwrap_or_else(|_| "velero".to_owned()))
        }
        // Outside a pod nothing outlives the process.
        _ => format!("process_{}_{}", std::process::id(), uuid::Uuid::new_v4()),
    }
}
