//! One object, step by step, into the archive (spec backup 9).

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::actions::ActionContext;
use super::done::Key;
use super::inclusion::{PassedOver, check_object, check_type};
use super::item::{Item, ItemRef};
use super::packer::Member;
use super::run::{BackupRun, Stop};
use super::types::{KnownType, Type};
use super::volumes::Approach;
use crate::cluster::raw::{Head, RawObject};
use crate::telemetry::logrus::Level;

/// An action that returns the item with this annotation requires its additional items, against all filters. Since 1.10.
const MUST_INCLUDE: &str = "backup.velero.io/must-include-additional-items";

/// An action that returns the item with this annotation, with any value, excludes the item from the backup. The other actions
/// still run, and their additional items are saved. Since 1.15.
const SKIP: &str = "velero.io/skip-from-backup";

/// The result for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaveOutcome {
    /// It is in the archive.
    Saved,
    /// It was begun before.
    AlreadyDone,
    /// It does not belong to the backup.
    PassedOver,
    /// It could not be saved; there is an error line.
    Failed,
}

impl BackupRun<'_> {
    /// Saves an object of a list or an action, unless it does not belong to the backup or was begun before. `must`: an action
    /// requires it.
    pub(super) async fn save(&self, type_: &Arc<Type>, source: RawObject, must: bool) -> Result<SaveOutcome, Stop> {
        let head = &source.head;
        if let Err(why) = check_object(head, type_, &self.namespaces, must) {
            self.passed_over(type_, &source, why);
            return Ok(SaveOutcome::PassedOver);
        }
        if !self.begin_item(type_.key(head.namespace.as_deref(), &head.name)) {
            return Ok(SaveOutcome::AlreadyDone);
        }
        let mut item = Item::new(source);
        if matches!(type_.known, KnownType::Pod | KnownType::Claim)
            // Boxed: otherwise the future of every other item would be as large.
            && let Err(error) = Box::pin(self.decide_volumes(type_, &item)).await
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
                self.passed_over_head(type_, item.head(), PassedOver::Action);
                Ok(SaveOutcome::PassedOver)
            }
            Err(error) => Ok(self.failed(type_, item.head(), "error reading item", &error)),
        }
    }

    /// Runs one action on an item if it applies, and saves its additional items. `Failed` ends the item.
    async fn act(&self, at: usize, type_: &Arc<Type>, item: &mut Item) -> Result<SaveOutcome, Stop> {
        let Some(action) = self.actions.applicable(at, item.head()) else {
            return Ok(SaveOutcome::Saved);
        };
        let context = ActionContext {
            request: self.request,
            discovery: self.discovery,
            reader: &self.reader,
            log: self.log,
        };
        let executed = match action.execute(item, &context).await {
            Ok(executed) => executed,
            Err(error) => {
                let what = format!("error executing custom action `{}`", action.name());
                return Ok(self.failed(type_, item.head(), &what, &error));
            }
        };
        let must = match takes_must_include(item) {
            Ok(must) => must,
            Err(error) => return Ok(self.failed(type_, item.head(), "error reading item", &error)),
        };
        for additional in executed.additional {
            if self.save_additional(&additional, must).await? == SaveOutcome::Failed {
                let what = format!("error backing up additional item `{}`", describe(&additional));
                self.item_log
                    .line(Level::Error, type_, item.head().namespace.as_deref(), &item.head().name)
                    .msg(what);
                self.state().failed += 1;
                return Ok(SaveOutcome::Failed);
            }
        }
        Ok(SaveOutcome::Saved)
    }

    /// Saves an item that an action asked for: a staged one, or else one of the cluster. A missing one is a warning. Boxed, because
    /// such an item may ask for further ones.
    fn save_additional<'s>(&'s self, wanted: &'s ItemRef, must: bool) -> BoxFuture<'s, Result<SaveOutcome, Stop>> {
        Box::pin(async move {
            let ItemRef {
                group_resource,
                namespace,
                name,
            } = wanted;
            let namespace = namespace.as_deref();
            let Some(type_) = self.types.get(group_resource) else {
                self.log
                    .line(Level::Error)
                    .field("resource", group_resource.to_string())
                    .field("namespace", namespace.unwrap_or_default())
                    .field("name", name)
                    .msg("Unable to back up additional item because its resource type is not served");
                return Ok(SaveOutcome::PassedOver);
            };
            let key = Key::new(group_resource, namespace, name);
            if self.is_done(key) {
                return Ok(SaveOutcome::AlreadyDone);
            }
            if !must && let Err(why) = check_type(type_, namespace, &self.namespaces) {
                self.item_log
                    .line(Level::Debug, type_, namespace, name)
                    .msg(why.words());
                return Ok(SaveOutcome::PassedOver);
            }
            let object = match self.fetch(type_, key, namespace, name).await {
                Ok(Some(object)) => object,
                Ok(None) => {
                    self.item_log
                        .line(Level::Warning, type_, namespace, name)
                        .msg("Additional item was not found in Kubernetes API, can't back it up");
                    return Ok(SaveOutcome::PassedOver);
                }
                Err(error) => {
                    self.item_log
                        .line(Level::Error, type_, namespace, name)
                        .error(&*error)
                        .msg("Error getting item");
                    self.state().failed += 1;
                    return Ok(SaveOutcome::Failed);
                }
            };
            match type_.known {
                KnownType::Pod => self.save_pod(type_, object, must).await,
                _ => self.save(type_, object, must).await,
            }
        })
    }

    pub(super) async fn fetch(
        &self,
        type_: &Type,
        key: Key,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<RawObject>, Box<dyn std::error::Error + Send + Sync>> {
        if let Some((staged, place)) = self.staged.get().and_then(|staged| Some((staged, staged.find(key)?))) {
            return Ok(Some(staged.read(place).await?));
        }
        Ok(self.reader.get(&type_.resource, namespace, name).await?)
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
        if type_.known == KnownType::Volume
            && let Err(error) = Box::pin(self.volume_is_saved(type_, head, &member.json)).await
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
        self.list_name(api_version, kind, head.namespace.as_deref(), &head.name)
            .await?;
        self.note_type(type_);
        self.item_log.saved(
            self.progress.saved(),
            kind,
            type_,
            head.namespace.as_deref(),
            &head.name,
        );
        self.packer.pack(member).await.map_err(|_| Stop::Packer)?;
        Ok(SaveOutcome::Saved)
    }

    fn note_type(&self, type_: &Type) {
        let mut state = self.state();
        if !state.saved_types.contains(&type_.group_resource) {
            state.saved_types.insert(type_.group_resource.clone());
        }
    }

    fn passed_over(&self, type_: &Type, source: &RawObject, why: PassedOver) {
        if why == PassedOver::Label && type_.known == KnownType::Claim {
            let Head { namespace, name, .. } = &source.head;
            let reason = "item has label velero.io/exclude-from-backup=true";
            let mut state = self.state();
            state
                .volumes
                .skipped(namespace.as_deref().unwrap_or_default(), name, Approach::Any, reason);
        }
        self.passed_over_head(type_, &source.head, why);
    }

    fn passed_over_head(&self, type_: &Type, head: &Head, why: PassedOver) {
        self.state().skipped += 1;
        // A cluster-wide list has the objects of other namespaces too; they are not worth a line each.
        let level = if why == PassedOver::Namespace {
            Level::Debug
        } else {
            Level::Info
        };
        self.item_log
            .line(level, type_, head.namespace.as_deref(), &head.name)
            .msg(why.words());
    }

    fn failed(&self, type_: &Type, head: &Head, what: &str, error: &dyn std::error::Error) -> SaveOutcome {
        self.item_log
            .line(Level::Error, type_, head.namespace.as_deref(), &head.name)
            .error(error)
            .msg(format!("Error backing up item: {what}"));
        self.state().failed += 1;
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
