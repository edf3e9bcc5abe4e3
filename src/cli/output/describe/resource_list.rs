//! The resource list of a run.

use super::{Fetched, Page};
use crate::api::artifact::ResourceList;

/// The list; `kind` is `backup` or `restore`.
pub(super) fn resource_list(page: &mut Page<'_>, kind: &str, fetched: &Fetched<ResourceList>) {
    match fetched {
        Fetched::Got(list) => {
            page.line("Resource List:");
            for (resource, items) in &list.0 {
                page.line(format_args!("\t{resource}:"));
                for item in items {
                    page.line(format_args!("\t\t- {item}"));
                }
            }
        }
        failed => page.line(format_args!(
            "Resource List:\t{}",
            failure(kind, failed).unwrap_or_default()
        )),
    }
}

/// The error of a list that was not read.
pub(super) fn failure(kind: &str, fetched: &Fetched<ResourceList>) -> Option<String> {
    match fetched {
        Fetched::Got(_) => None,
        Fetched::Missing => Some(format!("<{kind} resource list not found>")),
        Fetched::NotFetched(why) => Some(format!("<error getting {kind} resource list: {why}>")),
        Fetched::Unreadable(why) => Some(format!("<error reading {kind} resource list: {why}>")),
    }
}
