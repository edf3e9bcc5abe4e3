//! Finalizers (spec api 10).
