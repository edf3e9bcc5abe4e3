//! The engines' connection, which writes only while we lead (decision 8): they know no gate.

use crate::cluster::Cluster;
use crate::runtime::lease::{self, WriteGate};

/// The same connection; a request that is no read is not sent late, and not waited for beyond the lease.
pub fn gated(cluster: &Cluster, gate: WriteGate) -> Cluster {
    Cluster::from_client(lease::gated(cluster.client(), gate))
}
