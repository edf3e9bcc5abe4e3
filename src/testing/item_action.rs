//! An item action with operations, for tests: it stands for the plugins that move data.
//!
//! Each ConfigMap with the label [`LABEL`] has one operation in each backup and each restore of it. Its course is in the ConfigMap, as that is
//! in the cluster whenever the action is asked, so it outlives every process:
//!
//! | `data` | meaning |
//! | --- | --- |
//! | `operation` | `runs`, `completes`, `fails`; `breaks`: asking for the progress fails; `hangs`: it is never answered |
//! | `done` | units done, of ten |
//! | `post` | the items to collect again, such as `configmaps shop/a; persistentvolumes data` |
//! | `cancelled` | set by the action when it is cancelled |
//! | `again` | set in the backup's copy of an item that was collected again |

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::api::v1::{Backup, Restore};
use crate::api::{LabelSelector, OperationError, OperationProgress};
use crate::backup::actions::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed, StartedOperation};
use crate::backup::item::{Item, ItemRef};
use crate::cluster::Cluster;
use crate::controllers::context::ItemActions;
use crate::restore::actions::{ActionError as RestoreActionError, Input, Output, RestoreItemAction};

/// The environment variable that switches the actions on in a server built for tests.
pub const VARIABLE: &str = "VELERO_TEST_ITEM_ACTION";

/// The label of ConfigMaps with operations; its value is free.
pub const LABEL: &str = "example.com/operation";

/// The action's name in backups.
pub const OF_BACKUPS: &str = "example.com/backup-operation";

/// The action's name in restores.
pub const OF_RESTORES: &str = "example.com/restore-operation";

/// The actions for backups and for restores.
pub fn both(cluster: &Cluster) -> ItemActions {
    let ask = Ask {
        cluster: cluster.clone(),
    };
    ItemActions {
        backup: vec![Arc::new(OfBackups(ask.clone()))],
        restore: vec![Arc::new(OfRestores(ask))],
    }
}

/// Asks the cluster for the course of an operation. Its id is `<namespace>/<name>/<uid of the run>`.
#[derive(Clone)]
struct Ask {
    cluster: Cluster,
}

impl Ask {
    fn map<'a>(&self, operation: &'a str) -> (Api<ConfigMap>, &'a str) {
        let mut parts = operation.split('/');
        let (namespace, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        (Api::namespaced(self.cluster.client().clone(), namespace), name)
    }

    async fn progress(&self, operation: &str) -> Result<OperationProgress, OperationError> {
        let (api, name) = self.map(operation);
        let found = api.get(name).await.map_err(|error| OperationError(error.to_string()))?;
        let data = found.data.unwrap_or_default();
        let field = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
        let mut progress = OperationProgress {
            done: field("done").parse().unwrap_or_default(),
            total: 10,
            units: "Bytes".to_owned(),
            description: field("operation").to_owned(),
            started: found.metadata.creation_timestamp,
            ..OperationProgress::default()
        };
        match field("operation") {
            "completes" => progress.completed = true,
            "fails" => {
                progress.completed = true;
                "the disk is full".clone_into(&mut progress.error);
            }
            "breaks" => return Err(OperationError("the plugin does not answer".to_owned())),
            "hangs" => return pending().await,
            _ => {}
        }
        Ok(progress)
    }

    async fn cancel(&self, operation: &str) -> Result<(), OperationError> {
        let (api, name) = self.map(operation);
        let patch = Patch::Merge(json!({"data": {"cancelled": "true"}}));
        let patched = api.patch(name, &PatchParams::default(), &patch).await;
        patched.map(drop).map_err(|error| OperationError(error.to_string()))
    }
}

fn labelled() -> AppliesTo {
    AppliesTo {
        labels: LabelSelector {
            match_expressions: serde_json::from_value(json!([{"key": LABEL, "operator": "Exists"}]))
                .unwrap_or_default(),
            ..LabelSelector::default()
        },
        ..AppliesTo::types(&["configmaps"])
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

struct OfBackups(Ask);

impl BackupItemAction for OfBackups {
    fn name(&self) -> &'static str {
        OF_BACKUPS
    }

    fn applies_to(&self) -> AppliesTo {
        labelled()
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Item,
        context: &'a ActionContext<'a>,
    ) -> BoxFuture<'a, Result<Executed, ActionError>> {
        async move {
            if context.again {
                item.edit()?["data"]["again"] = json!("true");
                return Ok(Executed::default());
            }
            let object: Value = item.read()?;
            let post = text(&object, "/data/post").split(';').filter_map(named).collect();
            let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
            Ok(Executed {
                operation: Some(StartedOperation {
                    id: format!("{namespace}/{name}/{}", context.request.uid),
                    post_items: post,
                }),
                ..Executed::default()
            })
        }
        .boxed()
    }

    fn progress<'a>(
        &'a self,
        operation: &'a str,
        _: &'a Backup,
    ) -> BoxFuture<'a, Result<OperationProgress, OperationError>> {
        self.0.progress(operation).boxed()
    }

    fn cancel<'a>(&'a self, operation: &'a str, _: &'a Backup) -> BoxFuture<'a, Result<(), OperationError>> {
        self.0.cancel(operation).boxed()
    }
}

/// `configmaps shop/a` or `persistentvolumes data`.
fn named(text: &str) -> Option<ItemRef> {
    let (resource, name) = text.trim().split_once(' ')?;
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, name),
    };
    Some(ItemRef {
        group_resource: resource.parse().ok()?,
        namespace,
        name: name.to_owned(),
    })
}

struct OfRestores(Ask);

impl RestoreItemAction for OfRestores {
    fn name(&self) -> &'static str {
        OF_RESTORES
    }

    fn applies_to(&self) -> AppliesTo {
        labelled()
    }

    fn execute<'a>(
        &'a self,
        item: &'a mut Value,
        input: Input<'a>,
    ) -> BoxFuture<'a, Result<Output, RestoreActionError>> {
        async move {
            let source = input.namespace.unwrap_or_default();
            let namespace = input.restore.target(source);
            Ok(Output {
                operation: Some(format!(
                    "{namespace}/{}/{}",
                    text(item, "/metadata/name"),
                    input.restore.uid
                )),
                ..Output::default()
            })
        }
        .boxed()
    }

    fn progress<'a>(
        &'a self,
        operation: &'a str,
        _: &'a Restore,
    ) -> BoxFuture<'a, Result<OperationProgress, OperationError>> {
        self.0.progress(operation).boxed()
    }

    fn cancel<'a>(&'a self, operation: &'a str, _: &'a Restore) -> BoxFuture<'a, Result<(), OperationError>> {
        self.0.cancel(operation).boxed()
    }
}
