//! The plan of a restore as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::tabs;
use crate::api::restore_plan::{PlannedAction, PlannedItem, RestorePlan, Summary};

/// At most so many objects are listed without `--details`.
const MAX_LISTED: usize = 100;

/// At most so many differences of an object are listed without `--details`.
const MAX_CHANGES: usize = 5;

/// The plan as text. Created and unchanged objects are counted; the others are listed, denied ones first. With `details` all
/// objects are listed in the order of the restore.
pub fn text(plan: &RestorePlan, details: bool) -> String {
    let mut text = head(plan);
    if !plan.validation_errors.is_empty() {
        text.push_str("\nThe restore would fail validation, with these validation errors:\n");
        for error in &plan.validation_errors {
            let _ = writeln!(text, "  {error}");
        }
        return text;
    }
    let _ = writeln!(text, "\n{}", counts(&plan.summary));
    for warning in &plan.warnings {
        let _ = writeln!(text, "\nWarning: {warning}");
    }
    if details {
        text.push_str(&section("", &listed(plan.items.iter(), usize::MAX)));
        return text;
    }
    let created = |item: &&PlannedItem| item.action == PlannedAction::Create;
    text.push_str(&section(
        "To be created:",
        &creations(plan.items.iter().filter(created)),
    ));
    let mut notable: Vec<&PlannedItem> = plan.items.iter().filter(|item| is_notable(item)).collect();
    notable.sort_by_key(|item| rank(item.action));
    let more = notable.len().saturating_sub(MAX_LISTED);
    let shown = notable.into_iter().take(MAX_LISTED);
    text.push_str(&section("To review:", &listed(shown, MAX_CHANGES)));
    if more > 0 {
        let _ = writeln!(text, "... and {more} more; --details lists all");
    }
    text
}

fn head(plan: &RestorePlan) -> String {
    let (meta, spec) = (&plan.restore.metadata, &plan.restore.spec);
    let name = meta.name.as_deref().unwrap_or_default();
    let from = if spec.backup_name.is_empty() {
        format!("schedule \"{}\"", spec.schedule_name)
    } else {
        format!("backup \"{}\"", spec.backup_name)
    };
    let mut facts = format!("Dry run of restore \"{name}\" from {from}. Nothing was written.\n\n");
    for (number, (source, target)) in spec.namespace_mapping.iter().enumerate() {
        let title = if number == 0 { "Namespace mapping:" } else { "" };
        let _ = writeln!(facts, "{title}\t{source} -> {target}");
    }
    let policy = if spec.existing_resource_policy == "update" {
        "updated"
    } else {
        "left as they are"
    };
    let _ = writeln!(facts, "Objects that exist and differ:\t{policy}");
    tabs::align(&facts, tabs::DESCRIBE)
}

/// The usual actions are always counted, the others only if there are any.
fn counts(summary: &Summary) -> String {
    let usual = [
        (summary.create, "to create"),
        (summary.patch, "to patch"),
        (summary.unchanged, "unchanged"),
        (summary.skip, "skipped"),
        (summary.deny, "denied"),
    ];
    let rare = [
        (summary.wait, "waiting"),
        (summary.unknown, "unknown"),
        (summary.errors, "other errors"),
        (summary.warnings, "warnings"),
    ];
    let rare = rare.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = usual
        .into_iter()
        .chain(rare)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    counts.join(", ")
}

fn section(title: &str, table: &str) -> String {
    match (title, table) {
        (_, "") => String::new(),
        ("", table) => format!("\n{table}"),
        (title, table) => format!("\n{title}\n{table}"),
    }
}

fn creations<'a>(items: impl Iterator<Item = &'a PlannedItem>) -> String {
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for item in items {
        *counts
            .entry((namespace(item), item.kind.as_str(), item.reason.as_str()))
            .or_default() += 1;
    }
    if counts.is_empty() {
        return String::new();
    }
    let mut text = "NAMESPACE\tKIND\tCOUNT\tNOTE\n".to_owned();
    for ((namespace, kind, reason), count) in counts {
        let _ = writeln!(text, "{namespace}\t{kind}\t{count}\t{reason}");
    }
    aligned(&text)
}

fn listed<'a>(items: impl Iterator<Item = &'a PlannedItem>, most: usize) -> String {
    let mut text = String::new();
    for item in items {
        if text.is_empty() {
            text.push_str("ACTION\tNAMESPACE\tKIND\tNAME\tWHY\n");
        }
        let mut why = why(item, most).into_iter();
        let first = why.next().unwrap_or_default();
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{first}",
            item.action,
            namespace(item),
            item.kind,
            item.name
        );
        for more in why {
            let _ = writeln!(text, "\t\t\t\t{more}");
        }
    }
    aligned(&text)
}

fn why(item: &PlannedItem, most: usize) -> Vec<String> {
    let mut lines = Vec::from_iter(Some(one_line(&item.reason)).filter(|reason| !reason.is_empty()));
    lines.extend(item.errors.iter().map(|error| format!("error: {}", one_line(error))));
    let warnings = item.warnings.iter().filter(|warning| !is_about_differences(warning));
    lines.extend(warnings.map(|warning| format!("warning: {}", one_line(warning))));
    lines.extend(item.changes.iter().take(most).map(ToString::to_string));
    let unlisted = item.changes.len().saturating_sub(most) as u64 + item.more_changes;
    if unlisted > 0 {
        lines.push(format!("... and {unlisted} more"));
    }
    if let Some(source) = &item.source_namespace
        && lines.is_empty()
    {
        lines.push(format!("from namespace {source}"));
    }
    lines
}

