//! Object storage: one [`Store`] for each BackupStorageLocation, whatever its provider.
//!
//! ```text
//!   layout      every key (spec backup 16, restore 21)
//!   config      the settings of a location, validated
//!   location    Store: prefix, deadlines, errors that name what was attempted
//!   object      an object's metadata, and the outcome of a conditional write
//!   upload      Upload: streaming in bounded memory, abortable after a crash
//!   validate    whether a location can be used, and whether it is still the same
//!   provider    what each kind of store implements
//!   gated       writes only while this process leads
//!   filesystem  velero.io/fs
//!   s3          velero.io/aws; the only home of object_store
//! ```

pub mod config;
pub mod error;
#[cfg(unix)]
mod filesystem;
mod gated;
mod key;
pub mod layout;
mod location;
mod object;
pub mod provider;
mod s3;
mod upload;
pub mod validate;

pub use config::{Secret, StoreConfig};
pub use error::{Class, Result, StoreError};
pub use location::Store;
pub use object::{ByteStream, ObjectInfo, PutOutcome, ReplaceOutcome};
pub use upload::Upload;
pub use validate::Validated;

/// Opens the store of a location. Nothing is written, and no request is sent unless the region must be looked up.
///
/// A filesystem location must have been [validated](Store::validate) for writing once before it takes objects.
pub async fn open(config: &StoreConfig) -> Result<Store> {
    let (bucket, prefix) = config.place()?;
    match config.kind()? {
        config::Kind::Filesystem => open_filesystem(config, bucket, prefix),
        config::Kind::S3 => Ok(Store::new(s3::S3::open(config, bucket).await?, bucket, prefix)),
    }
}

/// Checks a location's settings as far as that is possible without its credentials and without a request.
///
/// # Errors
/// Those of [`open`].
pub fn check(config: &StoreConfig) -> Result<()> {
    let (bucket, prefix) = config.place()?;
    match config.kind()? {
        config::Kind::Filesystem => open_filesystem(config, bucket, prefix).map(drop),
        config::Kind::S3 => s3::check(config),
    }
}

#[cfg(unix)]
fn open_filesystem(config: &StoreConfig, bucket: &str, prefix: &str) -> Result<Store> {
    Ok(Store::new(
        filesystem::Filesystem::open(config, bucket, prefix)?,
        bucket,
        prefix,
    ))
}

#[cfg(not(unix))]
fn open_filesystem(_config: &StoreConfig, _bucket: &str, _prefix: &str) -> Result<Store> {
    Err(StoreError::Config(
        "a filesystem location needs a server on a Unix system".to_owned(),
    ))
}
