//! The span of each type that is collected, over all its lists (decision 51).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::types::Type;
use crate::telemetry::run_spans::{Sort, limited};
use crate::telemetry::trace::fail;

/// The spans of the types of a run.
pub(super) struct TypeSpans(HashMap<(Box<str>, Box<str>), TypeSpan>);

struct TypeSpan {
    items: AtomicU64,
    bytes: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// `None` before the first list.
    span: Option<Span>,
    lists: usize,
}

impl TypeSpans {
    /// For these types, each with the number of its lists.
    pub(super) fn new<'t>(types: impl Iterator<Item = (&'t Type, usize)>) -> Self {
        let of = |(type_, lists): (&Type, usize)| {
            let span = TypeSpan {
                items: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                state: Mutex::new(State { span: None, lists }),
            };
            (key(type_), span)
        };
        Self(types.map(of).collect())
    }

    /// A list of a type begins. The type's span begins with its first list, and ends with its last one.
    pub(super) fn begin(&self, type_: &Type) -> ListSpan<'_> {
        let of = self.0.get(&key(type_));
        let span = of.map(|of| {
            let make = || info_span!("list", velero.resource = %type_.group_resource, velero.version = %type_.version);
            let mut state = of.state.lock();
            state.span.get_or_insert_with(|| limited(Sort::List, make)).clone()
        });
        ListSpan {
            of,
            span: span.unwrap_or_else(Span::none),
        }
    }
}

fn key(type_: &Type) -> (Box<str>, Box<str>) {
    ((*type_.name).into(), (*type_.version).into())
}

/// One list of a type, until it is dropped.
pub(super) struct ListSpan<'a> {
    of: Option<&'a TypeSpan>,
    span: Span,
}

impl ListSpan<'_> {
    /// The span of the type.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Counts an object of this size.
    pub(super) fn saw(&self, bytes: usize) {
        if let Some(of) = self.of {
            of.items.fetch_add(1, Ordering::Relaxed);
            of.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// The list failed.
    pub(super) fn failed(&self, why: &dyn std::error::Error) {
        fail(&self.span, "list", why.to_string());
    }
}

impl Drop for ListSpan<'_> {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        let mut state = of.state.lock();
        state.lists = state.lists.saturating_sub(1);
        if state.lists > 0 {
            return;
        }
        if let Some(span) = state.span.take() {
            let count = |count: &AtomicU64| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            span.set_attribute("velero.items", count(&of.items));
            span.set_attribute("velero.bytes", count(&of.bytes));
        }
    }
}
