//! The table of volume snapshot locations.

use super::{Columns, name};
use crate::api::v1::VolumeSnapshotLocation;
use crate::cli::output::View;

impl Columns for VolumeSnapshotLocation {
    const HEADERS: &'static [&'static str] = &["Name", "Provider"];

    fn cells(&self, _view: &View) -> Vec<String> {
        vec![name(self), self.spec.provider.clone()]
    }
}
