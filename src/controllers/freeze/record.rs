//! The ConfigMap of a run's open freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;

use super::super::ports::Ports;
use super::super::record::{MAX_BYTES, Record, RecordError};
use crate::hook::{Freeze, Journal, JournalError};

/// The label of these ConfigMaps; its value is the uid of the Backup.
pub const LABEL: &str = "velero.io/open-freezes";

/// Where the freezes stand in it.
const PART: &str = "freezes";

/// Writes down the open freezes of one run. The ConfigMap is there exactly while there are any.
pub struct FreezeRecord {
    ports: Arc<Ports>,
    uid: String,
    record: Record,
}

impl FreezeRecord {
    /// Reads what is written down for the backup with this uid, from the server itself: it decides what is thawed.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open(ports: &Arc<Ports>, uid: &str) -> Result<(Self, Vec<Freeze>), RecordError> {
        let record = Self::read(ports, uid).await?;
        let left = parsed(record.part(PART)).unwrap_or_else(|error| {
            // Nobody but us writes it, and a newer release would still write what an older one reads.
            tracing::error!(backup = uid, %error, "which pods a backup left frozen cannot be read; thaw them by hand");
            Vec::new()
        });
        let record = Self {
            ports: ports.clone(),
            uid: uid.to_owned(),
            record,
        };
        Ok((record, left))
    }

    /// What a ConfigMap of this kind says is open; nothing where it cannot be read.
    pub fn shown(map: &ConfigMap) -> Vec<Freeze> {
        let part = map.binary_data.as_ref().and_then(|parts| parts.get(PART));
        parsed(part.map(|bytes| bytes.0.as_slice())).unwrap_or_default()
    }

    async fn read(ports: &Ports, uid: &str) -> Result<Record, RecordError> {
        let labels = BTreeMap::from([(LABEL.to_owned(), uid.to_owned())]);
        Record::open_named(ports, format!("velero-freezes-{uid}"), labels).await
    }

    async fn write(&mut self, open: &[Freeze], content: &[u8]) -> Result<(), RecordError> {
        if open.is_empty() {
            self.record.clear(&self.ports).await
        } else {
            self.record.save(&self.ports, PART, content.to_vec()).await
        }
    }

    async fn write_surely(&mut self, open: &[Freeze]) -> Result<(), JournalError> {
        let failed = |error: &dyn std::fmt::Display| JournalError(error.to_string());
        let content = serde_json::to_vec(open).map_err(|e| failed(&e))?;
        if content.len() > MAX_BYTES {
            return Err(JournalError(format!(
                "the commands of the {} pods that would be frozen together take {} bytes, more than a ConfigMap holds; shorten them, or order fewer pods",
                open.len(),
                content.len()
            )));
        }
        match self.write(open, &content).await {
            // While we lead nobody else writes it: this is a write of our own whose answer was lost.
            Err(RecordError::Taken { .. }) => {
                self.record = Self::read(&self.ports, &self.uid).await.map_err(|e| failed(&e))?;
                self.write(open, &content).await.map_err(|e| failed(&e))
            }
            written => written.map_err(|e| failed(&e)),
        }
    }
}

fn parsed(part: Option<&[u8]>) -> Result<Vec<Freeze>, serde_json::Error> {
    part.map_or(Ok(Vec::new()), serde_json::from_slice)
}

impl Journal for FreezeRecord {
    fn record<'a>(&'a mut self, open: &'a [Freeze]) -> BoxFuture<'a, Result<(), JournalError>> {
        self.write_surely(open).boxed()
    }
}
