//! Which resource types a backup collects (spec backup 7.3).

mod automatic;
mod filter;
mod lists;
mod scope_lists;
mod unknown;

pub use automatic::{AUTOMATIC_CLUSTER_SCOPED_EXCLUDES, AUTOMATIC_NAMESPACE_SCOPED_EXCLUDES, with_automatic_excludes};
pub use filter::ResourceFilter;
pub use lists::{PolicyLists, TypeLists};
pub use unknown::{Served, unknown_types, unused_orders};

#[cfg(test)]
mod tests;
