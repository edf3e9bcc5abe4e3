//! Hooks and waits of restored pods. Restore hooks attach here.

use serde_json::Value;

use super::context::ItemRestore;
use crate::api::annotations::{INIT_RESTORE_IMAGE, POST_RESTORE_COMMAND};
use crate::restore::object::metadata;

impl ItemRestore<'_> {
    /// Warns of annotations of a pod that are not supported yet (decision 22).
    pub(super) fn warn_of_hooks(&mut self, object: &Value) {
        if self.group_resource() != "pods" {
            return;
        }
        let id = self.id();
        let asks = |key| metadata::annotation(object, key).is_some();
        if asks(INIT_RESTORE_IMAGE) || asks(POST_RESTORE_COMMAND) {
            self.messages.warn(format!(
                "{id} asks for restore hooks by annotation, which are not supported yet: none is run"
            ));
        }
        let kept = &self.ctx.parts.prepared.request.kept_volumes;
        if let (Some(namespace), name) = (self.item.path.namespace, self.item.path.name)
            && kept.pods.contains(&(namespace.to_owned(), name.to_owned()))
        {
            self.messages.error(format!(
                "the volumes of {id} were backed up file by file, which this release cannot restore: they are empty"
            ));
        }
    }
}
