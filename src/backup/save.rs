//! One object, step by step, into the archive (spec backup 9).

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::actions::ActionContext;
use super::done::Key;
use super::hooks::BlockHooks;
use super::inclusion::{PassedOver, check_object, check_type};
use super::item::{Item, ItemRef};
use super::objects::Objects;
use super::operations::Operations;
use super::outcome::SaveOutcome;
use super::packer::{Member, Packer};
use super::prepared::Prepared;
use super::stop::Stop;
use super::tracker::Tracker;
use super::types::{KnownType, Type};
use super::volumes::{VolumeChoices, VolumeRecords};
use crate::cluster::raw::{Head, RawObject};
use crate::hook::Runner;
use crate::telemetry::logrus::Level;

/// An action that returns the item with this annotation requires its additional items, against all filters. Since 1.10.
const MUST_INCLUDE: &str = "backup.velero.io/must-include-additional-items";

/// An action that returns the item with this annotation, with any value, excludes the item from the backup. The other actions
/// still run, and their additional items are saved. Since 1.15.
const SKIP: &str = "velero.io/skip-from-backup";

/// Which pass over items it is.
pub(super) enum Round<'a> {
    /// The run.
    First {
        hooks: &'a Runner,
        operations: &'a Operations,
    },
    /// Operations have ended, and single items are collected again: without hooks and new operations.
    Again,
}

/// Saves items.
pub(super) struct ItemSaver<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) objects: &'a Objects<'a>,
    pub(super) tracker: &'a Tracker<'a>,
    pub(super) hooks: BlockHooks<'a>,
    round: &'a Round<'a>,
    volumes: VolumeChoices<'a>,
    packer: Packer,
}

impl<'a> ItemSaver<'a> {
    pub(super) fn new(
        prepared: &'a Prepared<'a>,
        objects: &'a Objects<'a>,
        tracker: &'a Tracker<'a>,
        round: &'a Round<'a>,
        volumes: &'a VolumeRecords,
        packer: Packer,
    ) -> Self {
        let runner = match round {
            Round::First { hooks, .. } => Some(*hooks),
            Round::Again => None,
        };
        Self {
            prepared,
            objects,
            tracker,
            round,
            hooks: BlockHooks::new(runner, prepared, objects, tracker),
            volumes: VolumeChoices::new(prepared, objects, tracker, volumes),
            packer,
        }
    }

    /// Saves an object of a list or an action, unless it does not belong to the backup or was begun before. `must`: an action
    /// requires it.
    pub(super) async fn save(&self, type_: &Arc<Type>, source: RawObject, must: bool) -> Result<SaveOutcome, Stop> {
        let head = &source.head;
        if let Err(why) = check_object(head, type_, &self.prepared.namespaces, must) {
            if why == PassedOver::Label && type_.known == KnownType::Claim {
                self.volumes.claim_excluded_by_label(head);
            }
            self.tracker.skipped(type_, head, why);
            return Ok(SaveOutcome::PassedOver);
        }
        if !self
            .tracker
            .done
            .insert(type_.key(head.namespace.as_deref(), &head.name))
        {
            return Ok(SaveOutcome::AlreadyDone);
        }
        let mut item = Item::new(source);
        // What saves the data of volumes was decided in the run.
        if self.decides_volumes()
            && matches!(type_.known, KnownType::Pod | KnownType::Claim)
            // Boxed: otherwise the future of every other item would be as large.
            && let Err(error) = Box::pin(self.volumes.decide(type_, &item)).await
        {
            return Ok(self.failed(type_, item.head(), "error reading item", &error));
        }
        for at in &type_.actions {
            if self.act(*at, type_, &mut item).await? == SaveOutcome::Failed {
                return Ok(SaveOutcome::Failed);
            }
        }
        match is_kept_out(&mut item) {
            Ok(false) => self.pack(type_, item).await,
            Ok(true) => {
                self.tracker.skipped(type_, item.head(), PassedOver::Action);
                Ok(SaveOutcome::PassedOver)
            }
            Err(error) => Ok(self.failed(type_, item.head(), "error reading item", &error)),
        }
    }

