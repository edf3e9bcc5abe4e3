//! One reconciler a kind; the only writers of status.
