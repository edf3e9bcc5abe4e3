//! A small controller-runtime on kube-runtime. Knows nothing of backups.
