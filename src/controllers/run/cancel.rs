//! Cancelling a run by the annotation `velero.io/cancel: "true"` of its object (decision 55).
//!
//! The annotation is the request, and the condition `Cancelled` the answer. What [`Cancels`] remembers is lost with the process: the next one
//! reads the annotation again, and counts its time anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::api::condition::{self, Condition, ConditionStatus};
use crate::api::{annotations, time};
use crate::runtime::Uid;

/// How long a cancelled run may put in order what it has begun. After that its object is Failed all the same.
pub const LIMIT: Duration = Duration::from_secs(25);

/// Why a cancelled run has failed.
pub const REASON: &str = "cancelled by the annotation velero.io/cancel";

/// The condition of an object that was asked to be cancelled.
const CONDITION: &str = "Cancelled";

/// Whether an object asks to be cancelled. That counts until its phase is final.
pub fn is_cancelled(meta: &ObjectMeta) -> bool {
    let value = meta.annotations.as_ref().and_then(|all| all.get(annotations::CANCEL));
    value.is_some_and(|value| value == "true")
}

/// Marks the end of a run as cancelled.
pub fn mark(conditions: &mut Vec<Condition>, message: &str, now: Timestamp) {
    let now = time(now);
    condition::set(conditions, CONDITION, ConditionStatus::True, "Cancelled", message, &now);
}

/// Says of a run that it was being sealed, so that it is not known yet whether it can be cancelled.
pub fn seal_unknown(conditions: &mut Vec<Condition>, now: Timestamp) {
    let (now, message) = (
        time(now),
        "whether the backup was complete before it was cancelled is not known until its storage location can be read; \
         check `velero backup-location get`",
    );
    condition::set(
        conditions,
        CONDITION,
        ConditionStatus::Unknown,
        "SealUnknown",
        message,
        &now,
    );
}

/// Whether an end is marked as cancelled.
pub fn is_marked(conditions: &[Condition]) -> bool {
    condition::find(conditions, CONDITION).is_some_and(|found| found.status == ConditionStatus::True)
}

/// Brings the mark of an end into the conditions of its object, or says that it was too late to cancel. Returns whether the run was cancelled.
pub fn conclude(meta: &ObjectMeta, ended: &[Condition], conditions: &mut Vec<Condition>, now: Timestamp) -> bool {
    if let Some(mark) = condition::find(ended, CONDITION).filter(|_| is_marked(ended)) {
        mark_as(conditions, mark, now);
        return true;
    }
    if is_cancelled(meta) || condition::find(conditions, CONDITION).is_some() {
        let (now, message) = (time(now), "the run had come to its end before it could be cancelled");
        condition::set(conditions, CONDITION, ConditionStatus::False, "TooLate", message, &now);
    }
    false
}

fn mark_as(conditions: &mut Vec<Condition>, found: &Condition, now: Timestamp) {
    let now = time(now);
    let (reason, message) = (&found.reason, found.message.clone());
    condition::set(conditions, CONDITION, ConditionStatus::True, reason, message, &now);
}

/// The runs of this process that are being cancelled, or that cannot be any more. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Cancels {
    runs: Arc<Mutex<HashMap<Uid, Stage>>>,
}

#[derive(Debug)]
enum Stage {
    /// What is being written makes its end final.
    Sealing,
    /// It is to be cancelled, since this time.
    Requested(Instant),
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Its end is being written, so that counts.
    TooLate,
    /// It is to be cancelled.
    Made {
        /// The request is new to this process.
        first: bool,
        /// How long this process has known of it.
        since: Duration,
    },
}

/// From here on a run is not cancelled, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it lets the run be cancelled again"]
pub struct Sealing {
    uid: Uid,
    cancels: Cancels,
}

