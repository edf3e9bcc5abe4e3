//! Whether a server works in a namespace, by the Lease of its leader: waiting for a server that does not run is in vain.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use tokio::time::Instant;

use crate::cli::objects::RequestError;
use crate::cli::server::LEASE;
use crate::runtime::clock::{Clock as _, System};

/// How long a lease without a holder, or one that is over by our clock, is watched: a server renews it every two seconds, a
/// standby or a server that starts takes it within that time, and clocks of two machines differ.
const CHANGE: Duration = Duration::from_secs(4);
/// How long a lease lasts that does not say so.
const USUAL: Duration = Duration::from_secs(10);

/// What the lease says of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// There is a server, as far as is known.
    Alive,
    /// The lease was not renewed in time; since when, if it ever was.
    Stopped(Option<Timestamp>),
    /// There is no lease: no server, or one of another release.
    NoLease,
    /// The user may not read the lease.
    Forbidden,
}

/// The heartbeat of the server in a namespace.
pub(super) struct Heartbeat {
    leases: Api<Lease>,
    seen: Option<Seen>,
}

/// What was seen of the lease.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    holder: String,
    renewed: Option<Timestamp>,
    /// Since when it is so, and how long that may be.
    since: Instant,
    patience: Duration,
}

impl Heartbeat {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            seen: None,
        }
    }

    /// Looks at the lease. To be asked about once a second.
    ///
    /// # Errors
    /// The lease cannot be read for another reason than a missing right.
    pub(super) async fn beat(&mut self) -> Result<Beat, RequestError> {
        let lease = match self.leases.get_opt(LEASE).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ok(Beat::NoLease),
            Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(Beat::Forbidden),
            Err(error) => return Err(RequestError::of(error, "leases.coordination.k8s.io")),
        };
        let spec = lease.spec.unwrap_or_default();
        let seen = look(self.seen.as_ref(), &spec, Instant::now(), System.now());
        let beat = if seen.since.elapsed() <= seen.patience {
            Beat::Alive
        } else {
            Beat::Stopped(seen.renewed)
        };
        self.seen = Some(seen);
        Ok(beat)
    }

    /// Whether to go on waiting for a server that alone can do what is waited for. The right to wait does not include the
    /// right to read the lease.
    ///
    /// # Errors
    /// As of [`Heartbeat::beat`].
    pub(super) async fn may_answer(&mut self) -> Result<bool, RequestError> {
        Ok(matches!(self.beat().await?, Beat::Alive | Beat::Forbidden))
    }
}

/// What a look at the lease gives, after what was seen before.
fn look(before: Option<&Seen>, lease: &LeaseSpec, now: Instant, clock: Timestamp) -> Seen {
    let holder = lease.holder_identity.clone().unwrap_or_default();
    let renewed = lease.renew_time.as_ref().map(|time| time.0);
    if let Some(before) = before.filter(|before| before.holder == holder && before.renewed == renewed) {
        return before.clone();
    }
    let seconds = lease
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let lasts = seconds
        .filter(|seconds| *seconds > 0)
        .map_or(USUAL, Duration::from_secs);
    let is_fresh = renewed.is_some_and(|renewed| clock.duration_since(renewed).unsigned_abs() <= lasts);
    let is_held = !holder.is_empty();
    Seen {
        patience: if is_held && (before.is_some() || is_fresh) {
            lasts
        } else {
            CHANGE
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
    async fn a_server_is_given_up_when_its_lease_stands_still() {
        let clock = Timestamp::from_second(1_000).unwrap();
        let first = |lease: &LeaseSpec| look(None, lease, Instant::now(), clock).patience.as_secs();
        // the lease at the first look -> seconds it is watched
        for (spec, seconds) in [
            (lease("a", 995, Some(10)), 10),
            (lease("a", 995, Some(4)), 4),
            (lease("a", 995, Some(0)), 10),
            (lease("a", 995, None), 10),
            // A clock that is ahead, a little and much.
            (lease("a", 1_005, Some(10)), 10),
            (lease("a", 5_000, Some(10)), 4),
            (lease("a", 900, Some(10)), 4),
            (lease("", 999, Some(1)), 4),
            (LeaseSpec::default(), 4),
        ] {
            assert_eq!(first(&spec), seconds, "{spec:?}");
        }
        // What changes is alive, whatever the clocks say.
        let stale = look(None, &lease("a", 100, Some(10)), Instant::now(), clock);
        tokio::time::advance(Duration::from_secs(2)).await;
        let renewed = look(Some(&stale), &lease("a", 102, Some(10)), Instant::now(), clock);
        assert_eq!((renewed.patience.as_secs(), renewed.since), (10, Instant::now()));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            look(Some(&renewed), &lease("a", 102, Some(10)), Instant::now(), clock),
            renewed
        );
        let taken_over = look(Some(&renewed), &lease("b", 102, Some(10)), Instant::now(), clock);
        assert_eq!(taken_over.since, Instant::now());
        let given_back = look(Some(&renewed), &lease("", 104, Some(1)), Instant::now(), clock);
        assert_eq!(given_back.patience, CHANGE);
    }
}
