//! The tables of `get` and `create -o table`, one file a kind (spec server-cli 8.2).

mod backup;
mod backup_storage_location;
mod restore;
mod schedule;
mod volume_snapshot_location;

use std::fmt::Debug;

use serde::Serialize;

use super::View;
use super::table::Row;

/// A kind with a table.
pub trait Columns: kube::Resource<DynamicType = ()> + Clone + Debug + Serialize {
    /// The headers, in order.
    const HEADERS: &'static [&'static str];

    /// The cells of one object, as many as there are headers.
    fn cells(&self, view: &View) -> Vec<String>;

    /// Sorts a list for the table; by default it has the server's order.
    fn sort(_list: &mut [Self])
    where
        Self: Sized,
    {
    }
}

/// The row of an object.
pub fn row<K: Columns>(object: &K, view: &View) -> Row {
    Row {
        cells: object.cells(view),
        labels: object.meta().labels.clone().unwrap_or_default(),
    }
}

fn name<K: kube::Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
}
