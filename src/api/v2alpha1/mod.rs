//! `velero.io/v2alpha1`. Since 1.12.

mod data_download;
mod data_upload;

pub use data_download::{DataDownload, DataDownloadSpec, DataDownloadStatus, TargetVolume};
pub use data_upload::{CsiSnapshotSpec, DataUpload, DataUploadResult, DataUploadSpec, DataUploadStatus};
