//! The report of a restore: the contents of its results file and of its list of resources (spec restore 21).

use super::kinds::Kinds;
use super::ledger::{Count, Ledger, Severity, State};
use super::object::existing::differs_warning;
use super::progress::Progress;
use super::request::RestoreContext;
use crate::api::artifact::{
    MessageSet, OperationPhase, OperationStatus, ResourceIdentifier, ResourceList, RestoreItemOperation,
    RestoreOperationSpec, RestoredAction, Results,
};
use crate::archive::spool::{ItemHandle, Spool};

/// A results file keeps texts up to this size; later ones are counted in one line.
const MAX_TEXT: usize = 8 << 20;

/// The report of a restore.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Messages by target namespace.
    pub results: Results,
    /// Every restored object with its result.
    pub resources: ResourceList,
    /// The number of all errors and warnings, including those without a kept text.
    pub messages: Count,
    /// Objects by result.
    pub objects: Objects,
    /// The operations that actions have started; none is known to have ended.
    pub operations: Vec<RestoreItemOperation>,
    /// The last progress.
    pub progress: Progress,
}

/// Objects by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Created, namespaces included.
    pub created: u64,
    /// Existed and changed.
    pub updated: u64,
    /// Existed and equal, or left out by an action.
    pub skipped: u64,
    /// Not restored.
    pub failed: u64,
}

impl Report {
    /// The report of a ledger.
    pub fn new(ledger: &Ledger, archive: &Spool, restore: &RestoreContext) -> Self {
        let mut writer = Writer {
            report: Self::default(),
            kinds: Kinds::default(),
            text: 0,
            dropped: Count::default(),
        };
        let (messages, dropped) = ledger.messages();
        writer.dropped = dropped;
        for message in messages {
            writer.add_message(message.severity, message.namespace.as_deref(), &message.text);
        }
        for item in archive.items() {
            writer.add(ledger, archive, restore, item);
        }
        for name in ledger.namespaces() {
            writer
                .report
                .resources
                .add_restored("v1", "Namespace", None, name, &RestoredAction::Created);
            writer.report.objects.created += 1;
        }
        writer.finish(ledger)
    }
}

/// The last lines of a restore's log: each message of the results with its namespace, errors first (spec restore 4, step 12).
/// Their number is bounded, as the results are.
pub fn recap(results: &Results) -> Vec<(Severity, String)> {
    let mut lines = Vec::new();
    for (severity, word, set) in [
        (Severity::Error, "error", &results.errors),
        (Severity::Warning, "warning", &results.warnings),
    ] {
        let mut add = |subject: &str, texts: &[String]| {
            lines.extend(
                texts
                    .iter()
                    .map(|text| (severity, format!("{subject} restore {word}: {text}"))),
            );
        };
        add("Velero", &set.velero);
        add("Cluster resource", &set.cluster);
        for (namespace, texts) in &set.namespaces {
            add(&format!("Namespace {namespace}, resource"), texts);
        }
    }
    lines
}

struct Writer {
    report: Report,
    kinds: Kinds,
    text: usize,
    dropped: Count,
}

impl Writer {
    fn add(&mut self, ledger: &Ledger, archive: &Spool, restore: &RestoreContext, item: ItemHandle) {
        let state = ledger.state(item);
        let objects = &mut self.report.objects;
        let (count, action) = match state {
            State::Pending | State::Dropped => return,
            State::Created => (&mut objects.created, RestoredAction::Created),
            State::Updated => (&mut objects.updated, RestoredAction::Updated),
            State::Skipped | State::Provision => (&mut objects.skipped, RestoredAction::Skipped),
            State::Failed | State::Differs | State::Unreadable | State::NoNamespace => {
                (&mut objects.failed, RestoredAction::Failed)
            }
        };
        *count += 1;
        self.add_operations(ledger, archive, restore, item);
        if !state.is_listed() {
            return;
        }
        let (path, _) = archive.path(item);
        let target = path.namespace.map(|namespace| restore.target(namespace));
        let note = ledger.note(item);
        let kind = note
            .and_then(|note| note.kind.clone())
            .or_else(|| self.kinds.of(archive, path.group_resource));
        // the type's first item cannot be read, and this item was never read, so its kind is not known
        let Some(kind) = kind else { return };
        let (api_version, kind) = kind.rsplit_once('/').unwrap_or(("", &kind));
        let name = note.and_then(|note| note.name.as_deref()).unwrap_or(path.name);
        self.report
            .resources
            .add_restored(api_version, kind, target, name, &action);
        if state == State::Differs && !note.is_some_and(|note| note.reported) {
            let text = differs_warning(kind, path.name);
            self.add_message(Severity::Warning, Some(target.unwrap_or_default()), &text);
        }
    }

    fn add_operations(&mut self, ledger: &Ledger, archive: &Spool, restore: &RestoreContext, item: ItemHandle) {
        let Some(note) = ledger.note(item).filter(|note| !note.operations.is_empty()) else {
            return;
        };
        let (path, _) = archive.path(item);
        let (resource, group) = path.group_resource.split_once('.').unwrap_or((path.group_resource, ""));
        let operations = note.operations.iter().map(|operation| RestoreItemOperation {
            spec: RestoreOperationSpec {
                restore_name: restore.name.clone(),
                restore_uid: restore.uid.clone(),
                restore_item_action: operation.action.clone(),
                resource_identifier: ResourceIdentifier {
                    group: group.to_owned(),
                    resource: resource.to_owned(),
                    namespace: path
                        .namespace
                        .map_or_else(String::new, |source| restore.target(source).to_owned()),
                    name: path.name.to_owned(),
                },
                operation_id: operation.id.clone(),
                ..RestoreOperationSpec::default()
            },
            status: OperationStatus {
                phase: Some(OperationPhase::New),
                ..OperationStatus::default()
            },
        });
        self.report.operations.extend(operations);
    }

