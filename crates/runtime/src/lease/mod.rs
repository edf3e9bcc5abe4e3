//! Leader election by a `coordination.k8s.io/v1` Lease, in the form that client-go and `kubectl` know.
//!
//! The rule is about time, measured by this process's monotonic clock only:
//!
//! ```text
//!   renewal sent             writes may start                    margin           end
//!   |--------------------------------------------------------------|---------------|
//!   |    the next renewals are tried every retry period            | group stops,  | others may
//!   |    each success moves everything to the right                | writes end    | take the lease
//! ```
//!
//! The end counts from when a renewal was *sent*; other processes count from when they *see* it, which is later. A process that does not see the
//! lease change for its whole duration may take it, whatever times are in it.
//!
//! `election` decides, `elector` talks to the API server, [`WriteGate`] holds writes to the rule, and the
//! [manager](super::manager) stops the leader's group.

pub(crate) mod client;
mod election;
mod elector;
mod gate;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;

pub use self::client::{gated, is_not_leading};
pub use self::gate::{NotLeading, WriteGate, WriteLayer};

pub(crate) use self::elector::Elector;

/// Which lease to hold, under which identity and for how long.
#[derive(Clone)]
pub struct LeaseConfig {
    /// The client of the API server.
    pub client: Client,
    /// The namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The identity of the holder: the pod's uid and the container's name, so that a restarted container takes its own lease back at once.
    /// Two processes that run at the same time must have different ones.
    pub identity: String,
    /// How long other processes must see no renewal before they may take the lease. Whole seconds.
    pub duration: Duration,
    /// How often to renew the lease, or to check whether it is free.
    pub retry: Duration,
    /// How long before its end this process behaves as if the lease were lost. At least two retries must fit before that.
    pub margin: Duration,
    /// Called with the names of the tasks that still run when the lease is over. By default it ends the process.
    pub on_overrun: OnOverrun,
}

/// The action on tasks that do not stop in time.
pub type OnOverrun = Arc<dyn Fn(&[String]) + Send + Sync>;

impl LeaseConfig {
    /// Ten seconds, renewed every two, three of margin.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            duration: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            margin: Duration::from_secs(3),
            on_overrun: Arc::new(abort),
        }
    }
}

/// Another process may lead from now on, and no task of this one may run any more. Ending the process is the only way left.
fn abort(names: &[String]) {
    tracing::error!(
        tasks = names.join(", "),
        "tasks did not stop before the lease was over; ending the process"
    );
    std::process::abort();
}

impl fmt::Debug for LeaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseConfig")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("identity", &self.identity)
            .field("duration", &self.duration)
            .field("retry", &self.retry)
            .field("margin", &self.margin)
            .finish_non_exhaustive()
    }
}
