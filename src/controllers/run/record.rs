//! Run records: what the next attempt must know of a run whose process died, in a ConfigMap (decisions 14 and 16). Each is written before
//! the effect it tells of, and outlives the run's object until [`leftovers`](super::leftovers) has put in order what the run left behind: an
//! owner reference would let the garbage collector take the only trace of it.
//!
//! A record has a version. One that this release does not know is never read nor written: a later release wrote it, and will read it again.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};

use crate::controllers::context::Context;
use crate::runtime::Uid;
use crate::runtime::lease::NotLeading;

use super::RunId;

/// The label of every run record; its value is the kind of the run's object in lower case.
pub const LABEL: &str = "velero.io/run-record";

/// Annotations: which object's run it is, and where the run's files go.
const RUN_NAME: &str = "velero.io/run-name";
const RUN_UID: &str = "velero.io/run-uid";
const RUN_LOCATION: &str = "velero.io/run-location";

/// The annotation with the version of a record. Records of the first releases have none, and are of version 1.
const RECORD_VERSION: &str = "velero.io/record-version";

/// The version that this release reads and writes.
const VERSION: &str = "1";

/// A ConfigMap holds at most 1 MiB in all; metadata wants some of it.
pub const MAX_BYTES: usize = 1_000_000;

/// Reading or writing a record failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// This process does not lead.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The API server refused, or was not reached.
    #[error("{attempt} the run record `{name}` failed: {source}; check that the server may read and write configmaps")]
    Api {
        /// What was tried.
        attempt: &'static str,
        /// The ConfigMap's name.
        name: String,
        /// What the client said.
        #[source]
        source: kube::Error,
    },
    /// A release that is not known wrote it.
    #[error(
        "the run record `{name}` has version `{version}`, and this release knows version 1; it is left alone: run the release that wrote it, or delete the ConfigMap to start over without it"
    )]
    UnknownVersion {
        /// The ConfigMap's name.
        name: String,
        /// What it says.
        version: String,
    },
    /// A part of it is not what this release writes.
    #[error(
        "part `{part}` of the run record `{name}` cannot be read: {reason}; it is left alone: correct it, or delete the ConfigMap to start over without it"
    )]
    Unreadable {
        /// The ConfigMap's name.
        name: String,
        /// The part.
        part: &'static str,
        /// Why not.
        reason: String,
    },
    /// Another server wrote it meanwhile, so it has this run now.
    #[error("the run record `{name}` was written by another server; this run is left to it")]
    Taken {
        /// The ConfigMap's name.
        name: String,
    },
}

/// Which run a record is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// The run.
    pub id: RunId,
    /// The name of the location with the run's files.
    pub location: String,
}

impl RecordedRun {
    /// What a record says about itself; `None` for a ConfigMap that is no run record.
    pub fn read(map: &ConfigMap) -> Option<Self> {
        let annotation = |key: &str| map.metadata.annotations.as_ref()?.get(key).cloned();
        let id = RunId {
            kind: map.metadata.labels.as_ref()?.get(LABEL)?.clone(),
            namespace: map.metadata.namespace.clone().unwrap_or_default(),
            name: annotation(RUN_NAME)?,
            uid: Uid::from(annotation(RUN_UID)?),
        };
        Some(Self {
            id,
            location: annotation(RUN_LOCATION)?,
        })
    }
}

/// The name of the record of a run of the object with this uid.
pub fn record_name(uid: &str) -> String {
    format!("velero-run-{uid}")
}

fn api(ctx: &Context) -> Api<ConfigMap> {
    Api::namespaced(ctx.cluster.client().clone(), &ctx.namespace)
}

/// Fails for a record of a version that this release does not know.
///
/// # Errors
/// See [`RecordError::UnknownVersion`].
pub fn check_version(map: &ConfigMap) -> Result<(), RecordError> {
    let annotations = map.metadata.annotations.as_ref();
    match annotations.and_then(|annotations| annotations.get(RECORD_VERSION)) {
        Some(version) if version != VERSION => Err(RecordError::UnknownVersion {
            name: map.metadata.name.clone().unwrap_or_default(),
            version: version.clone(),
        }),
        _ => Ok(()),
    }
}

/// The record of one run. Writes are guarded: a server that lost the run to another finds out at its next write.
#[derive(Clone)]
pub struct Record {
    api: Api<ConfigMap>,
    meta: ObjectMeta,
    /// What was read or written last, by name.
    parts: BTreeMap<String, ByteString>,
}

