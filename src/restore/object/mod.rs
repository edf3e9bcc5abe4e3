//! How a restore changes one object, and how it compares two: pure functions on raw JSON.

pub mod binding;
pub mod called_services;
pub mod changes;
pub mod cluster_owned;
pub mod creation;
pub mod default_rights;
pub mod displaced;
pub mod ephemeral;
pub mod existing;
pub mod identity;
pub mod job;
pub mod managed_fields;
pub mod merged_labels;
pub mod metadata;
pub mod needs;
pub mod outcome;
pub mod prerequisite;
pub mod service_account;
pub mod shared;
pub mod status;
pub mod token;
pub mod unseen;
pub mod volume;
