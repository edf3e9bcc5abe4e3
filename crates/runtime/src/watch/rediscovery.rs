//! Announces changes of discovery.

use tokio::sync::watch;

/// Announces to the watches of optional kinds that what the server serves has changed. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Rediscovery(watch::Sender<()>);

impl Rediscovery {
    /// Nothing was announced yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is served has changed: kinds that were missing are tried again at once.
    pub fn announce(&self) {
        self.0.send_replace(());
    }

    pub(super) fn follow(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