    /// Runs one action on an item if it applies, and saves its additional items. `Failed` ends the item.
    async fn act(&self, at: usize, type_: &Arc<Type>, item: &mut Item) -> Result<SaveOutcome, Stop> {
        let Some(action) = self.prepared.actions.applicable(at, item.head()) else {
            return Ok(SaveOutcome::Saved);
        };
        let context = ActionContext {
            request: self.prepared.request,
            discovery: self.prepared.discovery,
            reader: self.objects.reader,
            log: self.tracker.log,
            again: matches!(self.round, Round::Again),
        };
        let executed = match action.execute(item, &context).await {
            Ok(executed) => executed,
            Err(error) => {
                let what = format!("error executing custom action `{}`", action.name());
                return Ok(self.failed(type_, item.head(), &what, &error));
            }
        };
        if let Some(started) = executed.operation {
            match self.round {
                Round::First { operations, .. } => {
                    operations.add(context.request, action.name(), type_, item.head(), started);
                }
                Round::Again => {
                    let Head { namespace, name, .. } = item.head();
                    self.tracker.failed(type_, namespace.as_deref(), name).msg(format!(
                        "Error backing up item: custom action `{}` started an operation while the backup is finalized",
                        action.name()
                    ));
                    return Ok(SaveOutcome::Failed);
                }
            }
        }
        let must = match takes_must_include(item) {
            Ok(must) => must,
            Err(error) => return Ok(self.failed(type_, item.head(), "error reading item", &error)),
        };
        for additional in executed.additional {
            if self.save_named(&additional, must).await? == SaveOutcome::Failed {
                let what = format!("error backing up additional item `{}`", describe(&additional));
                let Head { namespace, name, .. } = item.head();
                self.tracker.failed(type_, namespace.as_deref(), name).msg(what);
                return Ok(SaveOutcome::Failed);
            }
        }
        Ok(SaveOutcome::Saved)
    }

    /// Saves an item that an action asked for: a staged one, or else one of the cluster. A missing one is a warning. Boxed, because
    /// such an item may ask for further ones.
    pub(super) fn save_named<'s>(
        &'s self,
        wanted: &'s ItemRef,
        must: bool,
    ) -> BoxFuture<'s, Result<SaveOutcome, Stop>> {
        Box::pin(async move {
            let ItemRef {
                group_resource,
                namespace,
                name,
            } = wanted;
            let namespace = namespace.as_deref();
            let Some(type_) = self.prepared.types.get(group_resource) else {
                self.tracker
                    .log
                    .line(Level::Error)
                    .field("resource", group_resource.to_string())
                    .field("namespace", namespace.unwrap_or_default())
                    .field("name", name)
                    .msg("Unable to back up additional item because its resource type is not served");
                return Ok(SaveOutcome::PassedOver);
            };
            let key = Key::new(group_resource, namespace, name);
            if self.tracker.done.contains(key) {
                return Ok(SaveOutcome::AlreadyDone);
            }
            if !must && let Err(why) = check_type(type_, namespace, &self.prepared.namespaces) {
                self.tracker
                    .item_log
                    .line(Level::Debug, type_, namespace, name)
                    .msg(why.words());
                return Ok(SaveOutcome::PassedOver);
            }
            let object = match self.objects.get(type_, namespace, name).await {
                Ok(Some(object)) => object,
                Ok(None) => {
                    self.tracker
                        .item_log
                        .line(Level::Warning, type_, namespace, name)
                        .msg("Additional item was not found in Kubernetes API, can't back it up");
                    return Ok(SaveOutcome::PassedOver);
                }
                Err(error) => {
                    self.tracker
                        .failed(type_, namespace, name)
                        .error(&*error)
                        .msg("Error getting item");
                    return Ok(SaveOutcome::Failed);
                }
            };
            match type_.known {
                KnownType::Pod => self.save_pod(type_, object, must).await,
                _ => self.save(type_, object, must).await,
            }
        })
    }

    /// Saves a pod that another item asked for, with its own hooks around it.
    async fn save_pod(&self, type_: &Arc<Type>, pod: RawObject, must: bool) -> Result<SaveOutcome, Stop> {
        let frozen = self.hooks.freeze_pod(type_, &pod, must).await;
        let outcome = if frozen.iter().any(|pod| pod.refused) {
            Ok(SaveOutcome::Failed)
        } else {
            self.save(type_, pod, must).await
        };
        self.hooks.thaw(frozen).await;
        outcome
    }

    /// Counts an item as saved, and sends it to the archive.
    async fn pack(&self, type_: &Arc<Type>, item: Item) -> Result<SaveOutcome, Stop> {
        let edited = item.is_edited();
        let json = match item.json() {
            Ok(json) => json,
            Err(error) => return Ok(self.failed(type_, item.head(), "error writing item", &error)),
        };
        let member = Member {
            group_resource: type_.name.clone(),
            version: type_.version.clone(),
            preferred: type_.preferred,
            json,
            source: item.into_source(),
        };
        let head = &member.source.head;
        if let Err(error) = member.check() {
            return Ok(self.failed(type_, head, "error writing item", &error));
        }
        if self.decides_volumes()
            && type_.known == KnownType::Volume
            && let Err(error) = Box::pin(self.volumes.volume_is_saved(type_, head, &member.json)).await
        {
            return Ok(self.failed(type_, head, "error reading item", &error));
        }
        // An edited item may have another apiVersion; the resource list has what is in the archive.
        let renamed = edited
            .then(|| serde_json::from_slice::<TypeMeta>(&member.json).ok())
            .flatten();
        let (api_version, kind) = match &renamed {
            Some(meta) => (&meta.api_version, &meta.kind),
            None => (&head.api_version, &head.kind),
        };
        self.tracker.saved(type_, head, api_version, kind).await?;
        self.packer.pack(member).await.map_err(|_| Stop::Packer)?;
        Ok(SaveOutcome::Saved)
    }

    fn decides_volumes(&self) -> bool {
        matches!(self.round, Round::First { .. })
    }

    fn failed(&self, type_: &Type, head: &Head, what: &str, error: &dyn std::error::Error) -> SaveOutcome {
        self.tracker
            .failed(type_, head.namespace.as_deref(), &head.name)
            .error(error)
            .msg(format!("Error backing up item: {what}"));
        SaveOutcome::Failed
    }
}

