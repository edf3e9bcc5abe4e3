//! The restore engine: plan -> waves -> items. Knows no phase and no queue.
