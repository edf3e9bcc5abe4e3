//! `velero node-agent`: not part of this release. The command exists with any flags, so that a DaemonSet of another release
//! fails with one sentence in its log and not with a page of usage.

/// The arguments after `node-agent`.
#[derive(Debug, clap::Args)]
pub struct NodeAgent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl NodeAgent {
    /// Fails. A pod that kept running would look as if it moved data.
    pub fn run(&self) -> anyhow::Result<()> {
        anyhow::bail!(
            "this release has no node agent, so volume data is neither backed up nor restored; remove the DaemonSet (`deployNodeAgent: false` in the community chart), it is not needed to back up and restore Kubernetes objects"
        )
    }
}
