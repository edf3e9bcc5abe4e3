//! What a run has touched.

use super::{Fetched, Page};
use crate::api::artifact::ResourceList;

/// The list of a `backup` or a `restore`, as `whose` says.
pub(super) fn resource_list(page: &mut Page<'_>, whose: &str, fetched: &Fetched<ResourceList>) {
    match fetched {
        Fetched::Got(list) => {
            page.line("Resource List:");
            for (kind, items) in &list.0 {
                page.line(format_args!("\t{kind}:"));
                for item in items {
                    page.line(format_args!("\t\t- {item}"));
                }
            }
        }
        failed => page.line(format_args!(
            "Resource List:\t{}",
            failure(whose, failed).unwrap_or_default()
        )),
    }
}

/// Why the list cannot be shown, if it cannot.
pub(super) fn failure(whose: &str, fetched: &Fetched<ResourceList>) -> Option<String> {
    match fetched {
        Fetched::Got(_) => None,
        Fetched::Missing => Some(format!("<{whose} resource list not found>")),
        Fetched::NotFetched(why) => Some(format!("<error getting {whose} resource list: {why}>")),
        Fetched::Unreadable(why) => Some(format!("<error reading {whose} resource list: {why}>")),
    }
}
