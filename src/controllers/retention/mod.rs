//! Retention: how long the backups of a schedule are kept, beyond or short of their TTL, by rules in its annotations
//! ([decision 53](../../../docs/decisions/0053-retention.md)).

pub mod plan;
pub mod rules;
