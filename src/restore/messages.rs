//! What is reported about one item: in the results, in the log, and in a dry run.

use std::borrow::Cow;

use crate::archive::layout::ItemPath;
use crate::restore::ledger::{Message, Note, Severity, State};
use crate::restore::object::changes::Changes;
use crate::restore::object::existing::differs_warning;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// What one pass over an item has to report when it is over.
#[derive(Debug, Default)]
pub(super) struct ItemMessages<'a> {
    /// The target namespace: the part of the results that the messages belong to.
    namespace: &'a str,
    /// For the results.
    pub(super) list: Vec<Message>,
    /// What the archive does not have.
    pub(super) note: Note,
    /// Why the item ended as it did, where no message says so: for a dry run.
    pub(super) why: Cow<'static, str>,
    /// The object exists and is equal.
    pub(super) is_equal: bool,
    /// Where the object differs from the one in the cluster: for a dry run.
    pub(super) changes: Changes,
}

impl<'a> ItemMessages<'a> {
    /// No messages yet, for an item with this target namespace.
    pub(super) fn new(target: Option<&'a str>) -> Self {
        Self {
            namespace: target.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Something was not restored.
    pub(super) fn error(&mut self, text: String) {
        self.list
            .push(Message::new(Severity::Error, Some(self.namespace), text));
    }

    /// Something is to be checked.
    pub(super) fn warn(&mut self, text: String) {
        self.list
            .push(Message::new(Severity::Warning, Some(self.namespace), text));
    }

    /// Reports in one message that an object exists, differs and is left as it is, and why that matters or is so.
    pub(super) fn differs(&mut self, kind: &str, name: &str, reason: &str) {
        self.note.reported = true;
        self.why = "it exists and is different: left as it is".into();
        self.warn(format!("{}: {reason}", differs_warning(kind, name)));
    }

    /// A warning that belongs to another namespace.
    pub(super) fn warn_in(&mut self, namespace: Option<&str>, text: String) {
        let namespace = namespace.unwrap_or_default();
        self.list.push(Message::new(Severity::Warning, Some(namespace), text));
    }

    /// The state of an item that an action left out: messages mean that it failed (spec restore 9, step 7).
    pub(super) fn implied_state(&self) -> State {
        if self.list.is_empty() {
            State::Skipped
        } else {
            State::Failed
        }
    }
}

/// The level of a message in the log.
pub(super) fn level(severity: Severity) -> Level {
    match severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    }
}

/// A line of the log about an item.
pub(super) fn item_line<'a>(log: &'a RunLog, level: Level, path: &ItemPath<'_>) -> Line<'a> {
    log.line(level)
        .field("groupResource", path.group_resource)
        .field("namespace", path.namespace.unwrap_or_default())
        .field("original name", path.name)
}
