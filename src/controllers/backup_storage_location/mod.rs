//! BackupStorageLocation: whether a location can be used, looked at again when it is due or its spec has changed
//! (spec backup 20, spec api 6.4, decision 56). A changed Secret is a changed location. One bad answer of a store is no verdict: a second
//! one, shortly after, is.

mod defaults;
mod redact;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use tokio::time::timeout;

use crate::api::condition::{self, ConditionStatus};
use crate::api::v1::{BackupStorageLocation, LocationPhase};
use crate::api::{GoDuration, time};
use crate::runtime::clock::later;
use crate::runtime::report::EventNote;
use crate::runtime::{
    Class, Classify, Controller, Manager, Next, ObjectRef, Reconciler, SharedWatch, Uid, Watch, uid_of,
};
use crate::store::{StoreError, Validated};

use self::defaults::{newest_default, wants_default};
use self::redact::redact;
use crate::controllers::context::Context;
use crate::controllers::location::{self, LocationError};
use crate::controllers::watches::{LOCATION_WORKERS, Watches, refs};
use crate::controllers::write::{WriteError, Written};

/// Where a location keeps which store it was first seen with (decision 23).
pub const STORE_ID: &str = "velero.io/store-id";

/// How long a validation may take.
const LIMIT: Duration = Duration::from_secs(45);

/// When a bad answer of a store that worked is confirmed by another one.
const CONFIRM: Duration = Duration::from_secs(5);

/// What is watched of a Secret: which version of it there is. Its content is read when a store is opened.
pub type SecretMeta = PartialObjectMeta<Secret>;

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
    secrets: SharedWatch<SecretMeta>,
    /// What is known of each location. Lost with the process, which costs one more validation.
    known: Mutex<HashMap<Uid, Known>>,
}

/// What a validation depends on.
#[derive(Clone, Debug, Default, PartialEq)]
struct Subject {
    spec: Value,
    /// The versions of the Secrets that it names; none for one that is not there.
    secrets: Vec<(String, Option<String>)>,
}

/// What is known of a location.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// What was validated last: a changed one is validated at once.
    validated: Option<Subject>,
    /// The last answer of the store, at this time, was bad, and it worked before.
    in_doubt: Option<Timestamp>,
}

/// Why a location cannot be used.
#[derive(Debug, PartialEq, Eq)]
struct Unusable {
    reason: String,
    /// Another answer may be better: the store was not reached, or refused.
    is_answer: bool,
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Self {
        Self {
            is_answer: !matches!(error, StoreError::Config(_)),
            reason: error.to_string(),
        }
    }
}

impl From<LocationError> for Unusable {
    fn from(error: LocationError) -> Self {
        match error {
            LocationError::Store(error) => error.into(),
            error => Self {
                is_answer: error.is_transient(),
                reason: error.to_string(),
            },
        }
    }
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
    pub fn new(ctx: Arc<Context>, watch: SharedWatch<BackupStorageLocation>, secrets: SharedWatch<SecretMeta>) -> Self {
        Self {
            ctx,
            watch,
            secrets,
            known: Mutex::default(),
        }
    }

    /// Runs it in this manager.
    pub fn register(manager: &mut Manager, ctx: &Arc<Context>, watches: &Watches) {
        let client = ctx.cluster.client().clone();
        let secrets: SharedWatch<SecretMeta> = manager.watch(Watch::of(Api::namespaced(client, &ctx.namespace)));
        let (all, naming) = (watches.locations.clone(), watches.locations.clone());
        let reconciler = Self::new(Arc::clone(ctx), all.clone(), secrets.clone());
        manager.control(
            Controller::new(reconciler, &watches.locations)
                .workers(LOCATION_WORKERS)
                // A location that becomes the default, or ceases to be, concerns all of them.
                .on(&watches.locations, move |_: &BackupStorageLocation| refs(&all.list()))
                .on(&secrets, move |secret: &SecretMeta| {
                    let name = secret.metadata.name.clone().unwrap_or_default();
                    refs(&naming.list_where(|location| location::secrets(location).contains(&&*name)))
                }),
        );
    }

    /// What a validation of this location depends on now.
    fn subject(&self, seen: &BackupStorageLocation) -> Subject {
        let version = |name: &str| {
            let secret = self.secrets.get(&ObjectRef::new(name).within(&self.ctx.namespace))?;
            secret.metadata.resource_version.clone()
        };
        Subject {
            spec: serde_json::to_value(&seen.spec).unwrap_or_default(),
            secrets: location::secrets(seen)
                .into_iter()
                .map(|name| (name.to_owned(), version(name)))
                .collect(),
        }
    }

