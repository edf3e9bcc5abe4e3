//! The resource policies that a backup's spec names, from their ConfigMap (spec backup 13, spec api 12.3).
//!
//! They are read twice: when the backup is prepared, to refuse what has no meaning, and when it first runs. The run keeps
//! the text in its record, so that a successor goes by the same policies whatever has become of the ConfigMap.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::api::names::is_object_name;
use crate::api::v1::Backup;
use crate::select::resource_policies::{PolicyError, ResourcePolicies};

use crate::controllers::context::Context;
use crate::controllers::run::record::{Record, RecordError};

/// The only kind of object that policies can be in; written in any case of letters.
const KIND: &str = "configmap";

/// Where the text stands in the run record.
const PART: &str = "resource-policies";

/// A backup's policies cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The spec names what cannot hold policies.
    #[error("invalid spec.resourcePolicy: policies are read from a ConfigMap (kind `configmap`), not from kind `{0}`")]
    Kind(String),
    /// The spec names nothing.
    #[error("invalid spec.resourcePolicy: the name of the ConfigMap is missing")]
    NoName,
    /// The ConfigMap is not there, or may not be read.
    #[error(
        "fail to get ResourcePolicies {map} ConfigMap with error {reason}; check `kubectl get configmap` in the namespace of the backup"
    )]
    NotThere {
        /// Namespace and name.
        map: String,
        /// What the server said.
        reason: String,
    },
    /// The API server could not answer; it may later.
    #[error("fail to get ResourcePolicies {map} ConfigMap with error {reason}")]
    Unreached {
        /// Namespace and name.
        map: String,
        /// What the client said.
        reason: String,
    },
    /// It does not say which of its texts is meant.
    #[error(
        "fail to read the ResourcePolicies from ConfigMap {map} with error illegal resource policies {map} configmap: it must have exactly one data key, not {keys}"
    )]
    Keys {
        /// Namespace and name.
        map: String,
        /// How many it has.
        keys: usize,
    },
    /// The text has no meaning.
    #[error("fail to read the ResourcePolicies from ConfigMap {map} with error in key `{key}`: {source}")]
    Text {
        /// Namespace and name.
        map: String,
        /// The data key.
        key: String,
        /// What, and in which line.
        #[source]
        source: PolicyError,
    },
    /// They could not be kept for a successor.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl PoliciesError {
    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreached { .. } | Self::Record(_))
    }
}

/// A text with the policies that were read of it.
#[derive(Debug, Default)]
struct Read {
    text: String,
    policies: ResourcePolicies,
}

/// Reads the policies that a backup names from their ConfigMap; without a name there are none.
///
/// # Errors
/// See [`PoliciesError`].
pub async fn fresh(ctx: &Context, backup: &Backup) -> Result<ResourcePolicies, PoliciesError> {
    Ok(read(ctx, backup).await?.policies)
}

/// The policies of a run: those it began with, or, if it begins now, those of the ConfigMap, which are kept first.
///
/// # Errors
/// See [`PoliciesError`].
pub async fn of_run(ctx: &Context, backup: &Backup, record: &mut Record) -> Result<ResourcePolicies, PoliciesError> {
    if backup.spec.resource_policy.is_none() {
        return Ok(ResourcePolicies::default());
    }
    if let Some(kept) = record.part(PART).map(String::from_utf8_lossy) {
        return ResourcePolicies::parse(&kept).map_err(|source| PoliciesError::Text {
            map: "of the run record".to_owned(),
            key: PART.to_owned(),
            source,
        });
    }
    let Read { text, policies } = read(ctx, backup).await?;
    record.save(ctx, PART, text.into_bytes()).await?;
    Ok(policies)
}

async fn read(ctx: &Context, backup: &Backup) -> Result<Read, PoliciesError> {
    let Some(reference) = &backup.spec.resource_policy else {
        return Ok(Read::default());
    };
    if !reference.kind.eq_ignore_ascii_case(KIND) {
        return Err(PoliciesError::Kind(reference.kind.clone()));
    }
    if reference.name.is_empty() {
        return Err(PoliciesError::NoName);
    }
    let map = format!("{}/{}", ctx.namespace, reference.name);
    if !is_object_name(&reference.name) {
        return Err(PoliciesError::NotThere {
            map,
            reason: format!("configmaps {:?} not found", reference.name),
        });
    }
    let api: Api<ConfigMap> = Api::namespaced(ctx.cluster.client().clone(), &ctx.namespace);
    match api.get(&reference.name).await {
        Ok(found) => of_map(&map, found),
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
            Err(PoliciesError::NotThere {
                map,
                reason: status.message.clone(),
            })
        }
        Err(error) => Err(PoliciesError::Unreached {
            map,
            reason: error.to_string(),
        }),
    }
}

fn of_map(map: &str, found: ConfigMap) -> Result<Read, PoliciesError> {
    let data = found.data.unwrap_or_default();
    let keys = data.len();
    let mut data = data.into_iter();
    let (Some((key, text)), None) = (data.next(), data.next()) else {
        return Err(PoliciesError::Keys {
            map: map.to_owned(),
            keys,
        });
    };
    match ResourcePolicies::parse(&text) {
        Ok(policies) => Ok(Read { text, policies }),
        Err(source) => Err(PoliciesError::Text {
            map: map.to_owned(),
            key,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(data: &[(&str, &str)]) -> ConfigMap {
        ConfigMap {
            data: Some(data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_config_map_has_one_text_and_its_errors_name_map_key_and_line() {
        let table: [(&[(&str, &str)], &str); 4] = [
            (
                &[],
                "illegal resource policies velero/p configmap: it must have exactly one data key, not 0",
            ),
            (
                &[("a", "version: v1"), ("b", "version: v1")],
                "exactly one data key, not 2",
            ),
            (
                &[("any.yaml", "version: v1\nvolumePolicies:\n- action: {type: no}")],
                "ConfigMap velero/p with error in key `any.yaml`: read yaml: volumePolicies[0].action.type: invalid action type \"no\"",
            ),
            (&[("a", "")], "in key `a`"),
        ];
        for (data, part) in table {
            let error = of_map("velero/p", config_map(data)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.is_transient());
        }
        let line = of_map("velero/p", config_map(table[2].0)).unwrap_err().to_string();
        assert!(line.contains("at line 3 "), "{line}");
    }

    #[test]
    fn the_one_text_may_have_any_key() {
        let read = of_map(
            "velero/p",
            config_map(&[("whatever", "version: v1\nvolumePolicies: [{action: {type: skip}}]")]),
        );
        assert!(read.unwrap().policies.has_volume_policies());
    }
}