impl Record {
    /// Reads the record of this run, or begins one in memory if there is none.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open(ctx: &Context, id: &RunId, location: &str) -> Result<Self, RecordError> {
        let labels = BTreeMap::from([(LABEL.to_owned(), id.kind.clone())]);
        let annotations = BTreeMap::from([
            (RUN_NAME.to_owned(), id.name.clone()),
            (RUN_UID.to_owned(), id.uid.to_string()),
            (RUN_LOCATION.to_owned(), location.to_owned()),
        ]);
        Self::open_named(ctx, record_name(id.uid.as_str()), labels, annotations).await
    }

    /// Reads a record of something else than the course of a run, or begins one in memory if there is none.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open_named(
        ctx: &Context,
        name: String,
        labels: BTreeMap<String, String>,
        mut annotations: BTreeMap<String, String>,
    ) -> Result<Self, RecordError> {
        let api = api(ctx);
        let found = api.get_opt(&name).await.map_err(|source| RecordError::Api {
            attempt: "reading",
            name: name.clone(),
            source,
        })?;
        if let Some(found) = found {
            return Self::read(ctx, found);
        }
        annotations.insert(RECORD_VERSION.to_owned(), VERSION.to_owned());
        Ok(Self {
            api,
            meta: ObjectMeta {
                name: Some(name),
                namespace: Some(ctx.namespace.clone()),
                labels: Some(labels),
                annotations: Some(annotations),
                ..ObjectMeta::default()
            },
            parts: BTreeMap::new(),
        })
    }

    /// A record as it was seen in the cluster.
    ///
    /// # Errors
    /// Its version is not known.
    pub fn read(ctx: &Context, found: ConfigMap) -> Result<Self, RecordError> {
        check_version(&found)?;
        Ok(Self {
            api: api(ctx),
            meta: found.metadata,
            parts: found.binary_data.unwrap_or_default(),
        })
    }

    /// Whether a run of the object with this uid has a record here, as the API server says now.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn fresh_exists(ctx: &Context, uid: &str) -> Result<bool, RecordError> {
        let name = record_name(uid);
        match api(ctx).get_metadata_opt(&name).await {
            Ok(found) => Ok(found.is_some()),
            Err(source) => Err(RecordError::Api {
                attempt: "reading",
                name,
                source,
            }),
        }
    }

    /// The content that an earlier attempt, or this one, wrote last under this name; `None` for a run that begins.
    pub fn part(&self, part: &str) -> Option<&[u8]> {
        self.parts.get(part).map(|bytes| bytes.0.as_slice())
    }

    /// Whether it was ever written.
    pub fn exists(&self) -> bool {
        self.meta.resource_version.is_some()
    }

    /// The error that a part cannot be read.
    pub fn unreadable(&self, part: &'static str, reason: &dyn std::fmt::Display) -> RecordError {
        RecordError::Unreadable {
            name: self.meta.name.clone().unwrap_or_default(),
            part,
            reason: reason.to_string(),
        }
    }

    /// Writes one part of the record; all of them together may have [`MAX_BYTES`].
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn save(&mut self, ctx: &Context, part: &str, content: Vec<u8>) -> Result<(), RecordError> {
        let mut parts = self.parts.clone();
        parts.insert(part.to_owned(), ByteString(content));
        let name = self.meta.name.clone().unwrap_or_default();
        let map = ConfigMap {
            metadata: ObjectMeta {
                managed_fields: None,
                ..self.meta.clone()
            },
            binary_data: Some(parts.clone()),
            ..ConfigMap::default()
        };
        let params = PostParams::default();
        let written = if self.meta.resource_version.is_some() {
            ctx.gate.write(self.api.replace(&name, &params, &map)).await?
        } else {
            ctx.gate.write(self.api.create(&params, &map)).await?
        };
        match written {
            Ok(map) => {
                self.meta = map.metadata;
                self.parts = parts;
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Err(RecordError::Taken { name })
            }
            Err(source) => Err(RecordError::Api {
                attempt: "writing",
                name,
                source,
            }),
        }
    }

    /// The next [`Record::save`] leaves this part out.
    pub fn forget(&mut self, part: &str) {
        self.parts.remove(part);
    }

    /// Removes the record for now; the next [`Record::save`] begins it anew. One that is gone is success.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn clear(&mut self, ctx: &Context) -> Result<(), RecordError> {
        if !self.exists() {
            return Ok(());
        }
        self.clone().remove(ctx).await?;
        self.meta = ObjectMeta {
            name: self.meta.name.take(),
            namespace: self.meta.namespace.take(),
            labels: self.meta.labels.take(),
            annotations: self.meta.annotations.take(),
            ..ObjectMeta::default()
        };
        self.parts.clear();
        Ok(())
    }

    /// Removes the record of a run that has ended. One that is gone is success.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn remove(self, ctx: &Context) -> Result<(), RecordError> {
        let name = self.meta.name.unwrap_or_default();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: self.meta.uid,
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match ctx.gate.write(self.api.delete(&name, &params)).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(source) => Err(RecordError::Api {
                attempt: "removing",
                name,
                source,
            }),
        }
    }
}
