//! `velero server`: from flags to a manager with its controllers. Reading [`run`] in sequence shows the whole system.

pub mod flags;
mod scratch;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::PostParams;

use crate::api::constants::FEATURE_API_GROUP_VERSIONS;
use crate::api::v1::{Backup, BackupStorageLocation, DownloadRequest, Restore, Schedule, ServerStatusRequest};
use crate::cluster::Cluster;
use crate::cluster::discovery::Discovery;
use crate::cluster::status::Conditions;
use crate::controllers::artifact::base::{BaseUrl, SERVICE};
use crate::controllers::artifact::finder::Finder;
use crate::controllers::artifact::renewal::Renewal;
use crate::controllers::artifact::running::Running;
use crate::controllers::artifact::secret as certificates;
use crate::controllers::artifact::tls::Identity;
use crate::controllers::artifact::token::Key;
use crate::controllers::backup::queue::{NamespaceMeta, Queue};
use crate::controllers::backup::reconcile::{BackupOperations, Backups};
use crate::controllers::backup_storage_location::Locations;
use crate::controllers::backup_sync::Sync;
use crate::controllers::download_request::DownloadRequests;
use crate::controllers::endpoint::Endpoint;
use crate::controllers::freeze::reconcile::OpenFreezes;
use crate::controllers::freeze::{self, Claims, PodExec};
use crate::controllers::gated::gated;
use crate::controllers::ports::{Ports, Settings};
use crate::controllers::record;
use crate::controllers::restore::dry_run::DryRuns;
use crate::controllers::restore::reconcile::{RestoreOperations, Restores};
use crate::controllers::run_records::RunRecords;
use crate::controllers::served::{self, Served};
use crate::controllers::server_status_request::StatusRequests;
use crate::controllers::version;
use crate::restore::request::Options as RestoreOptions;
use crate::runtime::clock::{Clock as _, System};
use crate::runtime::lease::LeaseConfig;
use crate::runtime::{Controller, Manager, ObjectRef, Reconciler, SharedWatch, Watch, When};
use crate::telemetry::metrics::Registry;
use crate::telemetry::process::Telemetry;
use crate::telemetry::velero::VeleroMetrics;

use flags::ServerArgs;

/// The Lease of the leader.
pub const LEASE: &str = "velero-server";

/// The Secret whose key signs artifact tokens.
const TOKEN_SECRET: &str = "velero-artifact-tokens";

/// Runs at once whose freezes are ended.
const THAW_WORKERS: usize = 4;

/// Passes at once of controllers whose passes talk to a bucket.
const BUCKET_WORKERS: usize = 4;

