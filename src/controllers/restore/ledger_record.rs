//! The ledger of a restore between attempts: in the run record, or in the bucket when it is too large for a ConfigMap (decision 16).

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use crate::restore::ledger_sink::{LedgerSink, SinkError};
use crate::store::{Store, StoreError, layout};

use crate::controllers::context::Context;
use crate::controllers::run::record::{MAX_BYTES, Record};

/// The part of the run record.
const PART: &str = "ledger";

/// The content of that part when the ledger is in the bucket.
const IN_BUCKET: &[u8] = b"in the bucket";

/// A ledger in the bucket is at most this large.
const MAX_LEDGER: u64 = 256 << 20;

/// Writes the ledger of one restore.
pub struct LedgerRecord<'a> {
    ctx: &'a Context,
    store: &'a Store,
    restore: &'a str,
    /// Held across the write on purpose: the record's version must be that of the last write. The engine writes one ledger at a time, so
    /// this lock is never waited for.
    record: Mutex<Record>,
}

/// The key of a ledger that is too large for a ConfigMap, while the restore runs.
pub fn bucket_key(restore: &str) -> String {
    format!("{}restore-{restore}-run-record", layout::restore_dir(restore))
}

/// Whether a record says that its ledger is in the bucket.
pub fn is_in_bucket(record: &Record) -> bool {
    record.part(PART) == Some(IN_BUCKET)
}

impl<'a> LedgerRecord<'a> {
    /// Writes into this record.
    pub fn new(ctx: &'a Context, store: &'a Store, restore: &'a str, record: Record) -> Self {
        Self {
            ctx,
            store,
            restore,
            record: Mutex::new(record),
        }
    }

    /// The ledger that an earlier attempt wrote.
    ///
    /// # Errors
    /// It is in the bucket, and that cannot be read.
    pub async fn read(&self) -> Result<Option<Bytes>, StoreError> {
        let record = self.record.lock().await;
        match record.part(PART) {
            Some(part) if part == IN_BUCKET => match self.store.get(&bucket_key(self.restore), MAX_LEDGER).await {
                Ok(ledger) => Ok(Some(ledger)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            },
            part => Ok(part.map(Bytes::copy_from_slice)),
        }
    }

    /// The record. A ledger in the bucket stays until the end of the restore is recorded.
    pub fn into_record(self) -> Record {
        self.record.into_inner()
    }
}

impl LedgerSink for LedgerRecord<'_> {
    fn store(&self, ledger: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(async move {
            let failed = |e: &dyn std::fmt::Display| SinkError(e.to_string());
            let mut record = self.record.lock().await;
            let part = if ledger.len() <= MAX_BYTES {
                ledger.to_vec()
            } else {
                self.store
                    .put(&bucket_key(self.restore), ledger)
                    .await
                    .map_err(|e| failed(&e))?;
                if is_in_bucket(&record) {
                    return Ok(());
                }
                IN_BUCKET.to_vec()
            };
            record.save(self.ctx, PART, part).await.map_err(|e| failed(&e))
        })
    }
}
