//! Whether there is a server that could answer. A server of this release renews its Lease; a Go server has none, and is
//! waited for until the time limit.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::time::sleep;

use super::forward::PODS;
use crate::cli::heartbeat::{Beat, Heartbeat};
use crate::cli::server::LEASE;
use crate::cli::terminal;

/// An answer that comes sooner is not waited for aloud, and the Lease is not looked at.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Between two looks at the Lease.
const LOOKS: Duration = Duration::from_secs(1);

/// After this long the user is shown what is waited for.
const NOTICE: Duration = Duration::from_secs(3);

/// Ends when it is certain that no server runs, with what to tell the user; never otherwise. Tells on standard error what
/// is waited for.
pub(super) async fn broken(client: &Client, namespace: &str, limit: Duration) -> String {
    tokio::select! {
        why = abandoned(client, namespace) => why,
        never = notice(limit) => never,
    }
}

/// Tells what is waited for, and goes on waiting.
async fn notice(limit: Duration) -> String {
    sleep(NOTICE).await;
    terminal::complain(&format!(
        "waiting for the Velero server to answer the download request, for at most {} s",
        limit.as_secs()
    ));
    std::future::pending().await
}

async fn abandoned(client: &Client, namespace: &str) -> String {
    let mut heartbeat = Heartbeat::new(client, namespace);
    sleep(FIRST_LOOK).await;
    loop {
        let renewed = match heartbeat.beat().await {
            Ok(Beat::Alive) => None,
            Ok(Beat::Stopped(renewed)) => Some(renewed),
            // Without a Lease it is a Go server; without the right to read it nothing is known.
            Ok(Beat::NoLease | Beat::Forbidden) | Err(_) => return std::future::pending().await,
        };
        if let Some(renewed) = renewed
            && !has_ready_pod(client, namespace).await
        {
            let since = renewed.map_or_else(String::new, |time| format!(" since {time:.0}"));
            return format!(
                "the Velero server does not run: its Lease {LEASE:?} in namespace {namespace:?} was not renewed{since}; check the velero deployment and its pods"
            );
        }
        sleep(LOOKS).await;
    }
}

/// Whether a pod of a server is ready: then it may be one of a Go server, where a server of this release ran before.
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
