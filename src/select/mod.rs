//! Pure rules: includes and excludes, wildcards, selectors.
