//! Keys of labels and annotations that a restore reads or writes (spec restore 23).

/// On every object that a restore makes: the backup's name.
pub const BACKUP_NAME: &str = "velero.io/backup-name";
/// On every object that a restore makes: the restore's name.
pub const RESTORE_NAME: &str = "velero.io/restore-name";
/// On a pod in the backup: wants an init container of its own making.
pub const INIT_HOOK_IMAGE: &str = "init.hook.restore.velero.io/container-image";
/// On a pod in the backup: wants a command run after it was restored.
pub const POST_HOOK_COMMAND: &str = "post.hook.restore.velero.io/command";
