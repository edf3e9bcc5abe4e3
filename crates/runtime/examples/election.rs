//! Leader election with a standby: start it twice with different names. Only the leader writes. The standby watches, reports itself ready, and takes over
//! when the leader is stopped (at once) or killed (when its lease is over).
//!
//! ```text
//! cargo run -p kube-manager --example election -- first 8085 &
//! cargo run -p kube-manager --example election -- second 8086 &
//! curl localhost:8086/readyz            # standing by; `first` leads
//! curl localhost:8085/debug/manager     # each watch and queue
//! kill %1
//! ```

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use kube_manager::lease::LeaseConfig;
use kube_manager::metrics::Registry;
use kube_manager::{Class, Classify, Controller, Manager, Next, Reconciler, Watch, When, reasons};
use serde_json::json;

/// The label of the ConfigMaps that are marked.
const LABEL: &str = "example.com/marked";

/// Writes into each ConfigMap with the label which process led at the last pass.
struct Marker {
    api: Api<ConfigMap>,
    identity: String,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("mark the ConfigMap: {0}")]
    NotMarked(#[from] kube::Error),
}

impl Classify for Error {
    reasons!(NotMarked);

    fn class(&self) -> Class {
        match self {
            Self::NotMarked(error) => Class::of(error),
        }
    }
}

impl Reconciler for Marker {
    type Kind = ConfigMap;
    type Error = Error;
    const NAME: &'static str = "marker";
    const RESYNC: Duration = Duration::from_mins(1);

    async fn reconcile(&self, object: Arc<ConfigMap>) -> Result<Next, Error> {
        if object.annotations().get("leader") != Some(&self.identity) {
            let patch = Patch::Merge(json!({"metadata": {"annotations": {"leader": self.identity}}}));
            self.api
                .patch(&object.name_any(), &PatchParams::default(), &patch)
                .await?;
        }
        Ok(Next::Resync)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let mut arguments = std::env::args().skip(1);
    // In a pod: its uid and the container's name. Two processes that run at the same time must have different identities.
    let identity = arguments
        .next()
        .unwrap_or_else(|| format!("process-{}", std::process::id()));
    let port = arguments.next().map_or(Ok(8085), |port| port.parse::<u16>())?;
    let client = Client::try_default().await?;
    let lease = LeaseConfig::new(
        client.clone(),
        client.default_namespace(),
        "election-example",
        &identity,
    );
    let mut manager = Manager::new("election-example", &Registry::new())?
        .listen(([127, 0, 0, 1], port).into())
        .serve_diagnostics()
        .events(client.clone())
        .lease(lease);
    let watch = manager.watch(Watch::of(Api::<ConfigMap>::default_namespaced(client.clone())).labels(LABEL));
    let api = Api::default_namespaced(manager.client(&client));
    manager.control(Controller::new(Marker { api, identity }, &watch));
    // On every replica, also on a standby.
    let objects = watch.clone();
    manager.task(When::Always, "objects", move |group| {
        let objects = objects.clone();
        async move {
            let mut changes = objects.changes();
            while let Some(change) = group.stop().run_until_cancelled(changes.recv()).await {
                tracing::info!(objects = objects.len(), change = ?change.map(|change| change.key.name), "seen");
            }
            Ok::<_, std::convert::Infallible>(())
        }
    });
    manager.run().await?;
    Ok(())
}