    async fn validate(&self, seen: &BackupStorageLocation) -> Result<Validated, Unusable> {
        let known = seen
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(STORE_ID))
            .map(String::as_str);
        let validated = async {
            let store = location::open(&self.ctx, seen).await?;
            Ok(store.validate(known, !seen.is_read_only()).await?)
        };
        timeout(LIMIT, validated).await.unwrap_or_else(|_| {
            Err(Unusable {
                reason: format!("there was no answer within {LIMIT:?}; check that the store can be reached"),
                is_answer: true,
            })
        })
    }

    /// Sets whether a location is the default. An event on both says which of two is not any more: a user has set both.
    async fn default_lost(&self, seen: &BackupStorageLocation, wanted: bool) -> Result<Next, Error> {
        let mut changed = seen.clone();
        changed.spec.default = wanted;
        let written = self.ctx.writer.write(seen, &changed).await?;
        if let (Written::Done, false) = (written, wanted)
            && let Some(kept) = newest_default(&self.watch.list())
        {
            let (lost, kept_name) = (name_of(seen), name_of(&kept));
            let note = format!(
                "the locations `{lost}` and `{kept_name}` were both the default: `{kept_name}` was created later and stays it"
            );
            for location in [seen, &*kept] {
                let note = EventNote::warning("DefaultConflict", "Validate", note.clone());
                self.ctx.events.publish(location, note);
            }
        }
        Ok(Next::After(Duration::from_millis(100)))
    }

    fn know(&self, uid: Uid, known: Known) {
        self.known.lock().insert(uid, known);
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
        let subject = self.subject(&seen);
        let known = self.known.lock().get(&uid).cloned().unwrap_or_default();
        let default = self.ctx.settings.validation_frequency;

        let wanted_default = wants_default(&seen, &self.watch.list(), &self.ctx.settings.default_location);
        if wanted_default != seen.spec.default {
            return self.default_lost(&seen, wanted_default).await;
        }

        let same = known.validated.as_ref() == Some(&subject);
        // Changes of other locations lead to passes too, and are no reason to ask again sooner.
        if let Some(since) = known.in_doubt
            && same
            && now < later(since, CONFIRM)
        {
            return Ok(Next::At(later(since, CONFIRM)));
        }
        match due(&seen, default, now, same && known.in_doubt.is_none()) {
            Due::At(at) => return Ok(Next::At(at)),
            Due::WhenChanged => return Ok(Next::Resync),
            Due::Now => {}
        }
        let verdict = self.validate(&seen).await;
        if let Err(unusable) = &verdict
            && is_to_confirm(&seen, &known, &subject, unusable)
        {
            let location = name_of(&seen);
            tracing::warn!(
                location,
                reason = redact(&unusable.reason),
                "a storage location gave a bad answer; asking again"
            );
            let validated = Some(subject);
            self.know(
                uid,
                Known {
                    validated,
                    in_doubt: Some(now),
                },
            );
            return Ok(Next::After(CONFIRM));
        }
        self.ctx.metrics.location(&name_of(&seen), verdict.is_ok());
        let wanted = validated(&seen, verdict.map_err(|unusable| unusable.reason), self.ctx.clock.now());
        match self.ctx.writer.write(&*seen, &wanted).await? {
            // Another writer changed it meanwhile; the change leads to another pass.
            Written::Conflict => Ok(Next::After(Duration::from_secs(1))),
            Written::Done | Written::Unchanged => {
                let validated = Some(subject);
                self.know(
                    uid,
                    Known {
                        validated,
                        in_doubt: None,
                    },
                );
                Ok(match due(&wanted, default, now, true) {
                    Due::At(at) => Next::At(at),
                    Due::Now | Due::WhenChanged => Next::Resync,
                })
            }
        }
    }

    fn gone(&self, key: &ObjectRef<BackupStorageLocation>, uid: &Uid) {
        self.known.lock().remove(uid);
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

/// Whether one bad answer is asked for again: the location worked, and nothing that it depends on has changed. What its settings or Secrets
/// lack is no answer of a store.
fn is_to_confirm(seen: &BackupStorageLocation, known: &Known, subject: &Subject, unusable: &Unusable) -> bool {
    let same = known.validated.as_ref().is_none_or(|validated| validated == subject);
    seen.is_available() && same && known.in_doubt.is_none() && unusable.is_answer
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

/// How often a location's own sync or validation runs, for others to share the rule: unset or negative is the server's.
pub(in crate::controllers) fn period(own: Option<&GoDuration>, default: Duration) -> Duration {
    match own {
        Some(own) if own.is_zero() => Duration::ZERO,
        Some(own) => own.positive().unwrap_or(default),
        None => default,
    }
}

#[cfg(test)]
mod tests;
