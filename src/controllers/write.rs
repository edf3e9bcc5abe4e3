//! The one way the controllers write objects of our kinds: the difference between an object as it was seen and as it is wanted, while
//! this process leads, guarded by the resource version (decision 2).

use serde::Serialize;

use crate::cluster::discovery::Resource;
use crate::cluster::status::{StatusWrite, write_object};
use crate::cluster::{ApiError, Cluster, objects};
use crate::runtime::Kind;
use crate::runtime::lease::{NotLeading, WriteGate};
use crate::runtime::report::EventRecorder;

use super::events::PhaseEvents;
use super::served::Served;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing differs; no request was made.
    Unchanged,
    /// The object is as wanted.
    Done,
    /// Another writer changed the object first. That change arrives through the watch and leads to another pass.
    Conflict,
}

/// A write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// This process does not lead.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The API server refused, or was not reached.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The object cannot be written as JSON, or its kind is not served.
    #[error("writing a {kind} failed: {reason}")]
    Unwritable {
        /// The kind.
        kind: String,
        /// Why.
        reason: String,
    },
}

impl WriteError {
    /// Whether the object is gone.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(error) if error.is_not_found())
    }
}

/// Writes objects of our kinds.
pub struct ObjectWriter {
    cluster: Cluster,
    served: Served,
    gate: WriteGate,
    events: EventRecorder,
}

impl ObjectWriter {
    /// Writes through this connection while the gate is open.
    pub fn new(cluster: Cluster, served: Served, gate: WriteGate, events: EventRecorder) -> Self {
        Self {
            cluster,
            served,
            gate,
            events,
        }
    }

    /// Whether a DownloadRequest can have the phase Failed, as it is served.
    pub fn fails_downloads(&self) -> bool {
        self.served.fails_downloads()
    }

    /// How a kind of ours is served; `None` for any other.
    pub fn resource(&self, kind: &str) -> Option<&Resource> {
        self.served.of(kind).map(|(resource, _)| resource)
    }

    /// Brings an object from what was seen to what is wanted: metadata, spec and status in one patch where the kind has no
    /// status subresource. A change of the phase is published as an event. May be repeated. An object that is gone meanwhile is
    /// [`Written::Unchanged`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write<K: Kind + Serialize + PhaseEvents>(&self, seen: &K, wanted: &K) -> Result<Written, WriteError> {
        let kind = K::kind(&()).into_owned();
        let unwritable = |reason: String| WriteError::Unwritable {
            kind: kind.clone(),
            reason,
        };
        let (resource, conditions) = self
            .served
            .of(&kind)
            .ok_or_else(|| unwritable("it is not served".to_owned()))?;
        let from = serde_json::to_value(seen).map_err(|e| unwritable(e.to_string()))?;
        let to = serde_json::to_value(wanted).map_err(|e| unwritable(e.to_string()))?;
        let write = write_object(&self.cluster, resource, &from, &to, conditions);
        match self.gate.write(write).await? {
            Ok(StatusWrite::Unchanged) => Ok(Written::Unchanged),
            Ok(StatusWrite::Written(_)) => {
                if let Some(note) = seen.event_of(wanted) {
                    self.events.publish(seen, note);
                }
                Ok(Written::Done)
            }
            Ok(StatusWrite::Conflict) => Ok(Written::Conflict),
            Err(error) if error.is_not_found() => Ok(Written::Unchanged),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object if it still is the one that was seen. One that is gone is success.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn remove<K: Kind>(&self, seen: &K) -> Result<(), WriteError> {
        let kind = K::kind(&()).into_owned();
        let (resource, _) = self.served.of(&kind).ok_or_else(|| WriteError::Unwritable {
            kind: kind.clone(),
            reason: "it is not served".to_owned(),
        })?;
        let meta = seen.meta();
        let options = objects::DeleteOptions {
            uid: meta.uid.clone(),
            ..Default::default()
        };
        let name = meta.name.as_deref().unwrap_or_default();
        let delete = objects::delete(&self.cluster, resource, meta.namespace.as_deref(), name, &options);
        match self.gate.write(delete).await? {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.into()),
            _ => Ok(()),
        }
    }
}
