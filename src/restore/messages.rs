//! The messages about one item: in the results, in the log, and in a dry run.

use std::borrow::Cow;

use crate::archive::layout::ItemPath;
use crate::restore::ledger::{Message, Note, Severity, State};
use crate::restore::object::changes::Changes;
use crate::restore::object::existing::differs_warning;
use crate::telemetry::logrus::Level;
use crate::telemetry::run_log::{Line, RunLog};

/// The messages of one pass over an item.
#[derive(Debug, Default)]
pub(super) struct ItemMessages<'a> {
    /// The target namespace: the part of the results that the messages belong to.
    namespace: &'a str,
    /// The messages for the results.
    pub(super) list: Vec<Message>,
    /// Facts that are not in the archive.
    pub(super) note: Note,
    /// The reason of the item's state if no message has it: for a dry run.
    pub(super) why: Cow<'static, str>,
    /// The object exists and is equal.
    pub(super) is_equal: bool,
    /// The differences from the object in the cluster: for a dry run.
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

    /// Adds an error: an object was not restored.
    pub(super) fn error(&mut self, text: String) {
        self.list
            .push(Message::new(Severity::Error, Some(self.namespace), text));
    }

    /// Adds a warning: an object must be checked.
    pub(super) fn warn(&mut self, text: String) {
        self.list
            .push(Message::new(Severity::Warning, Some(self.namespace), text));
    }

    /// Adds one warning that an object exists, differs and is not changed, with a reason or a consequence.
    pub(super) fn differs(&mut self, kind: &str, name: &str, reason: &str) {
        self.note.reported = true;
        self.why = "it exists and is different: left as it is".into();
        self.warn(format!("{}: {reason}", differs_warning(kind, name)));
    }

    /// Adds a warning for another namespace.
    pub(super) fn warn_in(&mut self, namespace: Option<&str>, text: String) {
        let namespace = namespace.unwrap_or_default();
        self.list.push(Message::new(Severity::Warning, Some(namespace), text));
    }

    /// The state of an item that an action left out: with messages it has failed (spec restore 9, step 7).
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
