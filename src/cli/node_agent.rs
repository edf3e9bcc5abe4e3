//! `velero node-agent`: not there yet. The command is known all the same, whatever its flags: a DaemonSet that was made for
//! another release ends with one sentence about that in its log, not with a page of usage.

/// The words after `node-agent`.
#[derive(Debug, clap::Args)]
pub struct NodeAgent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

impl NodeAgent {
    /// Refuses. A pod that stayed up would seem to carry data.
    pub fn run(&self) -> anyhow::Result<()> {
        anyhow::bail!(
            "this release has no node agent, so the data of volumes is neither backed up nor restored; remove the DaemonSet (`deployNodeAgent: false` in the community chart), backups and restores of Kubernetes objects do not need it"
        )
    }
}
