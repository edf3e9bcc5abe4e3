//! Numbers and names that are the same everywhere (spec api 11).
