//! Uploads that the next attempt can abort: each is in the run record before its first part is sent (decision 14).

use std::fs::File;
use std::io;

use bytes::BytesMut;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::controllers::context::Context;
use crate::store::{Store, StoreError, Upload};

use super::RunId;
use super::record::{Record, RecordError};
use super::trace::AttemptSpan;

/// Files up to this size go in one request, which needs no record: it happens or it does not.
const SMALL: u64 = 8 << 20;

/// Bytes read from a file at a time.
const PIECE: usize = 1 << 20;

/// The part of the run record.
const PART: &str = "uploads";

/// What the next attempt must know of a run.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Notes {
    /// Uploads begun: the key and the store's own id.
    pub uploads: Vec<(String, String)>,
    /// How often the run was begun.
    pub attempts: u32,
    /// The span of the latest attempt, if it was traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<AttemptSpan>,
}

/// An upload could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The run record was not written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The local file could not be read.
    #[error("reading a spooled file failed: {0}; check the scratch directory")]
    Scratch(#[from] io::Error),
}

/// The notes of one run, and their record.
pub struct Uploads<'a> {
    ctx: &'a Context,
    record: Record,
    notes: Notes,
    begun_before: bool,
}

impl<'a> Uploads<'a> {
    /// From what an earlier attempt left, or nothing.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn new(ctx: &'a Context, record: Record) -> Result<Self, RecordError> {
        let notes = match record.part(PART) {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| record.unreadable(PART, &error))?,
            None => Notes::default(),
        };
        Ok(Self {
            ctx,
            begun_before: record.exists(),
            record,
            notes,
        })
    }

    /// How often the run was begun before.
    pub fn attempts(&self) -> u32 {
        self.notes.attempts
    }

    /// Begins this attempt: aborts the uploads that earlier attempts recorded, and records this one. The current span must be the attempt's.
    ///
    /// # Errors
    /// See [`UploadError`]. May be repeated.
    pub async fn take_over(&mut self, store: &Store, id: &RunId) -> Result<(), UploadError> {
        self.abort(store).await?;
        self.notes.uploads.clear();
        self.notes.attempts += 1;
        let span = AttemptSpan::current(self.ctx.clock.now());
        let before = std::mem::replace(&mut self.notes.span, span);
        self.save().await?;
        if let Some(before) = before {
            before.precedes_current(id, self.ctx.clock.now());
        }
        Ok(())
    }

    /// The trace of an attempt that does nothing but find its run ended. The current span must be the attempt's.
    pub fn follows_earlier(&self, id: &RunId) {
        if let Some(before) = &self.notes.span {
            before.precedes_current(id, self.ctx.clock.now());
        }
    }

    /// Records that the span of the latest attempt has ended, if it is this one. Then the next attempt need not export it.
    ///
    /// # Errors
    /// See [`UploadError`]. May be repeated.
    pub async fn span_ends(&mut self, now: &AttemptSpan) -> Result<(), UploadError> {
        match self.notes.span.as_mut().filter(|span| span.is(now) && !span.ended) {
            Some(span) => span.ended = true,
            None => return Ok(()),
        }
        self.save().await
    }

    /// Aborts the recorded uploads.
    ///
    /// # Errors
    /// See [`StoreError`]. May be repeated.
    pub async fn abort(&self, store: &Store) -> Result<(), StoreError> {
        for (key, id) in &self.notes.uploads {
            store.abort_upload(key, id).await?;
        }
        Ok(())
    }

    /// Aborts uploads below `dir` that an earlier attempt began and died before it recorded them. Only where no other run writes.
    ///
    /// # Errors
    /// See [`StoreError`]. May be repeated.
    pub async fn sweep(&self, store: &Store, dir: &str) -> Result<(), StoreError> {
        if !self.begun_before {
            return Ok(());
        }
        match store.sweep(dir, Timestamp::MAX).await {
            Ok(0) => Ok(()),
            Ok(count) => {
                tracing::info!(dir, count, "aborted uploads that an earlier attempt had left");
                Ok(())
            }
            Err(error) if error.is_transient() => Err(error),
            // Velero's documentation does not ask for the right to list uploads, and not every server of the S3 API can. An upload that
            // stays costs money and does no harm.
            Err(error) => {
                tracing::debug!(dir, %error, "looking for uploads of earlier attempts failed");
                Ok(())
            }
        }
    }

    async fn save(&mut self) -> Result<(), UploadError> {
        let content = serde_json::to_vec(&self.notes).map_err(io::Error::other)?;
        Ok(self.record.save(self.ctx, PART, content).await?)
    }

    /// Begins an upload and records it.
    ///
    /// # Errors
    /// See [`UploadError`]; then nothing is left of it.
    pub async fn begin(&mut self, store: &Store, key: &str) -> Result<Upload, UploadError> {
        let upload = store.upload(key).await?;
        self.notes.uploads.push((key.to_owned(), upload.id().to_owned()));
        if let Err(error) = self.save().await {
            // Another server may have the run now, and does not know of this upload.
            upload.abort().await?;
            return Err(error);
        }
        Ok(upload)
    }

    /// Sends a local file whole, from its beginning. May be repeated.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn put_file(&mut self, store: &Store, key: &str, file: File) -> Result<(), UploadError> {
        let size = file.metadata()?.len();
        let mut file = tokio::fs::File::from_std(file);
        if size <= SMALL {
            let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            file.read_to_end(&mut content).await?;
            store.put(key, content.into()).await?;
            return Ok(());
        }
        let mut upload = self.begin(store, key).await?;
        let mut piece = BytesMut::with_capacity(PIECE);
        while file.read_buf(&mut piece).await? > 0 {
            upload.write(piece.split().freeze()).await?;
            piece.reserve(PIECE);
        }
        upload.finish().await?;
        Ok(())
    }

    /// The record, for its other parts.
    pub fn into_record(self) -> Record {
        self.record
    }

    /// The record, for its other parts.
    pub fn record(&mut self) -> &mut Record {
        &mut self.record
    }
}
