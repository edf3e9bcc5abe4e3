//! The pages of `describe`, one file a kind or part (spec server-cli 9). Pure: facts from other sources are passed as data.

pub mod backup;
mod backup_json;
mod json_parts;
mod operations;
mod pod_volumes;
mod resource_list;
pub mod restore;
mod restore_json;
mod results;
pub mod schedule;
mod spec;
mod volumes;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fmt::Write as _;

use crate::api::artifact::ResourceList;
use crate::api::{GoDuration, ObjectMeta, Time};

use crate::controllers::run::trace::of_meta;
use crate::telemetry::trace::TraceParent;

use super::rate::RunProgress;
use super::selector::NONE;
use super::{View, tabs};

pub use backup_json::json as backup_json;
pub use restore_json::json as restore_json;

/// The objects that belong to a run, or the error of the list.
pub type Listed<T> = Result<Vec<T>, String>;

/// A file of a run, or why it was not read.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched<T> {
    /// Its contents.
    Got(T),
    /// The store has no such file.
    Missing,
    /// It could not be fetched, with the error.
    NotFetched(String),
    /// It has invalid content, with the error.
    Unreadable(String),
}

impl<T> Fetched<T> {
    /// The failure as that of another file. A fetched file becomes `Missing`.
    pub fn map_failure<U>(self) -> Fetched<U> {
        match self {
            Self::Got(_) | Self::Missing => Fetched::Missing,
            Self::NotFetched(why) => Fetched::NotFetched(why),
            Self::Unreadable(why) => Fetched::Unreadable(why),
        }
    }
}

/// The files of a run that only `--details` shows.
#[derive(Clone, Debug)]
pub struct Details<O> {
    /// The items of the run.
    pub resource_list: Fetched<ResourceList>,
    /// Its asynchronous operations; not fetched if there were none.
    pub operations: Option<Fetched<Vec<O>>>,
}

/// A page of text: lines with cells that end at tabs, aligned at the end.
struct Page<'a> {
    view: &'a View,
    text: String,
    prefix: &'static str,
}

impl<'a> Page<'a> {
    fn new(view: &'a View) -> Self {
        Self {
            view,
            text: String::new(),
            prefix: "",
        }
    }

    /// One line.
    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{}{line}", self.prefix);
    }

    fn blank(&mut self) {
        self.line("");
    }

    /// The pairs under a heading, one a line.
    fn map(&mut self, heading: &str, pairs: &BTreeMap<String, String>) {
        let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match pairs.split_first() {
            None => self.line(format_args!("{heading}:\t{NONE}")),
            Some((first, rest)) => {
                self.line(format_args!("{heading}:\t{first}"));
                for pair in rest {
                    self.line(format_args!("\t{pair}"));
                }
            }
        }
    }

    fn metadata(&mut self, meta: &ObjectMeta) {
        let name = self.view.bold(meta.name.as_deref().unwrap_or_default());
        self.line(format_args!("Name:\t{name}"));
        self.line(format_args!(
            "Namespace:\t{}",
            meta.namespace.as_deref().unwrap_or_default()
        ));
        self.map("Labels", &meta.labels.clone().unwrap_or_default());
        self.map("Annotations", &meta.annotations.clone().unwrap_or_default());
    }

    /// The id to look for in a collector. Upstream has no traces.
    fn trace(&mut self, meta: &ObjectMeta) {
        if let Some(trace) = of_meta(meta).filter(TraceParent::is_sampled) {
            self.line(format_args!("Trace ID:\t{}", trace.trace_id()));
        }
    }

    fn validation_errors(&mut self, errors: &[String]) {
        let Some((first, rest)) = errors.split_first() else {
            return;
        };
        self.blank();
        self.line(format_args!("Validation errors:\t{}", self.view.red(first)));
        for error in rest {
            self.line(format_args!("\t{}", self.view.red(error)));
        }
    }

    /// The rate of a run in progress. Upstream does not show it.
    fn rate(&mut self, run: &impl RunProgress) {
        if let Some(rate) = run.rate(self.view.now) {
            self.line(format_args!("Rate:\t{rate}"));
        }
    }

    fn finish(self) -> String {
        tabs::align(&self.text, tabs::DESCRIBE)
    }
}

/// The texts separated by commas, or `none` without any.
fn list(texts: &[String], none: &str) -> String {
    if texts.is_empty() {
        none.to_owned()
    } else {
        texts.join(", ")
    }
}

fn switch(value: Option<bool>, words: [&'static str; 2], unset: &'static str) -> &'static str {
    value.map_or(unset, |value| words[usize::from(value)])
}

/// `auto`, `true` or `false`.
fn auto_true_false(value: Option<bool>) -> &'static str {
    switch(value, ["false", "true"], "auto")
}

/// `auto`, `included` or `excluded`.
fn auto_included_excluded(value: Option<bool>) -> &'static str {
    switch(value, ["excluded", "included"], "auto")
}

/// A duration in Go's canonical form.
pub(super) fn duration(duration: &GoDuration) -> String {
    match duration.value() {
        Ok(value) => i64::try_from(value.as_nanos())
            .map_or_else(|_| duration.to_string(), |n| GoDuration::from_nanos(n).to_string()),
        Err(_) => duration.to_string(),
    }
}

/// A time, or `<n/a>` if it is unset.
fn time_or_na(view: &View, time: Option<&Time>) -> String {
    time.map_or_else(|| "<n/a>".to_owned(), |time| view.time(time))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    pub(super) fn view() -> View {
        View {
            now: Timestamp::UNIX_EPOCH,
            zone: TimeZone::UTC,
            colour: true,
        }
    }

    #[test]
    fn pairs_are_printed_below_each_other() {
        let view = view();
        let mut page = Page::new(&view);
        page.map(
            "Labels",
            &BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
        );
        page.map("Annotations", &BTreeMap::new());
        assert_eq!(
            page.finish(),
            "Labels:       a=1\n              b=2\nAnnotations:  <none>\n"
        );
    }

    #[test]
    fn durations_are_printed_in_canonical_form() {
        assert_eq!(duration(&GoDuration::from_text("90m")), "1h30m0s");
        assert_eq!(duration(&GoDuration::from_text("soon")), "soon");
    }
}
