//! What an open deletion waits for, as its condition and event say it.

use jiff::Timestamp;

use crate::api::condition::{self, ConditionStatus};
use crate::api::time;
use crate::api::v1::DeleteBackupRequest;

use super::external::ExternalData;

/// The condition of a deletion that does not go on.
const BLOCKED: &str = "Blocked";

/// The condition of a deletion that would leave something behind.
const LEFTOVERS: &str = "Leftovers";

/// Names in a message before the rest is only counted.
const NAMED: usize = 10;

/// On a request: `"true"` ends the deletion although something cannot be removed.
pub const LEAVING_LEFTOVERS: &str = "velero.io/delete-leaving-leftovers";

/// What an open deletion waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Restores read the backup.
    RestoreRunning(Vec<String>),
    /// Restores of the backup are being deleted.
    RestoresRemain(Vec<String>),
    /// The location does not exist.
    LocationGone(String),
    /// The location cannot be used now.
    LocationUnavailable(String),
    /// Nothing may be deleted in the location.
    LocationReadOnly(String),
    /// Data that this release cannot remove.
    Leftovers {
        /// The namespace of the request.
        namespace: String,
        /// The request.
        request: String,
        /// What there is.
        data: Vec<ExternalData>,
    },
    /// Finalizers of others keep the Backup.
    BackupKept(Vec<String>),
    /// A pass failed.
    Failed {
        /// The reason of the error.
        reason: &'static str,
        /// Its text.
        message: String,
    },
}

impl Wait {
    /// The reason of the condition and of the event.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RestoreRunning(_) => "RestoreRunning",
            Self::RestoresRemain(_) => "RestoresRemain",
            Self::LocationGone(_) => "LocationGone",
            Self::LocationUnavailable(_) => "LocationUnavailable",
            Self::LocationReadOnly(_) => "LocationReadOnly",
            Self::Leftovers { .. } => "LeftoversFound",
            Self::BackupKept(_) => "BackupKept",
            Self::Failed { reason, .. } => reason,
        }
    }

    /// Whether it goes on by what the server does itself, so that it is no halt.
    pub fn is_progress(&self) -> bool {
        matches!(self, Self::RestoreRunning(_) | Self::RestoresRemain(_))
    }

    fn condition(&self) -> &'static str {
        match self {
            Self::Leftovers { .. } => LEFTOVERS,
            _ => BLOCKED,
        }
    }

    /// For users.
    pub fn message(&self) -> String {
        match self {
            Self::RestoreRunning(restores) => format!(
                "the backup is deleted when its restores have ended: {}; to end it sooner, delete them",
                listed(restores)
            ),
            Self::RestoresRemain(restores) => format!(
                "restores of the backup are being deleted: {}; check `velero restore get`",
                listed(restores)
            ),
            Self::LocationGone(location) => format!(
                "storage location `{location}` does not exist, and the files of the backup cannot be removed; create it again, or annotate this request with `{LEAVING_LEFTOVERS}=true` to leave them"
            ),
            Self::LocationUnavailable(location) => format!(
                "the files of the backup cannot be removed while storage location `{location}` is unavailable; check `velero backup-location get`"
            ),
            Self::LocationReadOnly(location) => format!(
                "the files of the backup cannot be removed while storage location `{location}` is read-only; make it ReadWrite again"
            ),
            Self::Leftovers {
                namespace,
                request,
                data,
            } => format!(
                "the backup has data that this release cannot remove: {}. To delete the backup and leave them: kubectl annotate -n {namespace} deletebackuprequest {request} {LEAVING_LEFTOVERS}=true",
                listed(data)
            ),
            Self::BackupKept(finalizers) => format!(
                "the files of the backup are removed, and its object is kept by finalizers: {}",
                listed(finalizers)
            ),
            Self::Failed { message, .. } => message.clone(),
        }
    }

    /// Shows it in the request. True if the request did not show this reason before.
    ///
    /// The text of a failure may differ from pass to pass, and each write leads to a pass: while the reason is the same, the first text stays.
    pub fn show(&self, request: &mut DeleteBackupRequest, now: Timestamp) -> bool {
        let (conditions, now) = (&mut request.status.conditions, time(now));
        for other in [BLOCKED, LEFTOVERS] {
            let is_true = condition::find(conditions, other).is_some_and(|c| c.status == ConditionStatus::True);
            if other != self.condition() && is_true {
                condition::set(conditions, other, ConditionStatus::False, "Released", "", &now);
            }
        }
        let shown = condition::find(conditions, self.condition());
        let is_new = shown.is_none_or(|c| c.status != ConditionStatus::True || c.reason != self.reason());
        if is_new || !matches!(self, Self::Failed { .. }) {
            let (reason, message) = (self.reason(), self.message());
            condition::set(
                conditions,
                self.condition(),
                ConditionStatus::True,
                reason,
                message,
                &now,
            );
        }
        is_new
    }
}

/// Some names, and how many more there are.
fn listed<T: ToString>(things: &[T]) -> String {
    let named: Vec<String> = things.iter().take(NAMED).map(ToString::to_string).collect();
    let named = named.join(", ");
    match things.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_condition_holds_at_a_time_and_a_failure_is_written_once() {
        let now = Timestamp::UNIX_EPOCH;
        let mut request = DeleteBackupRequest::new("velero", "d");
        let failed = |message: &str| Wait::Failed {
            reason: "FilesNotRemoved",
            message: message.to_owned(),
        };
        assert!(failed("request 1").show(&mut request, now));
        let before = request.clone();
        assert!(!failed("request 2").show(&mut request, now));
        assert_eq!(request, before);
        let leftovers = Wait::Leftovers {
            namespace: "velero".to_owned(),
            request: "d".to_owned(),
            data: Vec::new(),
        };
        assert!(leftovers.show(&mut request, now));
        let state = |type_| {
            let found = condition::find(&request.status.conditions, type_).unwrap();
            (found.status.to_string(), found.reason.clone())
        };
        assert_eq!(state(BLOCKED), ("False".to_owned(), "Released".to_owned()));
        assert_eq!(state(LEFTOVERS), ("True".to_owned(), "LeftoversFound".to_owned()));
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<u32> = (0..12).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
