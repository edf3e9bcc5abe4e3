//! Run records: what a successor must know of a run that died, in a ConfigMap (decisions 14 and 16). It is written before
//! the effect it tells of, and outlives the run's object until [`run_records`](super::run_records) has put in order what the
//! run left behind: an owner reference would let the garbage collector take the only trace of it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};

use crate::runtime::Kind;
use crate::runtime::lease::NotLeading;

use super::ports::Ports;

/// The label of every run record; its value is the kind of the run's object in lower case.
pub const LABEL: &str = "velero.io/run-record";

/// Annotations: which object's run it is, and where the run's files go.
const RUN_NAME: &str = "velero.io/run-name";
const RUN_UID: &str = "velero.io/run-uid";
const RUN_LOCATION: &str = "velero.io/run-location";

/// A ConfigMap holds at most 1 MiB in all; metadata wants some of it.
pub const MAX_BYTES: usize = 1_000_000;

/// Reading or writing a record failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// We are not the one to write.
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
    /// Another server wrote it meanwhile: this run is not ours any more.
    #[error("the run record `{name}` was written by another server; this run is left to it")]
    Taken {
        /// The ConfigMap's name.
        name: String,
    },
}

/// Whose run a record is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOf {
    /// The kind of its object, in lower case.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The name of the location with the run's files.
    pub location: String,
}

impl RunOf {
    /// What a record says about itself; nothing if it is none of ours.
    pub fn read(map: &ConfigMap) -> Option<Self> {
        let annotation = |key: &str| map.metadata.annotations.as_ref()?.get(key).cloned();
        Some(Self {
            kind: map.metadata.labels.as_ref()?.get(LABEL)?.clone(),
            name: annotation(RUN_NAME)?,
            uid: annotation(RUN_UID)?,
            location: annotation(RUN_LOCATION)?,
        })
    }
}

/// The name of the record of a run of the object with this uid.
pub fn record_name(uid: &str) -> String {
    format!("velero-run-{uid}")
}

fn api(ports: &Ports) -> Api<ConfigMap> {
    Api::namespaced(ports.cluster.client().clone(), &ports.namespace)
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
    /// Reads the record of this object's run, or begins one in memory if there is none.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open<K: Kind>(ports: &Ports, owner: &K, location: &str) -> Result<Self, RecordError> {
        let meta = owner.meta();
        let uid = meta.uid.clone().unwrap_or_default();
        let name = record_name(&uid);
        let api = api(ports);
        let found = api.get_opt(&name).await.map_err(|source| RecordError::Api {
            attempt: "reading",
            name: name.clone(),
            source,
        })?;
        if let Some(found) = found {
            return Ok(Self::read(ports, found));
        }
        let meta = ObjectMeta {
            name: Some(name),
            namespace: Some(ports.namespace.clone()),
            labels: Some([(LABEL.to_owned(), K::kind(&()).to_lowercase())].into()),
            annotations: Some(BTreeMap::from([
                (RUN_NAME.to_owned(), meta.name.clone().unwrap_or_default()),
                (RUN_UID.to_owned(), uid),
                (RUN_LOCATION.to_owned(), location.to_owned()),
            ])),
            ..ObjectMeta::default()
        };
        Ok(Self {
            api,
            meta,
            parts: BTreeMap::new(),
        })
    }

    /// Reads a record of something else than the course of a run, or begins one in memory if there is none.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open_named(
        ports: &Ports,
        name: String,
        labels: BTreeMap<String, String>,
    ) -> Result<Self, RecordError> {
        let api = api(ports);
        let found = api.get_opt(&name).await.map_err(|source| RecordError::Api {
            attempt: "reading",
            name: name.clone(),
            source,
        })?;
        if let Some(found) = found {
            return Ok(Self::read(ports, found));
        }
        Ok(Self {
            api,
            meta: ObjectMeta {
                name: Some(name),
                namespace: Some(ports.namespace.clone()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            parts: BTreeMap::new(),
        })
    }

    /// A record as it was seen in the cluster.
    pub fn read(ports: &Ports, found: ConfigMap) -> Self {
        Self {
            api: api(ports),
            meta: found.metadata,
            parts: found.binary_data.unwrap_or_default(),
        }
    }

    /// Whether a run of the object with this uid has a record here, as the API server says now.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn fresh_exists(ports: &Ports, uid: &str) -> Result<bool, RecordError> {
        let name = record_name(uid);
        match api(ports).get_metadata_opt(&name).await {
            Ok(found) => Ok(found.is_some()),
            Err(source) => Err(RecordError::Api {
                attempt: "reading",
                name,
                source,
            }),
        }
    }

    /// What a predecessor (or this run) wrote last under this name; `None` for a run that begins.
    pub fn part(&self, part: &str) -> Option<&[u8]> {
        self.parts.get(part).map(|bytes| bytes.0.as_slice())
    }

    /// Whether it was ever written.
    pub fn exists(&self) -> bool {
        self.meta.resource_version.is_some()
    }

    /// Writes one part of the record; all of them together may have [`MAX_BYTES`].
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn save(&mut self, ports: &Ports, part: &str, content: Vec<u8>) -> Result<(), RecordError> {
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
            ports.gate.write(self.api.replace(&name, &params, &map)).await?
        } else {
            ports.gate.write(self.api.create(&params, &map)).await?
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

    /// Removes the record for now; the next [`Record::save`] begins it anew. One that is gone is success.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn clear(&mut self, ports: &Ports) -> Result<(), RecordError> {
        if !self.exists() {
            return Ok(());
        }
        self.clone().remove(ports).await?;
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
    pub async fn remove(self, ports: &Ports) -> Result<(), RecordError> {
        let name = self.meta.name.unwrap_or_default();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: self.meta.uid,
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match ports.gate.write(self.api.delete(&name, &params)).await? {
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
