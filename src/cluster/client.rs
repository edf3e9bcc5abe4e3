//! A connection to an API server.

use std::time::Duration;

use kube::Client;

/// A connection to an API server; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    deadline: Duration,
}

impl Cluster {
    /// A client that exists already (a fake server in tests).
    pub fn from_client(client: Client) -> Self {
        Self {
            client,
            deadline: Duration::from_secs(70),
        }
    }

    /// The client for typed APIs and watches.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// No single request takes longer than this.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}
