//! Writes of whole objects, with and without a condition.

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};

use super::failure::{failure, status};
use super::{S3, path};
use crate::store::error::Class;
use crate::store::provider::ProviderResult;
use crate::store::{PutOutcome, ReplaceOutcome};

impl S3 {
    pub(super) async fn put(&self, key: &str, bytes: Bytes, only_new: bool) -> ProviderResult<PutOutcome> {
        let path = path(key)?;
        if !only_new {
            self.client
                .put(&path, bytes.into())
                .await
                .map_err(|error| failure(&error))?;
            return Ok(PutOutcome::Created);
        }
        match self
            .client
            .put_opts(&path, bytes.clone().into(), PutMode::Create.into())
            .await
        {
            Ok(_) => Ok(PutOutcome::Created),
            // A conflict (409) does not mean that the object exists: two writers met, and either may retry.
            Err(error @ object_store::Error::AlreadyExists { .. }) if status(&error) != Some(409) => {
                Ok(PutOutcome::Exists)
            }
            // Some compatible stores have no conditional writes. The look before the write leaves a race of milliseconds.
            Err(error) if status(&error) == Some(501) => match self.head(key).await {
                Ok(_) => Ok(PutOutcome::Exists),
                Err(absent) if absent.class == Class::NotFound => {
                    self.client
                        .put(&path, bytes.into())
                        .await
                        .map_err(|error| failure(&error))?;
                    Ok(PutOutcome::Created)
                }
                Err(failure) => Err(failure),
            },
            Err(error) => Err(failure(&error)),
        }
    }

    pub(super) async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> ProviderResult<ReplaceOutcome> {
        let path = path(key)?;
        let read = UpdateVersion {
            e_tag: Some(etag.to_owned()),
            version: None,
        };
        let mode = PutMode::Update(read);
        match self.client.put_opts(&path, bytes.clone().into(), mode.into()).await {
            Ok(_) => Ok(ReplaceOutcome::Replaced),
            Err(error) if status(&error) == Some(412) || failure(&error).class == Class::NotFound => {
                Ok(ReplaceOutcome::Changed)
            }
            // As above: a race of milliseconds is left.
            Err(error) if status(&error) == Some(501) => match self.head(key).await {
                Ok(found) if found.etag.as_deref() == Some(etag) => {
                    let put = self.client.put(&path, bytes.into()).await;
                    put.map_err(|error| failure(&error))?;
                    Ok(ReplaceOutcome::Replaced)
                }
                Ok(_) => Ok(ReplaceOutcome::Changed),
                Err(absent) if absent.class == Class::NotFound => Ok(ReplaceOutcome::Changed),
                Err(failure) => Err(failure),
            },
            Err(error) => Err(failure(&error)),
        }
    }
}
