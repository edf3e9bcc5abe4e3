//! BackupStorageLocation: whether a location can be used, looked at again when it is due or its spec has changed
//! (spec backup 20, spec api 6.4).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;

use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{BackupStorageLocation, LocationPhase};
use crate::api::{GoDuration, time};
use crate::runtime::clock::later;
use crate::runtime::{Class, Classify, Controller, Manager, Next, ObjectRef, Reconciler, SharedWatch, Uid, uid_of};
use crate::store::Validated;

use super::location;
use super::watches::{BUCKET_WORKERS, Watches, refs};
use super::write::{WriteError, Written};
use crate::controllers::context::Context;

/// Where a location keeps which store it was first seen with (decision 23).
pub const STORE_ID: &str = "velero.io/store-id";

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status was not written.
    #[error("writing the location's status failed: {0}")]
    StatusNotWritten(#[from] WriteError),
}

impl Classify for Error {
    crate::runtime::reasons!(StatusNotWritten);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(WriteError::NotLeading(_)) => Class::Lost,
            Self::StatusNotWritten(_) => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Locations {
    ctx: Arc<Context>,
    watch: SharedWatch<BackupStorageLocation>,
    /// The spec that was validated last, by uid: a changed one is validated at once. Lost with the process, which costs
    /// one more validation.
    validated: Mutex<HashMap<Uid, Value>>,
}

/// When a location is to be validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    At(Timestamp),
    /// Validated once, and the frequency is zero.
    WhenChanged,
}

impl Locations {
    /// A reconciler of the locations in this watch.
    pub fn new(ctx: Arc<Context>, watch: SharedWatch<BackupStorageLocation>) -> Self {
        Self {
            ctx,
            watch,
            validated: Mutex::default(),
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let all = watches.locations.clone();
        let reconciler = Self::new(Arc::clone(ctx), all.clone());
        manager.control(
            Controller::new(reconciler, &watches.locations)
                .workers(BUCKET_WORKERS)
                // A location that becomes the default, or ceases to be, concerns all of them.
                .on(&watches.locations, move |_: &BackupStorageLocation| refs(&all.list())),
        );
    }

    async fn validate(&self, seen: &BackupStorageLocation) -> Result<Validated, String> {
        let store = location::open(&self.ctx, seen).await.map_err(|e| e.to_string())?;
        let known = seen
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(STORE_ID))
            .map(String::as_str);
        store
            .validate(known, !seen.is_read_only())
            .await
            .map_err(|e| e.to_string())
    }
}

impl Reconciler for Locations {
    type Kind = BackupStorageLocation;
    type Error = Error;
    const NAME: &'static str = "backup-storage-location";
    const RESYNC: Duration = Duration::from_mins(10);

    async fn reconcile(&self, seen: Arc<BackupStorageLocation>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        let uid = uid_of(&*seen);
        let spec = serde_json::to_value(&seen.spec).unwrap_or_default();
        let same_spec = {
            let validated = self.validated.lock();
            validated.get(&uid) == Some(&spec)
        };
        let default = self.ctx.settings.validation_frequency;

        let wanted_default = wants_default(&seen, &self.watch.list(), &self.ctx.settings.default_location);
        if wanted_default != seen.spec.default {
            let mut wanted = (*seen).clone();
            wanted.spec.default = wanted_default;
            self.ctx.writer.write(&*seen, &wanted).await?;
            return Ok(Next::After(Duration::from_millis(100)));
        }

        match due(&seen, default, now, same_spec) {
            Due::At(at) => return Ok(Next::At(at)),
            Due::WhenChanged => return Ok(Next::Resync),
            Due::Now => {}
        }
        let verdict = self.validate(&seen).await;
        self.ctx.metrics.location(&name_of(&seen), verdict.is_ok());
        let wanted = validated(&seen, verdict, self.ctx.clock.now());
        match self.ctx.writer.write(&*seen, &wanted).await? {
            // Another writer changed it meanwhile; the change leads to another pass.
            Written::Conflict => Ok(Next::After(Duration::from_secs(1))),
            Written::Done | Written::Unchanged => {
                self.validated.lock().insert(uid, spec);
                Ok(match due(&wanted, default, now, true) {
                    Due::At(at) => Next::At(at),
                    Due::Now | Due::WhenChanged => Next::Resync,
                })
            }
        }
    }