/// The annotations of an item that an action has edited.
fn edited_annotations(item: &mut Item) -> Result<Option<&mut Map<String, Value>>, serde_json::Error> {
    if !item.is_edited() {
        return Ok(None);
    }
    let annotations = item.edit()?.pointer_mut("/metadata/annotations");
    Ok(annotations.and_then(Value::as_object_mut))
}

/// Whether an action requires its additional items. The annotation is removed, so that it is not in the archive.
fn takes_must_include(item: &mut Item) -> Result<bool, serde_json::Error> {
    let removed = edited_annotations(item)?.and_then(|annotations| annotations.remove(MUST_INCLUDE));
    Ok(removed.is_some_and(|value| value == "true"))
}

/// Whether an action excludes the item.
fn is_kept_out(item: &mut Item) -> Result<bool, serde_json::Error> {
    Ok(edited_annotations(item)?.is_some_and(|annotations| annotations.contains_key(SKIP)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    api_version: String,
    kind: String,
}

fn describe(item: &ItemRef) -> String {
    match &item.namespace {
        Some(namespace) => format!("{} {namespace}/{}", item.group_resource, item.name),
        None => format!("{} {}", item.group_resource, item.name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(annotations: &Value, edited: bool) -> Item {
        let object =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": annotations}});
        let mut item = Item::new(RawObject::parse(object.to_string().into()).unwrap());
        if edited {
            item.edit().unwrap();
        }
        item
    }

    #[test]
    fn only_an_item_that_an_action_edited_requires_or_excludes() {
        let require = |value: &str| json!({MUST_INCLUDE: value});
        // annotations, edited, requires its additional items, excludes the item
        for (annotations, edited, requires, excludes) in [
            (require("true"), true, true, false),
            (require("false"), true, false, false),
            (require("true"), false, false, false),
            (json!({SKIP: "false"}), true, false, true),
            (json!({SKIP: "true"}), false, false, false),
            (json!(null), true, false, false),
        ] {
            let mut item = item(&annotations, edited);
            assert_eq!(
                takes_must_include(&mut item).unwrap(),
                requires,
                "{annotations} {edited}"
            );
            assert_eq!(is_kept_out(&mut item).unwrap(), excludes, "{annotations} {edited}");
        }
    }

    #[test]
    fn the_annotation_of_an_action_is_not_in_the_archive() {
        let mut item = item(&json!({MUST_INCLUDE: "true", "a": "b"}), true);
        takes_must_include(&mut item).unwrap();
        let left: Value = item.read().unwrap();
        assert_eq!(left["metadata"]["annotations"], json!({"a": "b"}));
    }
}
