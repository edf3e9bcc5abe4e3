//! `velero.io/v2alpha1`.