    fn gone(&self, key: &ObjectRef<BackupStorageLocation>, uid: &Uid) {
        self.validated.lock().remove(uid);
        self.ctx.metrics.location_gone(&key.name);
    }
}

fn name_of(location: &BackupStorageLocation) -> String {
    location.metadata.name.clone().unwrap_or_default()
}

fn due(seen: &BackupStorageLocation, default: Duration, now: Timestamp, same_spec: bool) -> Due {
    let Some(last) = &seen.status.last_validation_time else {
        return Due::Now;
    };
    if !same_spec {
        return Due::Now;
    }
    let frequency = period(seen.spec.validation_frequency.as_ref(), default);
    if frequency.is_zero() {
        return Due::WhenChanged;
    }
    let next = later(last.0, frequency);
    if now >= next { Due::Now } else { Due::At(next) }
}

/// Whether a location is to be the default: of several the one created last stays (the name decides between equals); where
/// there is none, the one that the flag names becomes it.
fn wants_default(seen: &BackupStorageLocation, all: &[Arc<BackupStorageLocation>], by_flag: &str) -> bool {
    let age = |l: &BackupStorageLocation| {
        (
            l.metadata.creation_timestamp.as_ref().map(|t| t.0),
            l.metadata.name.clone(),
        )
    };
    let newest = all.iter().filter(|l| l.spec.default).max_by_key(|l| age(l));
    match newest {
        Some(newest) => newest.metadata.name == seen.metadata.name,
        None => !by_flag.is_empty() && seen.metadata.name.as_deref() == Some(by_flag),
    }
}

/// The location as a validation leaves it.
fn validated(
    seen: &BackupStorageLocation,
    verdict: Result<Validated, String>,
    now: Timestamp,
) -> BackupStorageLocation {
    let mut wanted = seen.clone();
    let status = &mut wanted.status;
    let now = time(now);
    status.last_validation_time = Some(now.clone());
    let (condition, reason) = match verdict {
        Ok(found) => {
            status.phase = Some(LocationPhase::Available);
            status.message = String::new();
            if let Some(id) = found.store_id {
                wanted
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(STORE_ID.to_owned(), id);
            }
            (ConditionStatus::True, "Validated")
        }
        Err(error) => {
            status.phase = Some(LocationPhase::Unavailable);
            status.message = format!(
                "BackupStorageLocation \"{}\" is unavailable: {}",
                name_of(seen),
                redact(&error)
            );
            (ConditionStatus::False, "Unavailable")
        }
    };
    condition::set(
        &mut status.conditions,
        "Available",
        condition,
        reason,
        status.message.clone(),
        &now,
    );
    wanted
}

/// Hides the signature parameters that Azure's errors repeat from the request (spec backup 20 step 5).
fn redact(text: &str) -> String {
    const SECRETS: [&str; 10] = ["sig", "se", "st", "sp", "spr", "sv", "sr", "sip", "srt", "ss"];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, from) = rest.split_at(at + 1);
        out.push_str(before);
        let end = from.find(['&', ' ', '"', '\'', '\n']).unwrap_or(from.len());
        match from[..end].split_once('=') {
            Some((key, _)) if SECRETS.contains(&key) => {
                out.push_str(key);
                out.push_str("=***REDACTED***");
            }
            _ => out.push_str(&from[..end]),
        }
        rest = &from[end..];
    }
    out.push_str(rest);
    out
}

