//! The custom resources as they are on the wire; names, labels, durations, schema. See spec: custom resources, identifiers, labels.
//!
//! Reading is lenient, writing is exact: a missing or `null` field is its zero value, an unknown enum text, an unknown
//! field and an unparsable duration survive. Fields that Go always writes (`"ttl": "0s"`, `"hooks": {}`) are always written, in
//! Go's order.

pub mod annotations;
pub mod artifact;
pub mod condition;
pub mod constants;
pub mod crds;
mod data_path;
mod duration;
pub mod finalizers;
pub mod go_json;
mod hook;
mod item_operation;
pub mod labels;
mod meta;
pub mod names;
mod quantity;
mod reference;
pub mod restore_plan;
mod root;
pub mod schema;
mod selector;
mod text_enum;
pub mod v1;
pub mod v2alpha1;
pub(crate) mod wire;

use k8s_openapi::jiff::Timestamp;

pub use condition::{Condition, ConditionStatus};
pub use crds::crds;
pub use data_path::{ByteProgress, DataPathPhase, NodeOs, RepositoryType};
pub use duration::{GoDuration, InvalidDuration};
pub use hook::{
    BackupHook, BackupHooks, BackupResourceHooks, ExecHook, ExecRestoreHook, HookErrorMode, HookStatus,
    InitRestoreHook, RestoreHook, RestoreHooks, RestoreResourceHooks,
};
pub use item_operation::{OperationError, OperationProgress};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
pub use quantity::Quantity;
pub use reference::{ObjectReference, SecretKeySelector, TypedLocalObjectReference};
pub use selector::{LabelSelector, LabelSelectorRequirement};
pub use wire::Other;

/// The API group of all kinds.
pub const GROUP: &str = "velero.io";

/// A time in whole seconds, as the API stores it. Fractions would be lost in a round trip.
pub fn time(moment: Timestamp) -> Time {
    Time(Timestamp::from_second(moment.as_second()).unwrap_or(moment))
}
