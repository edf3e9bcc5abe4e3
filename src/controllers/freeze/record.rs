//! The ConfigMap of a run's open freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::controllers::context::Context;
use crate::controllers::run::record::{MAX_BYTES, Record, RecordError, check_version};
use crate::hook::{Freeze, Journal, JournalError};

/// The label of these ConfigMaps; its value is the uid of the Backup.
pub const LABEL: &str = "velero.io/open-freezes";

/// Where the freezes stand in it.
const PART: &str = "freezes";

/// Records the open freezes of one run. The ConfigMap is there exactly while there are any.
pub struct FreezeRecord {
    ctx: Arc<Context>,
    uid: String,
    record: Record,
}

impl FreezeRecord {
    /// Reads the open freezes of the backup with this uid from the API server itself: they decide what is thawed.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn open(ctx: &Arc<Context>, uid: &str) -> Result<(Self, Vec<Freeze>), RecordError> {
        let record = Self::read(ctx, uid).await?;
        let left = parsed(record.part(PART)).map_err(|error| record.unreadable(PART, &error))?;
        let record = Self {
            ctx: ctx.clone(),
            uid: uid.to_owned(),
            record,
        };
        Ok((record, left))
    }

    /// The open freezes of a ConfigMap of this kind.
    ///
    /// # Errors
    /// This release cannot read them.
    pub fn shown(map: &ConfigMap) -> Result<Vec<Freeze>, String> {
        check_version(map).map_err(|error| error.to_string())?;
        let part = map.binary_data.as_ref().and_then(|parts| parts.get(PART));
        parsed(part.map(|bytes| bytes.0.as_slice())).map_err(|error| error.to_string())
    }

    async fn read(ctx: &Context, uid: &str) -> Result<Record, RecordError> {
        let labels = BTreeMap::from([(LABEL.to_owned(), uid.to_owned())]);
        Record::open_named(ctx, format!("velero-freezes-{uid}"), labels, BTreeMap::new()).await
    }

    async fn write(&mut self, open: &[Freeze], content: &[u8]) -> Result<(), RecordError> {
        if open.is_empty() {
            self.record.clear(&self.ctx).await
        } else {
            self.record.save(&self.ctx, PART, content.to_vec()).await
        }
    }

    async fn write_or_reread(&mut self, open: &[Freeze]) -> Result<(), JournalError> {
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
            // While this process leads no other writes it: an earlier write of its own was done, and its answer was lost.
            Err(RecordError::Taken { .. }) => {
                self.record = Self::read(&self.ctx, &self.uid).await.map_err(|e| failed(&e))?;
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
        self.write_or_reread(open).boxed()
    }
}