    fn add_message(&mut self, severity: Severity, namespace: Option<&str>, text: &str) {
        let results = &mut self.report.results;
        let (set, dropped) = match severity {
            Severity::Error => (&mut results.errors, &mut self.dropped.errors),
            Severity::Warning => (&mut results.warnings, &mut self.dropped.warnings),
        };
        if self.text + text.len() > MAX_TEXT {
            *dropped += 1;
        } else {
            self.text += text.len();
            set.add(namespace, text);
        }
    }

    fn finish(mut self, ledger: &Ledger) -> Report {
        let report = &mut self.report;
        report.resources.sort();
        let count = |set: &mut MessageSet, dropped: u64| {
            let count = set.count() as u64 + dropped;
            if dropped > 0 {
                set.add(
                    None,
                    format!("{dropped} more messages are not listed here; see the log of the restore"),
                );
            }
            count
        };
        report.messages = Count {
            errors: count(&mut report.results.errors, self.dropped.errors),
            warnings: count(&mut report.results.warnings, self.dropped.warnings),
        };
        report.progress = Progress {
            restored: ledger.listed(),
            total: ledger.listed(),
            ..Progress::default()
        };
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::ledger::{Message, Note};
    use crate::restore::testing::spool;

    const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod"}"#;

    #[test]
    fn every_state_has_its_place() {
        let table = [
            ("created", State::Created, Some("a/created(created)"), (1, 0, 0, 0)),
            ("differs", State::Differs, Some("a/differs(failed)"), (0, 0, 0, 1)),
            ("dropped", State::Dropped, None, (0, 0, 0, 0)),
            ("failed", State::Failed, Some("a/failed(failed)"), (0, 0, 0, 1)),
            ("nowhere", State::NoNamespace, None, (0, 0, 0, 1)),
            ("odd", State::Unreadable, None, (0, 0, 0, 1)),
            ("pending", State::Pending, None, (0, 0, 0, 0)),
            (
                "provision",
                State::Provision,
                Some("a/provision(skipped)"),
                (0, 0, 1, 0),
            ),
            ("skipped", State::Skipped, Some("a/skipped(skipped)"), (0, 0, 1, 0)),
            ("updated", State::Updated, Some("a/updated(updated)"), (0, 1, 0, 0)),
        ];
        for (name, state, entry, objects) in table {
            let archive = spool(&[("pods", Some("source"), name, POD)]);
            let item = archive.items().next().unwrap();
            let mut ledger = Ledger::new(&archive);
            ledger.record(item, state, Vec::new(), Note::default());
            let restore = RestoreContext {
                namespace_mapping: [("source".to_owned(), "a".to_owned())].into(),
                ..RestoreContext::default()
            };
            let report = Report::new(&ledger, &archive, &restore);
            let listed = report.resources.0.get("v1/Pod").map(|list| list.join(","));
            assert_eq!(listed.as_deref(), entry, "{name}");
            let Objects {
                created,
                updated,
                skipped,
                failed,
            } = report.objects;
            assert_eq!((created, updated, skipped, failed), objects, "{name}");
            assert_eq!(report.progress.restored, u64::from(entry.is_some()), "{name}");
            assert_eq!(report.messages.warnings, u64::from(state == State::Differs), "{name}");
        }
    }

    #[test]
    fn messages_namespaces_and_odd_names_are_reported() {
        let archive = spool(&[
            ("pods", Some("a"), "one", POD),
            ("pods", Some("a"), "two", r#"{"apiVersion": "v2", "kind": "Pod"}"#),
            ("nodes", None, "n", r#"{"apiVersion": "v1", "kind": "Node"}"#),
        ]);
        let mut ledger = Ledger::new(&archive);
        let error = |namespace: Option<&str>, text: &str| Message {
            severity: Severity::Error,
            namespace: namespace.map(String::from),
            text: text.to_owned(),
        };
        for item in archive.items() {
            let (path, _) = archive.path(item);
            match path.name {
                "two" => {
                    let note = Note {
                        name: Some("two-x".to_owned()),
                        kind: Some("v2/Pod".to_owned()),
                        ..Note::default()
                    };
                    ledger.record(item, State::Created, Vec::new(), note);
                }
                "n" => ledger.record(item, State::Differs, vec![error(Some(""), "odd")], Note::default()),
                _ => {}
            }
        }
        ledger.created_namespace("a");
        ledger.add_message(error(None, "velero's"));
        let report = Report::new(&ledger, &archive, &RestoreContext::default());
        assert_eq!(
            serde_json::to_value(&report.resources).unwrap(),
            serde_json::json!({"v1/Namespace": ["a(created)"], "v1/Node": ["n(failed)"], "v2/Pod": ["a/two-x(created)"]})
        );
        assert_eq!(
            serde_json::to_value(&report.results).unwrap(),
            serde_json::json!({
                "errors": {"velero": ["velero's"], "cluster": ["odd"]},
                "warnings": {"cluster": [differs_warning("Node", "n")]},
            })
        );
        assert_eq!(report.messages, Count { errors: 2, warnings: 1 });
        assert_eq!(report.progress.restored, 3);
    }

    #[test]
    fn the_recap_says_what_each_message_is_about() {
        let mut results = Results::default();
        results.warnings.add(Some("a"), "differs");
        results.errors.add(Some("a"), "refused");
        results.errors.add(Some(""), "odd");
        results.errors.add(None, "velero's");
        let lines: Vec<String> = recap(&results).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines,
            [
                "Velero restore error: velero's",
                "Cluster resource restore error: odd",
                "Namespace a, resource restore error: refused",
                "Namespace a, resource restore warning: differs",
            ]
        );
    }
}
