//! Events of the process as logrus lines, with the ids of their trace.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::logrus::{Format, Level, write_line};
use super::run_log::{self, Now};
use super::trace::TraceParent;

/// Formats a tracing event as a logrus line. Within a span that is exported it has the fields `trace_id` and `span_id`.
pub struct LogrusLine {
    /// Text or JSON.
    pub format: Format,
    /// The time.
    pub now: Now,
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(String, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}

impl Fields {
    fn put(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            self.rest.push((field.name().to_owned(), text));
        }
    }
}

impl<S, N> FormatEvent<S, N> for LogrusLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // A line of a run's log is already formatted.
        if event.metadata().target() == run_log::TARGET {
            return writeln!(writer, "{}", fields.message);
        }
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let source = match (event.metadata().file(), event.metadata().line()) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => event.metadata().target().to_owned(),
        };
        let mut pairs: Vec<(&str, &str)> = fields.rest.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        pairs.push(("logSource", &source));
        let span = TraceParent::current().filter(TraceParent::is_sampled);
        let ids = span.map(|span| (span.trace_id(), span.span_id()));
        if let Some((trace, span)) = &ids {
            pairs.extend([("trace_id", trace.as_str()), ("span_id", span)]);
        }
        let mut out = String::new();
        write_line(&mut out, self.format, (self.now)(), level, &fields.message, &mut pairs);
        writer.write_str(&out)
    }
}
