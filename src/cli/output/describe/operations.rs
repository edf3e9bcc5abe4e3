//! Asynchronous operations of a run.

use serde_json::{Value, json};

use super::{Fetched, Page, View};
use crate::api::artifact::{BackupOperationSpec, ItemOperation, ResourceIdentifier, RestoreOperationSpec};

/// The counts of operations.
pub(super) struct Counts {
    pub(super) attempted: i64,
    pub(super) completed: i64,
    pub(super) failed: i64,
}

/// An operation of a backup or a restore.
pub(super) trait Operation {
    /// `Backup` or `Restore`.
    const KIND: &'static str;

    fn item(&self) -> &ResourceIdentifier;
    fn action(&self) -> &str;
    fn id(&self) -> &str;
    fn items_to_update(&self) -> &[ResourceIdentifier];
}

impl Operation for BackupOperationSpec {
    const KIND: &'static str = "Backup";

    fn item(&self) -> &ResourceIdentifier {
        &self.resource_identifier
    }

    fn action(&self) -> &str {
        &self.backup_item_action
    }

    fn id(&self) -> &str {
        &self.operation_id
    }

    fn items_to_update(&self) -> &[ResourceIdentifier] {
        self.post_operation_items.as_deref().unwrap_or_default()
    }
}

impl Operation for RestoreOperationSpec {
    const KIND: &'static str = "Restore";

    fn item(&self) -> &ResourceIdentifier {
        &self.resource_identifier
    }

    fn action(&self) -> &str {
        &self.restore_item_action
    }

    fn id(&self) -> &str {
        &self.operation_id
    }

    fn items_to_update(&self) -> &[ResourceIdentifier] {
        &[]
    }
}

/// The operations if they were fetched, else their counts.
pub(super) fn operations<S: Operation>(
    page: &mut Page<'_>,
    counts: &Counts,
    fetched: Option<&Fetched<Vec<ItemOperation<S>>>>,
) {
    let Counts {
        attempted,
        completed,
        failed,
    } = counts;
    if *attempted == 0 {
        return;
    }
    let heading = format!("{} Item Operations", S::KIND);
    match fetched {
        None => page.line(format_args!(
            "{heading}:\t{completed} of {attempted} completed successfully, {failed} failed (specify --details for more information)"
        )),
        Some(Fetched::Got(operations)) => {
            page.line(format_args!("{heading}:"));
            for one in operations {
                operation(page, one);
            }
        }
        Some(Fetched::Missing) => page.line(format_args!("{heading}:\t<error getting operation info: file not found>")),
        Some(Fetched::NotFetched(why)) => page.line(format_args!("{heading}:\t<error getting operation info: {why}>")),
        Some(Fetched::Unreadable(why)) => page.line(format_args!("{heading}:\t<error reading operation info: {why}>")),
    }
}

fn operation<S: Operation>(page: &mut Page<'_>, operation: &ItemOperation<S>) {
    let (spec, status) = (&operation.spec, &operation.status);
    page.line(format_args!("\tOperation for {}:", named(spec.item())));
    page.line(format_args!("\t\t{} Item Action Plugin:\t{}", S::KIND, spec.action()));
    page.line(format_args!("\t\tOperation ID:\t{}", spec.id()));
    if !spec.items_to_update().is_empty() {
        page.line("\t\tItems to Update:");
        spec.items_to_update()
            .iter()
            .for_each(|item| page.line(format_args!("\t\t\t{}", named(item))));
    }
    page.line(format_args!(
        "\t\tPhase:\t{}",
        status.phase.as_ref().map(ToString::to_string).unwrap_or_default()
    ));
    if !status.error.is_empty() {
        page.line(format_args!("\t\tOperation Error:\t{}", status.error));
    }
    if status.total > 0 || status.completed > 0 {
        let unit = &status.operation_units;
        page.line(format_args!(
            "\t\tProgress:\t{} of {} complete ({unit})",
            status.completed, status.total
        ));
    }
    if !status.description.is_empty() {
        page.line(format_args!("\t\tProgress description:\t{}", status.description));
    }
    for (heading, time) in [
        ("Created", &status.created),
        ("Started", &status.started),
        ("Updated", &status.updated),
    ] {
        if let Some(time) = time {
            page.line(format_args!("\t\t{heading}:\t{}", page.view.time(time)));
        }
    }
}

/// The operations as JSON if they were fetched, else their counts; `None` if there were none.
pub(super) fn json<S: Operation>(
    counts: &Counts,
    fetched: Option<&Fetched<Vec<ItemOperation<S>>>>,
    view: &View,
) -> Option<Value> {
    if counts.attempted == 0 {
        return None;
    }
    Some(match fetched {
        None => json!({
            "attempted": counts.attempted, "completed": counts.completed, "failed": counts.failed,
        }),
        Some(Fetched::Got(operations)) => operations.iter().map(|one| operation_json(one, view)).collect(),
        Some(Fetched::Missing) => json!("<error getting operation info: file not found>"),
        Some(Fetched::NotFetched(why)) => json!(format!("<error getting operation info: {why}>")),
        Some(Fetched::Unreadable(why)) => json!(format!("<error reading operation info: {why}>")),
    })
}

fn operation_json<S: Operation>(operation: &ItemOperation<S>, view: &View) -> Value {
    let (spec, status) = (&operation.spec, &operation.status);
    let mut one = json!({
        "item": named(spec.item()),
        "itemActionPlugin": spec.action(),
        "operationID": spec.id(),
        "phase": status.phase.as_ref().map(ToString::to_string).unwrap_or_default(),
    });
    if !spec.items_to_update().is_empty() {
        one["itemsToUpdate"] = spec.items_to_update().iter().map(named).collect();
    }
    if !status.error.is_empty() {
        one["error"] = json!(status.error);
    }
    if status.total > 0 || status.completed > 0 {
        one["progress"] = json!({
            "completed": status.completed, "total": status.total, "units": status.operation_units,
        });
    }
    if !status.description.is_empty() {
        one["progressDescription"] = json!(status.description);
    }
    for (key, time) in [
        ("created", &status.created),
        ("started", &status.started),
        ("updated", &status.updated),
    ] {
        if let Some(time) = time {
            one[key] = json!(view.time(time));
        }
    }
    one
}

/// `persistentvolumeclaims ns/name`.
fn named(item: &ResourceIdentifier) -> String {
    let group = if item.group.is_empty() {
        String::new()
    } else {
        format!(".{}", item.group)
    };
    format!("{}{group} {}/{}", item.resource, item.namespace, item.name)
}