/// How a server reaches its cluster.
pub struct Connection {
    /// With retries of what can pass, and the user's rate limit.
    pub cluster: Cluster,
    /// Without a retry layer.
    pub engine: Cluster,
    /// For the lease alone, outside of the user's limit: behind much work it would be renewed too late.
    pub lease: Cluster,
    /// The namespace Velero lives in.
    pub namespace: String,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// What kept it from starting, or ended it, with what to check.
pub async fn run(args: ServerArgs, features: BTreeSet<String>, connection: Connection) -> anyhow::Result<()> {
    let telemetry = Telemetry::init("velero", args.log_level, args.log_format, Arc::new(|| System.now()))
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
    let Connection {
        cluster,
        engine,
        lease,
        namespace,
    } = connection;
    let client = cluster.client().clone();
    let enabled = args.enabled().map_err(anyhow::Error::msg)?;
    fs::create_dir_all(&args.scratch_dir).with_context(|| {
        format!(
            "create the scratch directory {}; check --scratch-dir",
            args.scratch_dir.display()
        )
    })?;
    // The image has no /tmp, and a Deployment that was not made by `velero install` need not set TMPDIR. Fails if another one
    // was set before: then that is used.
    let _ = tempfile::env::override_temp_dir(&args.scratch_dir);
    Api::<Namespace>::all(client.clone())
        .get(&namespace)
        .await
        .with_context(|| format!("find namespace \"{namespace}\"; check --namespace and the server's rights"))?;
    let discovery = Discovery::read(&cluster)
        .await
        .context("ask the API server what it serves")?;
    for (group, reason) in discovery.failed_groups() {
        tracing::warn!(group, reason, "an API group cannot be discovered; the others are used");
    }
    let kept = served::kept_conditions(&cluster, &discovery).await?;
    let keeps = |resource: &crate::cluster::discovery::Resource| {
        kept.get(&resource.plural).copied().unwrap_or(Conditions::Pruned)
    };
    let served = Served::find(&discovery, &keeps)?;
    let pruned = served.without_conditions();
    if !pruned.is_empty() {
        tracing::warn!(
            kinds = pruned.join(","),
            "these definitions do not keep conditions, so none are written; apply this release's manifests/crds for them"
        );
    }
    let kubernetes = cluster
        .server_version()
        .await
        .context("ask the API server for its version")?;
    let key = token_key(&client, &namespace).await?;
    let base = args
        .artifact_url
        .clone()
        .unwrap_or_else(|| BaseUrl::of_service(&namespace));

    let registry = Registry::new();
    let mut manager = Manager::new("velero", &registry)?
        .listen(args.metrics_address)
        .events(client.clone())
        .lease(LeaseConfig::new(
            lease.client().clone(),
            &namespace,
            LEASE,
            &args.identity.clone().unwrap_or_else(identity),
        ));
    let gate = manager.gate();
    let ports = Arc::new(Ports {
        cluster,
        exec: Arc::new(PodExec::new(engine.clone(), gate.clone())),
        engine: gated(&engine, gate.clone()),
        freezes: Claims::default(),
        gate,
        reporter: manager.recorder(),
        clock: Arc::new(System),
        namespace: namespace.clone(),
        scratch: args.scratch_dir.clone(),
        served,
        metrics: VeleroMetrics::new(&registry)?,
        settings: settings(
            &args,
            features,
            (kubernetes.git_version, kubernetes.major, kubernetes.minor),
            &enabled,
        ),
    });

    let backups: SharedWatch<Backup> = manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)));
    let restores: SharedWatch<Restore> = manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)));
    let schedules: SharedWatch<Schedule> = manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)));
    let locations: SharedWatch<BackupStorageLocation> =
        manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)));
    let downloads: SharedWatch<DownloadRequest> = manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)));
    let statuses: SharedWatch<ServerStatusRequest> =
        manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)));
    let records: SharedWatch<ConfigMap> =
        manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)).labels(record::LABEL));
    let freezes: SharedWatch<ConfigMap> =
        manager.watch(Watch::of(Api::namespaced(client.clone(), &namespace)).labels(freeze::LABEL));
    let secrets: SharedWatch<Secret> = manager
        .watch(Watch::of(Api::namespaced(client, &namespace)).fields(&format!("metadata.name={}", certificates::NAME)));

    let running = Running::default();
    // The queue says how many run. A deleted backup frees its place at once, while its run may take minutes to get away from a
    // store that does not answer: there is room for as many of those.
    let backup_operations = BackupOperations::at_most(ports.settings.concurrent_backups.saturating_mul(2));
    let restore_operations = RestoreOperations::new();
    let finder = Finder {
        backups: backups.clone(),
        restores: restores.clone(),
        locations: locations.clone(),
        namespace: namespace.clone(),
    };

    // Whatever this server may do: an application that an earlier one left frozen is thawed.
    manager.control(Controller::new(OpenFreezes::new(ports.clone()), &freezes).workers(THAW_WORKERS));
    // A location that becomes the default, or ceases to be, concerns all of them.
    let all_locations = locations.clone();
    manager.control(
        Controller::new(Locations::new(ports.clone(), locations.clone()), &locations)
            .workers(BUCKET_WORKERS)
            .on(&locations, move |_: &BackupStorageLocation| refs(&all_locations.list())),
    );
    if enabled(Queue::NAME) {
        let namespaces: SharedWatch<NamespaceMeta> = manager.watch(Watch::of(Api::all(ports.cluster.client().clone())));
        let queue = Queue::new(ports.clone(), backups.clone(), namespaces.clone());
        let (by_backup, by_namespace) = (backups.clone(), backups.clone());
        manager.control(
            // Two workers could give away one place twice.
            Controller::new(queue, &backups)
                .workers(1)
                // A place that becomes free, or a namespace, is for whoever waits.
                .on(&backups, move |_: &Backup| Queue::first(&by_backup))
                .on(&namespaces, move |_: &NamespaceMeta| Queue::first(&by_namespace)),
        );
    }
    if enabled(Backups::NAME) {
        let reconciler = Backups::new(
            ports.clone(),
            locations.clone(),
            backup_operations.clone(),
            running.clone(),
        );
        let under_way = backups.clone();
        manager.control(
            Controller::new(reconciler, &backups)
                .workers(ports.settings.concurrent_backups.max(BUCKET_WORKERS))
                .operations(&backup_operations)
                // Some wait for their location to be there again.
                .on(&locations, move |location: &BackupStorageLocation| {
                    Backups::under_way_in(location, &under_way)
                }),
        );
    }
    if enabled(Restores::NAME) {
        let reconciler = Restores::new(
            ports.clone(),
            backups.clone(),
            locations.clone(),
            restore_operations.clone(),
            running.clone(),
        );
        let deleted = restores.clone();
        manager.control(
            Controller::new(reconciler, &restores)
                .workers(BUCKET_WORKERS)
                .operations(&restore_operations)
                // Some wait for a location that can be used, to remove their files.
                .on(&locations, move |_: &BackupStorageLocation| {
                    refs(&deleted.list_where(|r| r.metadata.deletion_timestamp.is_some()))
                }),
        );
    }
    let tidier = RunRecords::new(
        ports.clone(),
        backups.clone(),
        restores.clone(),
        locations.clone(),
        (backup_operations.clone(), restore_operations.clone()),
    );
    manager.control(
        Controller::new(tidier, &records)
            .workers(BUCKET_WORKERS)
            .on(&backups, RunRecords::of::<Backup>)
            .on(&restores, RunRecords::of::<Restore>),
    );
    if enabled(Sync::NAME) {
        manager.control(
            Controller::new(Sync::new(ports.clone(), backups.clone(), schedules.clone()), &locations)
                .workers(BUCKET_WORKERS),
        );
    }
    if enabled(DownloadRequests::NAME) {
        let reconciler = DownloadRequests::new(ports.clone(), finder.clone(), key.clone(), base.clone());
        manager.control(Controller::new(reconciler, &downloads).workers(BUCKET_WORKERS));
    }
    if enabled(StatusRequests::NAME) {
        manager.control(Controller::new(StatusRequests::new(ports.clone()), &statuses).workers(BUCKET_WORKERS));
    }

    let endpoint = Endpoint {
        ports: ports.clone(),
        finder,
        key,
        running,
        dry_runs: DryRuns::new(&engine),
    };
    let address = args.artifact_address;
    let names = base.names(&namespace);
    manager.control(Controller::new(Renewal::new(ports.clone(), names.clone()), &secrets).workers(1));
    let identity = Arc::new(Identity::new(ports.clone(), names, secrets));
    manager.task(When::Always, "artifacts", move |group| {
        let (endpoint, identity) = (endpoint.clone(), identity.clone());
        async move { endpoint.serve(address, &identity, group).await }
    });
    manager.task(When::Always, "object counts", move |group| {
        let (ports, backups, restores) = (ports.clone(), backups.clone(), restores.clone());
        async move { count_objects(&ports, &backups, &restores, group).await }
    });
    tracing::info!(
        service = SERVICE,
        "serving artifacts and metrics; waiting for the stores and the lease"
    );
    manager.run().await?;
    Ok(())
}

