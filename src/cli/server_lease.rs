//! The Lease of the leading server: shows whether a server runs in a namespace, so that a command does not wait for one that does
//! not.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use tokio::time::Instant;

use crate::cli::objects::RequestError;
use crate::cli::server::LEASE;
use crate::runtime::clock::{Clock as _, System};

/// How long to wait for a change of a lease that has no holder or has expired by this machine's clock. A server renews its lease
/// every two seconds, and a standby or a starting server takes it within that time. Clocks of two machines differ.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(4);
/// The duration of a lease that sets none.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// The state of the server, from its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerState {
    /// A server runs, as far as is known.
    Running,
    /// The lease was not renewed in time; with the time of the last renewal, if there was one.
    Stopped(Option<Timestamp>),
    /// There is no lease: no server runs, or a server of another release.
    NoLease,
    /// The user may not read the lease.
    Forbidden,
}

/// The lease of the server in a namespace.
pub(super) struct ServerLease {
    leases: Api<Lease>,
    last: Option<Observation>,
}

/// What was read of the lease.
#[derive(Clone, Debug, PartialEq)]
struct Observation {
    holder: String,
    renewed: Option<Timestamp>,
    /// When these values were first read, and how long they may stay the same.
    since: Instant,
    timeout: Duration,
}

impl ServerLease {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            last: None,
        }
    }

    /// Reads the lease. To be called about once a second.
    ///
    /// # Errors
    /// The lease cannot be read for another reason than a missing permission.
    pub(super) async fn state(&mut self) -> Result<ServerState, RequestError> {
        let lease = match self.leases.get_opt(LEASE).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ok(ServerState::NoLease),
            Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(ServerState::Forbidden),
            Err(error) => return Err(RequestError::of(error, "leases.coordination.k8s.io")),
        };
        let spec = lease.spec.unwrap_or_default();
        let observed = observe(self.last.as_ref(), &spec, Instant::now(), System.now());
        let state = if observed.since.elapsed() <= observed.timeout {
            ServerState::Running
        } else {
            ServerState::Stopped(observed.renewed)
        };
        self.last = Some(observed);
        Ok(state)
    }

    /// Whether the command keeps waiting for the server. It does without the right to read the lease.
    ///
    /// # Errors
    /// As of [`ServerLease::state`].
    pub(super) async fn may_answer(&mut self) -> Result<bool, RequestError> {
        Ok(matches!(
            self.state().await?,
            ServerState::Running | ServerState::Forbidden
        ))
    }
}

/// The observation of a lease after the one before. `clock` is the time of this machine.
fn observe(before: Option<&Observation>, lease: &LeaseSpec, now: Instant, clock: Timestamp) -> Observation {
    let holder = lease.holder_identity.clone().unwrap_or_default();
    let renewed = lease.renew_time.as_ref().map(|time| time.0);
    if let Some(before) = before.filter(|before| before.holder == holder && before.renewed == renewed) {
        return before.clone();
    }
    let seconds = lease
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let duration = seconds
        .filter(|seconds| *seconds > 0)
        .map_or(DEFAULT_DURATION, Duration::from_secs);
    let is_fresh = renewed.is_some_and(|renewed| clock.duration_since(renewed).unsigned_abs() <= duration);
    let is_held = !holder.is_empty();
    Observation {
        timeout: if is_held && (before.is_some() || is_fresh) {
            duration
        } else {
            CHANGE_TIMEOUT
        },
        holder,
        renewed,
        since: now,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn lease(holder: &str, renewed: i64, seconds: Option<i32>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: seconds,
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_counts_as_stopped_when_its_lease_does_not_change() {
        let clock = Timestamp::from_second(1_000).unwrap();
        let first = |lease: &LeaseSpec| observe(None, lease, Instant::now(), clock).timeout.as_secs();
        // The first lease that is read -> the seconds it may stay the same.
        for (spec, seconds) in [
            (lease("a", 995, Some(10)), 10),
            (lease("a", 995, Some(4)), 4),
            (lease("a", 995, Some(0)), 10),
            (lease("a", 995, None), 10),
            // The server's clock is ahead, a little and much.
            (lease("a", 1_005, Some(10)), 10),
            (lease("a", 5_000, Some(10)), 4),
            (lease("a", 900, Some(10)), 4),
            (lease("", 999, Some(1)), 4),
            (LeaseSpec::default(), 4),
        ] {
            assert_eq!(first(&spec), seconds, "{spec:?}");
        }
        // A lease that changes belongs to a running server, whatever the clocks show.
        let stale = observe(None, &lease("a", 100, Some(10)), Instant::now(), clock);
        tokio::time::advance(Duration::from_secs(2)).await;
        let renewed = observe(Some(&stale), &lease("a", 102, Some(10)), Instant::now(), clock);
        assert_eq!((renewed.timeout.as_secs(), renewed.since), (10, Instant::now()));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            observe(Some(&renewed), &lease("a", 102, Some(10)), Instant::now(), clock),
            renewed
        );
        let taken_over = observe(Some(&renewed), &lease("b", 102, Some(10)), Instant::now(), clock);
        assert_eq!(taken_over.since, Instant::now());
        let released = observe(Some(&renewed), &lease("", 104, Some(1)), Instant::now(), clock);
        assert_eq!(released.timeout, CHANGE_TIMEOUT);
    }
}
