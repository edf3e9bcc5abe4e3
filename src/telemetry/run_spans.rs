//! The spans of one run: at most some hundred, whatever its size (decision 51).
//!
//! The limits are in the OpenTelemetry context of the attempt's span, and so reach every span below it, through tasks too. Without an
//! exporter there is no such context, and no span is made.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::Context;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::trace::{TraceParent, current_context};

/// What spans of a run there are a limited number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A list of one type.
    List,
    /// A wave of a restore.
    Wave,
    /// An item block with hooks.
    Block,
    /// A command in a container.
    Command,
    /// A part of an upload.
    Part,
    /// A request to the API server.
    Request,
}

const SORTS: usize = 6;

impl Sort {
    /// How many of them one run shows; together fewer than 500.
    const fn most(self) -> u32 {
        match self {
            Self::List | Self::Wave => 120,
            Self::Block | Self::Command | Self::Part | Self::Request => 50,
        }
    }
}

/// The spans of an attempt at a run. Clones are the same.
#[derive(Clone, Debug)]
pub struct RunSpans(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parent: Option<TraceParent>,
    attempt: OnceLock<TraceParent>,
    /// How many there are of each sort.
    counts: [AtomicU32; SORTS],
}

impl RunSpans {
    /// Makes `span` that of an attempt, below `parent`, or the first of a trace. To be called before the span is entered.
    pub fn begin(span: &Span, parent: Option<TraceParent>) {
        let context = parent.as_ref().map_or_else(Context::new, TraceParent::context);
        let spans = Self(Arc::new(Inner {
            parent,
            attempt: OnceLock::new(),
            counts: Default::default(),
        }));
        // The layer is missing without an exporter.
        if span.set_parent(context.with_value(spans.clone())).is_ok()
            && let Some(attempt) = TraceParent::of(span)
        {
            let _ = spans.0.attempt.set(attempt);
        }
    }

    /// Those of the current run; `None` outside of a run and without an exporter.
    pub fn current() -> Option<Self> {
        current_context()?.get::<Self>().cloned()
    }

    /// The span of the attempt.
    pub fn attempt(&self) -> Option<&TraceParent> {
        self.0.attempt.get()
    }

    /// What began the run.
    pub fn parent(&self) -> Option<&TraceParent> {
        self.0.parent.as_ref()
    }

    /// Notes on the span of the attempt how many spans below it were left out.
    pub fn note_unshown(span: &Span) {
        if let Some(spans) = span.context().get::<Self>() {
            span.set_attribute("velero.spans.unshown", i64::from(spans.unshown()));
        }
    }

    /// Counts one; whether it is shown.
    fn take(&self, sort: Sort) -> bool {
        self.0.counts[sort as usize].fetch_add(1, Ordering::Relaxed) < sort.most()
    }

    fn unshown(&self) -> u32 {
        let sorts = [
            Sort::List,
            Sort::Wave,
            Sort::Block,
            Sort::Command,
            Sort::Part,
            Sort::Request,
        ];
        let unshown = sorts.map(|sort| {
            let made = self.0.counts[sort as usize].load(Ordering::Relaxed);
            made.saturating_sub(sort.most())
        });
        unshown.iter().sum()
    }
}

/// A span of the current run; none if the run has as many of this sort, outside of a run, and without an exporter.
pub fn limited(sort: Sort, make: impl FnOnce() -> Span) -> Span {
    if is_shown(sort) { make() } else { Span::none() }
}

/// The same for a span that is made by other means: counts it, and returns whether it is to be shown.
pub fn is_shown(sort: Sort) -> bool {
    RunSpans::current().is_some_and(|spans| spans.take(sort))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing::Recorded;

    #[test]
    fn a_run_has_a_limited_number_of_spans_and_says_how_many_it_left_out() {
        let recorded = Recorded::of(|| {
            let run = tracing::info_span!("run");
            RunSpans::begin(&run, None);
            run.in_scope(|| {
                for _ in 0..Sort::Part.most() + 7 {
                    // below another span, as in the engine
                    tracing::info_span!("between").in_scope(|| limited(Sort::Part, || tracing::info_span!("part")));
                }
                drop(limited(Sort::Wave, || tracing::info_span!("wave")));
            });
            RunSpans::note_unshown(&run);
        });
        let count = |name: &str| recorded.spans.iter().filter(|span| span.name == name).count();
        assert_eq!((count("part"), count("wave")), (Sort::Part.most() as usize, 1));
        assert_eq!(recorded.attribute("run", "velero.spans.unshown").as_deref(), Some("7"));
    }

    #[test]
    fn outside_of_a_run_and_without_an_exporter_there_is_no_span() {
        assert!(limited(Sort::Part, || panic!("it is not made")).is_none());
        Recorded::of(|| {
            tracing::info_span!("other").in_scope(|| assert!(!is_shown(Sort::Part)));
        });
        let run = tracing::info_span!("run");
        RunSpans::begin(&run, None);
        run.in_scope(|| assert!(RunSpans::current().is_none()));
    }

    #[test]
    fn two_runs_have_their_own_limits() {
        Recorded::of(|| {
            for _ in 0..2 {
                let run = tracing::info_span!("run");
                RunSpans::begin(&run, None);
                run.in_scope(|| assert!((0..Sort::Part.most()).all(|_| is_shown(Sort::Part)) && !is_shown(Sort::Part)));
            }
        });
    }
}