fn refs<K: crate::runtime::Kind>(objects: &[Arc<K>]) -> Vec<ObjectRef<K>> {
    objects.iter().map(|object| ObjectRef::from_obj(&**object)).collect()
}

/// The gauges that count objects (spec server 7.1), once a minute as upstream has them.
async fn count_objects(
    ports: &Ports,
    backups: &SharedWatch<Backup>,
    restores: &SharedWatch<Restore>,
    group: crate::runtime::task::Group,
) -> Result<(), std::convert::Infallible> {
    let mut tick = tokio::time::interval(Duration::from_mins(1));
    loop {
        tokio::select! {
            () = group.stop().cancelled() => return Ok(()),
            _ = tick.tick() => {
                ports.metrics.backups(backups.list().len());
                ports.metrics.restores(restores.list().len());
            }
        }
    }
}

fn settings(
    args: &ServerArgs,
    features: &BTreeSet<String>,
    kubernetes: (String, String, String),
    enabled: &dyn Fn(&str) -> bool,
) -> Settings {
    let minute = Duration::from_mins(1);
    Settings {
        default_location: args.default_backup_storage_location.clone(),
        default_ttl: args.default_backup_ttl,
        item_operation_timeout: args.default_item_operation_timeout,
        resource_timeout: args.resource_timeout,
        terminating_timeout: args.terminating_resource_timeout,
        validation_frequency: args.store_validation_frequency,
        sync_period: if args.backup_sync_period.is_zero() {
            minute
        } else {
            args.backup_sync_period
        },
        volume_group_label: args.volume_group_snapshot_label_key.clone(),
        default_volumes_to_fs_backup: args.default_volumes_to_fs_backup,
        default_snapshot_move_data: args.default_snapshot_move_data,
        concurrent_backups: args.concurrent_backups.max(1),
        every_version: features.contains(FEATURE_API_GROUP_VERSIONS),
        item_block_workers: args.item_block_worker_count.max(1),
        restore: RestoreOptions {
            priorities: args.restore_resource_priorities.clone(),
            resource_timeout: args.resource_timeout,
            terminating_timeout: args.terminating_resource_timeout,
            managed_fields: args.restore_managed_fields,
            ..RestoreOptions::default()
        },
        restore_spool_limit: args
            .restore_spool_limit
            .unwrap_or_else(|| scratch::spool_limit(&args.scratch_dir)),
        log_level: args.log_level,
        log_format: args.log_format,
        kubernetes,
        runs_backups: enabled(Backups::NAME),
    }
}