/// The warning that the object differs. The reason and the changes of the item have the same information.
fn is_about_differences(warning: &str) -> bool {
    warning.ends_with("the in-cluster version is different than the backed-up version")
}

/// Texts of API servers may have several lines, and tabs, which would end a cell.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table without trailing blanks.
fn aligned(text: &str) -> String {
    let aligned = tabs::align(text, tabs::TABLE);
    aligned.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

fn namespace(item: &PlannedItem) -> &str {
    item.namespace.as_deref().unwrap_or("(cluster)")
}

fn is_notable(item: &PlannedItem) -> bool {
    !matches!(item.action, PlannedAction::Create | PlannedAction::Unchanged)
        || !item.warnings.is_empty()
        || !item.errors.is_empty()
}

fn rank(action: PlannedAction) -> u8 {
    match action {
        PlannedAction::Deny => 0,
        PlannedAction::Wait => 1,
        PlannedAction::Unknown => 2,
        PlannedAction::Create | PlannedAction::Unchanged => 3,
        PlannedAction::Patch => 4,
        PlannedAction::Skip => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::restore_plan::Change;
    use crate::api::v1::Restore;

    fn item(action: PlannedAction, namespace: &str, kind: &str, name: &str, reason: &str) -> PlannedItem {
        PlannedItem {
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
            name: name.to_owned(),
            action,
            reason: reason.to_owned(),
            ..PlannedItem::default()
        }
    }

    fn plan() -> RestorePlan {
        let mut restore = Restore::new("velero", "back");
        "first".clone_into(&mut restore.spec.backup_name);
        restore.spec.namespace_mapping = [("shop".to_owned(), "copy".to_owned())].into();
        let mut patched = item(PlannedAction::Patch, "copy", "Deployment", "web", "");
        patched.changes = (0..7)
            .map(|number| Change {
                path: format!("spec.f{number}"),
                from: Some(json!(number)),
                to: None,
                hidden: false,
            })
            .collect();
        patched.more_changes = 1;
        let mut warned = item(PlannedAction::Create, "copy", "Pod", "db", "");
        warned.warnings = vec!["asks for\thooks".to_owned()];
        let items = vec![
            item(PlannedAction::Create, "", "Namespace", "copy", ""),
            item(PlannedAction::Create, "copy", "ConfigMap", "a", "not asked: x"),
            item(PlannedAction::Create, "copy", "ConfigMap", "b", "not asked: x"),
            item(PlannedAction::Unchanged, "copy", "Secret", "s", ""),
            item(PlannedAction::Skip, "copy", "Job", "done", "it has completed"),
            patched,
            item(PlannedAction::Deny, "copy", "Service", "web", "policy says\nno"),
            warned,
        ];
        let mut summary = Summary::default();
        for item in &items {
            summary.add(item);
        }
        RestorePlan {
            restore,
            summary,
            validation_errors: Vec::new(),
            warnings: vec!["a whole-plan warning".to_owned()],
            items,
        }
    }

    #[test]
    fn created_objects_are_counted_and_the_others_listed() {
        let want = "\
Dry run of restore \"back\" from backup \"first\". Nothing was written.

Namespace mapping:              shop -> copy
Objects that exist and differ:  left as they are

4 to create, 1 to patch, 1 unchanged, 1 skipped, 1 denied, 1 warnings

Warning: a whole-plan warning

To be created:
NAMESPACE   KIND        COUNT   NOTE
(cluster)   Namespace   1
copy        ConfigMap   2       not asked: x
copy        Pod         1

To review:
ACTION   NAMESPACE   KIND         NAME   WHY
deny     copy        Service      web    policy says no
create   copy        Pod          db     warning: asks for hooks
patch    copy        Deployment   web    spec.f0: 0 -> (none)
                                         spec.f1: 1 -> (none)
                                         spec.f2: 2 -> (none)
                                         spec.f3: 3 -> (none)
                                         spec.f4: 4 -> (none)
                                         ... and 3 more
skip     copy        Job          done   it has completed
";
        assert_eq!(text(&plan(), false), want);
    }

    #[test]
    fn with_details_every_object_and_difference_is_listed() {
        let text = text(&plan(), true);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [
            "create (cluster) Namespace copy",
            "create copy ConfigMap b",
            "unchanged copy Secret s",
            "spec.f6: 6",
        ] {
            assert!(words.contains(line), "{line}\n{text}");
        }
        assert!(text.contains("... and 1 more"), "{text}");
    }

    #[test]
    fn a_long_list_is_truncated() {
        let mut plan = plan();
        let denied = |number| item(PlannedAction::Deny, "copy", "Pod", &format!("p{number}"), "no");
        plan.items = (0..MAX_LISTED + 7).map(denied).collect();
        let text = text(&plan, false);
        assert_eq!(text.matches("\ndeny").count(), MAX_LISTED);
        assert!(text.ends_with("... and 7 more; --details lists all\n"), "{text}");
    }

    #[test]
    fn an_invalid_restore_has_only_its_validation_errors() {
        let mut plan = plan();
        plan.validation_errors = vec!["Invalid ExistingResourcePolicy: x".to_owned()];
        let text = text(&plan, false);
        assert!(
            text.ends_with("validation errors:\n  Invalid ExistingResourcePolicy: x\n"),
            "{text}"
        );
    }
}