impl Cancels {
    /// The run of this object is to be cancelled. May be repeated.
    pub fn request(&self, uid: &Uid) -> Request {
        let (now, mut runs) = (Instant::now(), self.runs.lock());
        let (first, since) = match runs.get(uid) {
            Some(Stage::Sealing) => return Request::TooLate,
            Some(Stage::Requested(at)) => (false, now.duration_since(*at)),
            None => {
                runs.insert(uid.clone(), Stage::Requested(now));
                (true, Duration::ZERO)
            }
        };
        Request::Made { first, since }
    }

    /// Whether the run of this object is to be cancelled.
    pub fn is_requested(&self, uid: &Uid) -> bool {
        matches!(self.runs.lock().get(uid), Some(Stage::Requested(_)))
    }

    /// The run of this object is about to write what makes its end final; `None` if it is to be cancelled.
    pub fn begin_seal(&self, uid: &Uid) -> Option<Sealing> {
        let mut runs = self.runs.lock();
        if matches!(runs.get(uid), Some(Stage::Requested(_))) {
            return None;
        }
        runs.insert(uid.clone(), Stage::Sealing);
        Some(Sealing {
            uid: uid.clone(),
            cancels: self.clone(),
        })
    }

    /// The end of the run is recorded, or its object is gone.
    pub fn forget(&self, uid: &Uid) {
        self.runs.lock().remove(uid);
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        let mut runs = self.cancels.runs.lock();
        if matches!(runs.get(&self.uid), Some(Stage::Sealing)) {
            runs.remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(value: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            annotations: value.map(|value| [("velero.io/cancel".to_owned(), value.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn only_the_value_true_cancels() {
        for (value, cancels) in [
            (None, false),
            (Some(""), false),
            (Some("false"), false),
            (Some("True"), false),
            (Some("true"), true),
        ] {
            assert_eq!(is_cancelled(&meta(value)), cancels, "{value:?}");
        }
    }

    #[test]
    fn the_condition_says_whether_the_run_was_cancelled_or_it_was_too_late() {
        let now = Timestamp::UNIX_EPOCH;
        let (mut marked, mut unknown) = (Vec::new(), Vec::new());
        mark(&mut marked, "why", now);
        seal_unknown(&mut unknown, now);
        for (asked, shown, ended, expected) in [
            (None, &[][..], &[][..], None),
            (Some("true"), &[], &[], Some(("False", "TooLate"))),
            (Some("true"), &[], &marked, Some(("True", "Cancelled"))),
            (Some("true"), &unknown, &[], Some(("False", "TooLate"))),
            (Some("true"), &unknown, &marked, Some(("True", "Cancelled"))),
            // The annotation was taken away after it was followed.
            (None, &[], &marked, Some(("True", "Cancelled"))),
            (None, &unknown, &[], Some(("False", "TooLate"))),
        ] {
            let mut conditions = shown.to_vec();
            let cancelled = conclude(&meta(asked), ended, &mut conditions, now);
            let found = condition::find(&conditions, CONDITION);
            let found = found.map(|found| (found.status.as_str(), found.reason.as_str()));
            assert_eq!(found, expected, "{asked:?}");
            assert_eq!(cancelled, expected.is_some_and(|(status, _)| status == "True"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_cancelled_or_sealed_and_never_both() {
        let (cancels, uid) = (Cancels::default(), Uid::from("u"));
        let sealing = cancels.begin_seal(&uid).unwrap();
        assert_eq!(cancels.request(&uid), Request::TooLate);
        assert!(!cancels.is_requested(&uid));
        drop(sealing);
        let made = |first, seconds| Request::Made {
            first,
            since: Duration::from_secs(seconds),
        };
        assert_eq!(cancels.request(&uid), made(true, 0));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(cancels.request(&uid), made(false, 3));
        assert!(cancels.begin_seal(&uid).is_none());
        assert!(cancels.is_requested(&uid));
        assert!(
            cancels.begin_seal(&Uid::from("other")).is_some(),
            "others are not affected"
        );
        cancels.forget(&uid);
        assert!(!cancels.is_requested(&uid));
    }
}
