//! Whether there is a server that could answer. A server of this release renews its Lease; a Go server has none, and is
//! waited for until the time limit.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::time::{Instant, sleep};

use super::forward::PODS;
use crate::cli::server::LEASE;
use crate::cli::terminal;
use crate::runtime::clock::{Clock, System};

/// An answer that comes sooner is not waited for aloud, and the Lease is not looked at.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Between two looks at the Lease.
const LOOKS: Duration = Duration::from_secs(1);

/// After this long the user is shown what is waited for.
const NOTICE: Duration = Duration::from_secs(3);

/// A server renews its Lease every two seconds. A Lease that was not renewed for this long, and has run out by our clock too,
/// is nobody's.
const UNRENEWED: Duration = Duration::from_secs(4);

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    version: String,
    holder: String,
    renewed: Option<Timestamp>,
    duration: Duration,
}

impl Held {
    fn of(lease: Lease) -> Self {
        let spec = lease.spec.unwrap_or_default();
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            version: lease.metadata.resource_version.unwrap_or_default(),
            holder: spec.holder_identity.unwrap_or_default(),
            renewed: spec.renew_time.map(|time| time.0),
            duration: Duration::from_secs(seconds.unwrap_or(10)),
        }
    }

    /// Whether no server holds the Lease, after it was seen `unchanged` for so long. The clock of the server need not agree
    /// with ours: a Lease that seems to have run out may be renewed under our eyes.
    fn is_abandoned(&self, unchanged: Duration, now: Timestamp) -> bool {
        let over = self.holder.is_empty()
            || self
                .renewed
                .is_none_or(|renewed| now.duration_since(renewed).unsigned_abs() > self.duration && now > renewed);
        let enough = if over { UNRENEWED } else { self.duration + UNRENEWED };
        unchanged >= enough
    }
}

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
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let mut last: Option<(Held, Instant)> = None;
    sleep(FIRST_LOOK).await;
    loop {
        // Without a Lease it is a Go server, or the user may not look: nothing is known of it.
        let Ok(Some(lease)) = leases.get_opt(LEASE).await else {
            return std::future::pending().await;
        };
        let held = Held::of(lease);
        let since = match &last {
            Some((before, since)) if *before == held => *since,
            _ => Instant::now(),
        };
        if held.is_abandoned(since.elapsed(), System.now()) && !has_ready_pod(client, namespace).await {
            let renewed = held
                .renewed
                .map_or_else(String::new, |time| format!(" since {time:.0}"));
            return format!(
                "the Velero server does not run: its Lease {LEASE:?} in namespace {namespace:?} was not renewed{renewed}; check the velero deployment and its pods"
            );
        }
        last = Some((held, since));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_abandoned_when_it_has_run_out_and_is_not_renewed_under_our_eyes() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let held = |holder: &str, renewed: Option<i64>| Held {
            version: "1".to_owned(),
            holder: holder.to_owned(),
            renewed: renewed.map(at),
            duration: Duration::from_secs(10),
        };
        for (case, held, unchanged, now, want) in [
            ("renewed a moment ago", held("v", Some(100)), 4, 102, false),
            (
                "its time is over, seen for the first time",
                held("v", Some(100)),
                0,
                200,
                false,
            ),
            (
                "its time is over, the server's clock may be behind",
                held("v", Some(100)),
                3,
                200,
                false,
            ),
            (
                "its time is over, and four seconds passed",
                held("v", Some(100)),
                4,
                200,
                true,
            ),
            ("at the end of its time", held("v", Some(100)), 4, 110, false),
            ("given back", held("", Some(100)), 4, 101, true),
            ("given back a moment ago", held("", Some(100)), 3, 101, false),
            ("never renewed", held("v", None), 4, 101, true),
            ("the server's clock is ahead", held("v", Some(900)), 13, 200, false),
            (
                "the server's clock is ahead, and the whole time passed",
                held("v", Some(900)),
                14,
                200,
                true,
            ),
        ] {
            assert_eq!(
                held.is_abandoned(Duration::from_secs(unchanged), at(now)),
                want,
                "{case}"
            );
        }
    }
}