/// Who we are in the leader election: a restarted container of the same pod is the same (decision 8).
fn identity() -> String {
    match (std::env::var("POD_UID"), std::env::var("CONTAINER_NAME")) {
        (Ok(pod), container) if !pod.is_empty() => {
            format!("{pod}_{}", container.unwrap_or_else(|_| "velero".to_owned()))
        }
        // Outside a pod nothing outlives the process.
        _ => format!("process_{}_{}", std::process::id(), uuid::Uuid::new_v4()),
    }
}

/// The key that all replicas sign tokens with; whoever comes first makes it.
async fn token_key(client: &kube::Client, namespace: &str) -> anyhow::Result<Key> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let read = |secret: Secret| {
        let bytes = secret
            .data
            .and_then(|mut data| data.remove("key"))
            .map(|b| b.0)
            .unwrap_or_default();
        Key::from_bytes(&bytes).with_context(|| {
            format!("secret \"{TOKEN_SECRET}\" holds no key; delete it, a new one is made at the next start")
        })
    };
    if let Some(secret) = api
        .get_opt(TOKEN_SECRET)
        .await
        .context("read the key of artifact tokens")?
    {
        return read(secret);
    }
    let key = Key::random();
    let secret = Secret {
        metadata: kube::api::ObjectMeta {
            name: Some(TOKEN_SECRET.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([("component".to_owned(), "velero".to_owned())].into()),
            ..Default::default()
        },
        data: Some([("key".to_owned(), ByteString(key.as_bytes().to_vec()))].into()),
        ..Secret::default()
    };
    match api.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(key),
        Err(kube::Error::Api(status)) if status.is_already_exists() => read(api.get(TOKEN_SECRET).await?),
        Err(error) => Err(error).context("write the key of artifact tokens"),
    }
}
