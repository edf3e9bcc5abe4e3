//! Whether a server runs that can answer a request. A server of this release renews its Lease. A Go server has none, so the
//! request then waits until the time limit.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::time::sleep;

use super::forward::PODS;
use crate::cli::server::LEASE;
use crate::cli::server_lease::{ServerLease, ServerState};
use crate::cli::terminal;

/// The Lease is first read after this time: most answers arrive sooner.
const FIRST_CHECK: Duration = Duration::from_secs(1);

/// How often the Lease is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// After this time the user is informed of the wait.
const NOTICE: Duration = Duration::from_secs(3);

/// Returns the error for the user once it is certain that no server runs; never returns otherwise. Prints to standard error
/// that it waits.
pub(super) async fn not_running(client: &Client, namespace: &str, limit: Duration) -> String {
    tokio::select! {
        why = until_stopped(client, namespace) => why,
        never = print_notice(limit) => never,
    }
}

async fn print_notice(limit: Duration) -> String {
    sleep(NOTICE).await;
    terminal::eprintln(&format!(
        "waiting for the Velero server to answer the download request, for at most {} s",
        limit.as_secs()
    ));
    std::future::pending().await
}

async fn until_stopped(client: &Client, namespace: &str) -> String {
    let mut lease = ServerLease::new(client, namespace);
    sleep(FIRST_CHECK).await;
    loop {
        let renewed = match lease.state().await {
            Ok(ServerState::Running) => None,
            Ok(ServerState::Stopped(renewed)) => Some(renewed),
            // No Lease: a Go server. Forbidden: the state of the server is unknown.
            Ok(ServerState::NoLease | ServerState::Forbidden) | Err(_) => return std::future::pending().await,
        };
        if let Some(renewed) = renewed
            && !has_ready_pod(client, namespace).await
        {
            let since = renewed.map_or_else(String::new, |time| format!(" since {time:.0}"));
            return format!(
                "the Velero server is not running: its Lease {LEASE:?} in namespace {namespace:?} has not been renewed{since}; check the velero deployment and its pods"
            );
        }
        sleep(INTERVAL).await;
    }
}

/// Whether a server's pod is ready. It may be a Go server that replaced a server of this release.
async fn has_ready_pod(client: &Client, namespace: &str) -> bool {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let Ok(found) = pods.list(&ListParams::default().labels(PODS)).await else {
        return false;
    };
    found.items.iter().any(|pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}
