//! The warnings and errors of a run (spec server-cli 9.4).

use super::{Fetched, Page};
use crate::api::artifact::{MessageSet, Results};
use crate::cli::output::selector::NONE;

/// The blocks of warnings and errors, or the error of the file. Returns `true` if there is no file; the caller then prints the
/// replacement.
pub(super) fn results(page: &mut Page<'_>, results: &Fetched<Results>, warnings: i64, errors: i64) -> bool {
    match results {
        Fetched::Got(results) => {
            if warnings > 0 {
                page.blank();
                block(page, "Warnings", &results.warnings);
            }
            if errors > 0 {
                page.blank();
                block(page, "Errors", &results.errors);
            }
        }
        Fetched::Missing => return true,
        Fetched::NotFetched(why) => failure(page, "getting", why),
        Fetched::Unreadable(why) => failure(page, "decoding", why),
    }
    false
}

/// The error of the file in place of both blocks.
pub(super) fn failure(page: &mut Page<'_>, step: &str, why: &str) {
    page.line(format_args!("Warnings:\t<error {step} warnings: {why}>"));
    page.blank();
    page.line(format_args!("Errors:\t<error {step} errors: {why}>"));
}

fn block(page: &mut Page<'_>, heading: &str, messages: &MessageSet) {
    page.line(format_args!("{heading}:"));
    indented(page, "\t", "Velero", &messages.velero);
    indented(page, "\t", "Cluster", &messages.cluster);
    if messages.namespaces.is_empty() {
        page.line(format_args!("\tNamespaces: {NONE}"));
        return;
    }
    page.line("\tNamespaces:");
    for (namespace, messages) in &messages.namespaces {
        indented(page, "\t\t", namespace, messages);
    }
}

/// Messages under a heading. As upstream, `<none>` is indented once more than a message.
fn indented(page: &mut Page<'_>, indent: &str, heading: &str, messages: &[String]) {
    match messages.split_first() {
        None => page.line(format_args!("{indent}{heading}:\t{indent}{NONE}")),
        Some((first, rest)) => {
            page.line(format_args!("{indent}{heading}:\t{first}"));
            for message in rest {
                page.line(format_args!("{indent}\t{message}"));
            }
        }
    }
}
