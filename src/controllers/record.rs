//! Run records: what a successor must know of a run that died, in a ConfigMap owned by the run's object (decisions 14
//! and 16). It is written before the effect it tells of, and goes with its owner.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};

use crate::runtime::Kind;
use crate::runtime::lease::NotLeading;

use super::ports::Ports;

/// The label of every run record; its value is the kind of the owner.
const LABEL: &str = "velero.io/run-record";

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

/// The record of one run. Writes are guarded: a server that lost the run to another finds out at its next write.
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
    pub async fn open<K: Kind>(ports: &Ports, owner: &K) -> Result<Self, RecordError> {
        let kind = K::kind(&()).into_owned();
        let meta = owner.meta();
        let uid = meta.uid.clone().unwrap_or_default();
        let labels = BTreeMap::from([(LABEL.to_owned(), kind.to_lowercase())]);
        let owner = OwnerReference {
            api_version: K::api_version(&()).into_owned(),
            kind,
            name: meta.name.clone().unwrap_or_default(),
            uid: uid.clone(),
            ..OwnerReference::default()
        };
        Self::read(ports, format!("velero-run-{uid}"), labels, vec![owner]).await
    }

    /// As [`Record::open`], for what must be known of a run although its object may be gone.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open_ownerless(
        ports: &Ports,
        name: String,
        labels: BTreeMap<String, String>,
    ) -> Result<Self, RecordError> {
        Self::read(ports, name, labels, Vec::new()).await
    }

    async fn read(
        ports: &Ports,
        name: String,
        labels: BTreeMap<String, String>,
        owners: Vec<OwnerReference>,
    ) -> Result<Self, RecordError> {
        let api: Api<ConfigMap> = Api::namespaced(ports.cluster.client().clone(), &ports.namespace);
        let found = api.get_opt(&name).await.map_err(|source| RecordError::Api {
            attempt: "reading",
            name: name.clone(),
            source,
        })?;
        let (version, parts) = found.map_or((None, None), |found| {
            (found.metadata.resource_version, found.binary_data)
        });
        Ok(Self {
            api,
            meta: ObjectMeta {
                name: Some(name),
                namespace: Some(ports.namespace.clone()),
                labels: Some(labels),
                owner_references: (!owners.is_empty()).then_some(owners),
                resource_version: version,
                ..ObjectMeta::default()
            },
            parts: parts.unwrap_or_default(),
        })
    }

    /// What a predecessor (or this run) wrote last under this name; `None` for a run that begins.
    pub fn part(&self, part: &str) -> Option<&[u8]> {
        self.parts.get(part).map(|bytes| bytes.0.as_slice())
    }

    /// Whether there is anything to remove.
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
            metadata: self.meta.clone(),
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
                self.meta.resource_version = map.metadata.resource_version;
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

    /// Removes the record of a run that has ended. One that is gone is success.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn remove(self, ports: &Ports) -> Result<(), RecordError> {
        self.delete(ports, &DeleteParams::default()).await
    }

    /// Removes the record for now; the next [`Record::save`] begins it anew. One that is gone is success.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn clear(&mut self, ports: &Ports) -> Result<(), RecordError> {
        if !self.exists() {
            return Ok(());
        }
        let as_written = Preconditions {
            resource_version: self.meta.resource_version.clone(),
            uid: None,
        };
        self.delete(ports, &DeleteParams::default().preconditions(as_written))
            .await?;
        self.meta.resource_version = None;
        self.parts.clear();
        Ok(())
    }

    async fn delete(&self, ports: &Ports, params: &DeleteParams) -> Result<(), RecordError> {
        let name = self.meta.name.clone().unwrap_or_default();
        match ports.gate.write(self.api.delete(&name, params)).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => Err(RecordError::Taken { name }),
            Err(source) => Err(RecordError::Api {
                attempt: "removing",
                name,
                source,
            }),
        }
    }
}
