//! Resource policies: the rules for volumes and types in the ConfigMap that a backup names (spec backup 13).
//!
//! Every rule is checked while the text is read, because serde_yaml then adds the path and the line of the value to the
//! error.

mod capacity;
mod conditions;
mod reading;
mod volume;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::backup::PolicyLists;
use super::includes::EVERYTHING;
use super::validation;
use crate::api::wire::nil;
use crate::cluster::yaml::{self, YamlError};

pub use capacity::CapacityRange;
pub use conditions::Conditions;
use reading::{checked, word};
pub use volume::{ClaimTraits, CsiTraits, NfsTraits, VolumeTraits, VolumeType};

/// The only version.
const VERSION: &str = "v1";

/// The longest text that is read, in bytes. The run record keeps the text in one ConfigMap with its other data.
pub const MAX_TEXT: usize = 256 << 10;

/// Policies that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The text is longer than [`MAX_TEXT`].
    #[error("the text has {0} bytes, and more than {MAX_TEXT} are refused")]
    TooLong(usize),
    /// The text is not YAML, or has an invalid value. The message says where.
    #[error(transparent)]
    Text(#[from] YamlError),
}

/// The policies of one ConfigMap. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourcePolicies {
    #[serde(rename = "version", deserialize_with = "version")]
    _version: (),
    #[serde(default, deserialize_with = "nil")]
    volume_policies: Vec<VolumePolicy>,
    #[serde(default)]
    include_exclude_policy: Option<IncludeExcludePolicy>,
}

/// What is done with the volumes that meet its conditions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VolumePolicy {
    #[serde(default, deserialize_with = "nil")]
    conditions: Conditions,
    action: Action,
}

/// What is done with a volume.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// What.
    #[serde(rename = "type")]
    pub kind: ActionType,
    /// Parameters for a plugin; not read here.
    #[serde(default, deserialize_with = "nil")]
    pub parameters: Map<String, Value>,
}

/// The ways to deal with a volume's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActionType {
    /// It is not saved.
    Skip,
    /// It is saved file by file, through a pod that mounts the volume.
    FsBackup,
    /// It is saved by a snapshot of the volume.
    Snapshot,
    /// A plugin handles it.
    Custom,
}

impl ActionType {
    const ALL: [Self; 4] = [Self::Skip, Self::FsBackup, Self::Snapshot, Self::Custom];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::FsBackup => "fs-backup",
            Self::Snapshot => "snapshot",
            Self::Custom => "custom",
        }
    }
}

impl<'de> Deserialize<'de> for ActionType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, |text| {
            Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("invalid action type {text:?}, expected one of {known}")
            })
        })
    }
}

/// Lists of types, in addition to those of the backup's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct IncludeExcludePolicy(ScopedLists);

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ScopedLists {
    #[serde(rename = "includedClusterScopedResources", deserialize_with = "names")]
    included_cluster: Vec<String>,
    #[serde(rename = "excludedClusterScopedResources", deserialize_with = "names")]
    excluded_cluster: Vec<String>,
    #[serde(rename = "includedNamespaceScopedResources", deserialize_with = "names")]
    included_namespaced: Vec<String>,
    #[serde(rename = "excludedNamespaceScopedResources", deserialize_with = "names")]
    excluded_namespaced: Vec<String>,
}

impl<'de> Deserialize<'de> for IncludeExcludePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        checked(deserializer, |lists: &ScopedLists| {
            let mut errors = validation::scoped_lists(&lists.included_cluster, &lists.excluded_cluster);
            errors.extend(validation::scoped_lists(
                &lists.included_namespaced,
                &lists.excluded_namespaced,
            ));
            if errors.is_empty() {
                Ok(())
            } else {
                Err(errors.join("; "))
            }
        })
        .map(Self)
    }
}

impl ResourcePolicies {
    /// Reads and checks policies.
    ///
    /// # Errors
    /// The first invalid value in the text, with its line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_TEXT {
            return Err(PolicyError::TooLong(text.len()));
        }
        Ok(yaml::from_str(text)?)
    }

    /// The action for a volume: that of the first policy with all conditions met. `None` leaves it to the backup's spec and to
    /// annotations.
    pub fn action_for(&self, volume: &VolumeTraits<'_>) -> Option<&Action> {
        self.volume_policies
            .iter()
            .find(|policy| policy.conditions.met_by(volume))
            .map(|policy| &policy.action)
    }

    /// Whether any volume can have an action; if not, volumes need not be read.
    pub fn has_volume_policies(&self) -> bool {
        !self.volume_policies.is_empty()
    }

    /// Whether a volume's claim can matter.
    pub fn look_at_claims(&self) -> bool {
        self.volume_policies
            .iter()
            .any(|policy| policy.conditions.look_at_claim())
    }

    /// How many policies for volumes there are.
    pub fn volume_policies(&self) -> usize {
        self.volume_policies.len()
    }

    /// Whether there are lists of types, even empty ones: with old filters they are an error.
    pub fn has_lists(&self) -> bool {
        self.include_exclude_policy.is_some()
    }

    /// The lists of types.
    pub fn lists(&self) -> PolicyLists<'_> {
        let Some(IncludeExcludePolicy(lists)) = &self.include_exclude_policy else {
            return PolicyLists::default();
        };
        PolicyLists {
            included_cluster_scoped: &lists.included_cluster,
            excluded_cluster_scoped: &lists.excluded_cluster,
            included_namespace_scoped: &lists.included_namespaced,
            excluded_namespace_scoped: &lists.excluded_namespaced,
        }
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    word(deserializer, |text| {
        (text == VERSION)
            .then_some(())
            .ok_or_else(|| format!("incompatible version number {text:?} with supported version {VERSION}"))
    })
}

/// A list of types, which must not hold `*`.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names: Vec<String> = nil(deserializer)?;
    if names.iter().any(|name| name == EVERYTHING) {
        return Err(D::Error::custom(
            "'*' is not allowed in the lists of includeExcludePolicy",
        ));
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
