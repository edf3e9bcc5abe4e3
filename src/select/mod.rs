//! Pure rules: includes and excludes, wildcards, selectors. No client and no tokio in here.
//!
//! Resource types appear by name as filters write them: the plural, a dot, the group (`deployments.apps`, `pods`).

pub mod applies_to;
pub mod backup;
pub mod glob;
pub mod includes;
pub mod labels;
pub mod namespaces;
pub mod resource_policies;
pub mod restore;
pub mod validation;
