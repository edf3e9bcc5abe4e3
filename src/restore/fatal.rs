//! Why a restore ended without a report.

use crate::cluster::discovery::DiscoveryError;
use crate::restore::actions::ActionError;
use crate::restore::ledger_sink::SinkError;
use crate::select::labels::SelectorError;

/// Why a run ended without a report. The ledger has its results until then.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The spec has features that this release does not support. Nothing was restored.
    #[error("the restore needs features that this release does not support: {}", .0.join("; "))]
    Unsupported(Vec<String>),
    /// The spec names objects that the backup does not have, so the result would not be the intended one. Nothing was restored.
    #[error("the restore is refused: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// A label selector cannot be read. Nothing was restored.
    #[error("read the label selectors of the restore: {0}")]
    Selector(#[from] SelectorError),
    /// An action did not return what it applies to. Nothing was restored.
    #[error("prepare the restore item actions: {0}")]
    Actions(#[from] ActionError),
    /// The API server did not list its types. Nothing was restored; may be tried again.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The first record of the run could not be written. Nothing was restored; may be tried again.
    #[error(transparent)]
    LedgerNotStored(SinkError),
    /// It was cancelled; it can be resumed with the ledger.
    #[error("the restore was interrupted")]
    Cancelled,
}
