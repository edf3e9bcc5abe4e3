//! What a server asks of its cluster before its controllers start.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::cluster::Cluster;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::status::Conditions;
use crate::controllers::context::{Context, ItemActions};
use crate::controllers::freeze::{FreezeLocks, PodExec};
use crate::controllers::gated::gated;
use crate::controllers::run::cancel::Cancels;
use crate::controllers::served::{self, Served};
use crate::controllers::write::ObjectWriter;
use crate::runtime::Manager;
use crate::runtime::clock::System;
use crate::telemetry::metrics::Registry;
use crate::telemetry::velero::VeleroMetrics;

use super::flags::ServerArgs;
use super::settings::settings;

/// How a server reaches its cluster.
pub struct Connection {
    /// With retries of transient errors, and the user's rate limit.
    pub cluster: Cluster,
    /// Without a retry layer.
    pub engine: Cluster,
    /// For the lease alone, outside of the user's limit: behind much work it would be renewed too late.
    pub lease: Cluster,
    /// The namespace Velero lives in.
    pub namespace: String,
}

/// What the controllers share.
///
/// # Errors
/// The namespace is not there, the API server does not serve our kinds, or it was not reached.
pub(super) async fn context(
    args: &ServerArgs,
    features: &BTreeSet<String>,
    connection: &Connection,
    manager: &Manager,
    registry: &Registry,
    runs_backups: bool,
) -> anyhow::Result<Arc<Context>> {
    let Connection {
        cluster,
        engine,
        namespace,
        ..
    } = connection;
    Api::<Namespace>::all(cluster.client().clone())
        .get(namespace)
        .await
        .with_context(|| format!("find namespace \"{namespace}\"; check --namespace and the server's rights"))?;
    let served = served(cluster).await?;
    let kubernetes = cluster
        .server_version()
        .await
        .context("ask the API server for its version")?;
    let kubernetes = (kubernetes.git_version, kubernetes.major, kubernetes.minor);
    let (gate, events) = (manager.gate(), manager.recorder());
    Ok(Arc::new(Context {
        cluster: cluster.clone(),
        exec: Arc::new(PodExec::new(engine.clone(), gate.clone())),
        engine: gated(engine, gate.clone()),
        freezes: FreezeLocks::default(),
        cancels: Cancels::default(),
        writer: ObjectWriter::new(cluster.clone(), served, gate.clone(), events.clone()),
        gate,
        events,
        clock: Arc::new(System),
        namespace: namespace.clone(),
        scratch: args.scratch_dir.clone(),
        actions: item_actions(cluster),
        metrics: VeleroMetrics::new(registry)?,
        settings: settings(args, features, kubernetes, runs_backups),
    }))
}

/// The actions besides the built-in ones: none yet.
fn item_actions(cluster: &Cluster) -> ItemActions {
    #[cfg(feature = "testing")]
    if std::env::var_os(crate::testing::item_action::VARIABLE).is_some() {
        return crate::testing::item_action::both(cluster);
    }
    let _ = cluster;
    ItemActions::default()
}

/// How the API server serves our kinds; warns of what this costs.
async fn served(cluster: &Cluster) -> anyhow::Result<Served> {
    let discovery = Discovery::read(cluster)
        .await
        .context("ask the API server what it serves")?;
    for (group, reason) in discovery.failed_groups() {
        tracing::warn!(group, reason, "an API group cannot be discovered; the others are used");
    }
    let kept = served::kept_conditions(cluster, &discovery).await?;
    let keeps = |resource: &Resource| kept.get(&resource.plural).copied().unwrap_or(Conditions::Pruned);
    let fails_downloads = served::fails_downloads(cluster, &discovery).await?;
    let served = Served::find(&discovery, &keeps)?.failing_downloads(fails_downloads);
    let pruned = served.without_conditions();
    if !pruned.is_empty() {
        tracing::warn!(
            kinds = pruned.join(","),
            "these definitions do not keep conditions, so none are written; apply this release's manifests/crds for them"
        );
    }
    Ok(served)
}
