//! The tables of `get` and `create -o table`, one file a kind (spec server-cli 8.2).

mod backup;
mod backup_storage_location;
mod restore;
mod schedule;

use std::fmt::Debug;

use serde::Serialize;

use super::View;
use super::table::Row;

/// A kind that is shown as a table.
pub trait Columns: kube::Resource<DynamicType = ()> + Clone + Debug + Serialize {
    /// The headers, in order.
    const HEADERS: &'static [&'static str];

    /// The cells of one object, as many as there are headers.
    fn cells(&self, view: &View) -> Vec<String>;

    /// Brings a list into the order of the table; as the server gave it unless a kind says otherwise.
    fn arrange(_list: &mut [Self])
    where
        Self: Sized,
    {
    }
}

/// The table's line for an object.
pub fn row<K: Columns>(object: &K, view: &View) -> Row {
    Row {
        cells: object.cells(view),
        labels: object.meta().labels.clone().unwrap_or_default(),
    }
}

fn name<K: kube::Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
}