/// How often a location's own sync or validation runs, for others to share the rule: unset or negative is the server's.
pub(super) fn period(own: Option<&GoDuration>, default: Duration) -> Duration {
    match own {
        Some(own) if own.is_zero() => Duration::ZERO,
        Some(own) => own.positive().unwrap_or(default),
        None => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn location(name: &str, created: i64, default: bool) -> BackupStorageLocation {
        let mut location = BackupStorageLocation::new("velero", name);
        location.metadata.creation_timestamp = Some(time(at(created)));
        location.spec.default = default;
        location
    }

    #[test]
    fn a_location_is_validated_at_first_when_changed_and_when_its_period_is_over() {
        type Row = (&'static str, Option<i64>, Option<i64>, bool, Due);
        let minute = Duration::from_mins(1);
        let rows: [Row; 7] = [
            ("never validated", None, None, true, Due::Now),
            (
                "the server's period is not over",
                Some(HOUR - 10),
                None,
                true,
                Due::At(at(HOUR + 50)),
            ),
            ("the server's period is over", Some(HOUR - 60), None, true, Due::Now),
            (
                "a period of its own",
                Some(HOUR - 60),
                Some(120),
                true,
                Due::At(at(HOUR + 60)),
            ),
            ("zero: only once", Some(1), Some(0), true, Due::WhenChanged),
            ("negative: the server's", Some(HOUR - 60), Some(-5), true, Due::Now),
            ("a changed spec", Some(HOUR - 1), Some(0), false, Due::Now),
        ];
        for (case, last, own, same_spec, expected) in rows {
            let mut seen = location("default", 0, true);
            seen.status.last_validation_time = last.map(|s| time(at(s)));
            seen.spec.validation_frequency = own.map(GoDuration::from_secs);
            assert_eq!(due(&seen, minute, at(HOUR), same_spec), expected, "{case}");
        }
    }

    #[test]
    fn of_several_defaults_the_newest_stays_and_without_one_the_flag_decides() {
        let all = |defaults: [bool; 2]| {
            vec![
                Arc::new(location("a", 1, defaults[0])),
                Arc::new(location("b", 2, defaults[1])),
            ]
        };
        for (defaults, flag, expected) in [
            ([true, true], "a", [false, true]),
            ([true, false], "b", [true, false]),
            ([false, false], "a", [true, false]),
            ([false, false], "", [false, false]),
            ([false, false], "c", [false, false]),
        ] {
            let all = all(defaults);
            let got = [wants_default(&all[0], &all, flag), wants_default(&all[1], &all, flag)];
            assert_eq!(got, expected, "{defaults:?} {flag}");
        }
    }

    #[test]
    fn an_unavailable_location_says_why_and_recovers_without_a_trace() {
        let seen = location("default", 0, true);
        let bad = validated(&seen, Err("no such bucket".to_owned()), at(10));
        assert_eq!(bad.status.phase, Some(LocationPhase::Unavailable));
        assert_eq!(
            bad.status.message,
            "BackupStorageLocation \"default\" is unavailable: no such bucket"
        );
        let good = validated(
            &bad,
            Ok(Validated {
                store_id: Some("id-1".to_owned()),
            }),
            at(20),
        );
        assert!(good.is_available());
        assert_eq!(good.status.message, "");
        assert_eq!(good.metadata.annotations.unwrap()[STORE_ID], "id-1");
    }

    #[test]
    fn signatures_in_a_store_s_error_are_not_shown() {
        for (text, expected) in [
            (
                "GET https://x/y?sv=2020&sig=abc%2F&comp=list: 403",
                "GET https://x/y?sv=***REDACTED***&sig=***REDACTED***&comp=list: 403",
            ),
            (
                "GET https://x/y?sig=abc failed",
                "GET https://x/y?sig=***REDACTED*** failed",
            ),
            ("what? no & yes", "what? no & yes"),
            ("signature=1", "signature=1"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
