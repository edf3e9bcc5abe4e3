//! The `velero` command: one file a command.
