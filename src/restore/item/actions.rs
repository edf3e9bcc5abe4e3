//! Applies the restore item actions to an item (spec restore 14).

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::ItemRestore;
use crate::restore::actions::{Input, Output};
use crate::restore::ledger::{NotedOperation, State};
use crate::restore::processed::{Step, done};
use crate::restore::types::ServedTypes;

impl ItemRestore<'_> {
    /// Runs the item's actions in order. Ends the pass if one of them leaves the item out or fails.
    pub(super) async fn run_actions(&mut self, types: &ServedTypes, object: &mut Value, original: &Value) -> Step<()> {
        let parts = self.ctx.parts;
        for applicable in types.actions.for_items(self.group_resource(), self.item.target) {
            if !applicable.matches(object) {
                continue;
            }
            let action = applicable.action;
            let input = Input {
                original,
                namespace: self.item.path.namespace,
                restore: &parts.prepared.context,
                lookup: &parts.archived,
            };
            match action.execute(object, input).await {
                Err(error) => {
                    let text = format!("error preparing {}: {error}", self.id());
                    self.messages.error(text);
                    return done(State::Failed);
                }
                Ok(Output {
                    skip: true,
                    warnings,
                    operation,
                    ..
                }) => {
                    self.note_operation(action.name(), operation);
                    self.log(&format!("Left out by action {}", action.name()));
                    self.messages.why = format!("left out by action {}", action.name()).into();
                    let state = self.messages.implied_state();
                    for text in warnings {
                        self.messages.warn(text);
                    }
                    return done(state);
                }
                Ok(output) => {
                    self.note_operation(action.name(), output.operation);
                    for text in output.warnings {
                        self.messages.warn(text);
                    }
                    for wanted in &output.additional {
                        self.restore_additional(wanted).await?;
                    }
                    if let Some(limit) = output.wait {
                        self.wait_for_additional(action, &output.additional, limit).await;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Notes an operation in the ledger, with the state of the item.
    fn note_operation(&mut self, action: &str, operation: Option<String>) {
        if let Some(id) = operation {
            let action = action.to_owned();
            self.messages.note.operations.push(NotedOperation { action, id });
        }
    }
}
