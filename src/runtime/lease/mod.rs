//! Leader election by a Lease.

mod gate;

use std::time::Duration;

use kube::Client;

pub use gate::{NotLeading, WriteGate};

/// Which lease to hold, as whom and for how long.
#[derive(Clone)]
pub struct LeaseConfig {
    /// Talks to the API server.
    pub client: Client,
    /// Where the Lease is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are: the pod's uid and the container's name, so that a restarted container takes its own lease back at once.
    pub identity: String,
    /// How long others must see no renewal before they may take the lease.
    pub duration: Duration,
    /// How often to renew, or to look whether the lease is free.
    pub retry: Duration,
    /// How long before its end we behave as if the lease were lost.
    pub margin: Duration,
}

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
        }
    }
}
