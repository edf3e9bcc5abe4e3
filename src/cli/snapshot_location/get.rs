//! `velero snapshot-location get`.

use crate::api::v1::VolumeSnapshotLocation;
use crate::cli::get::{self, Gettable};

impl Gettable for VolumeSnapshotLocation {
    const PLURAL: &'static str = "locations";
}

/// Get snapshot locations
pub type Get = get::Get<VolumeSnapshotLocation>;
