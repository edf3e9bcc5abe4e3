//! `velero backup-location set`.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::{Map as Object, Value, json};

use super::values::{ca_cert, defaults};
use crate::api::v1::BackupStorageLocation;
use crate::cli::context::Context;
use crate::cli::flag::{Map, OptionalBool, credential};
use crate::cli::terminal;

/// Set specific features for a backup storage location
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// The name of the location.
    name: String,
    /// File containing a certificate bundle to use when verifying TLS connections to the object store.
    #[arg(long)]
    cacert: Option<PathBuf>,
    /// Sets the credential to be used by this location as a key-value pair, where the key is the Kubernetes Secret name, and the
    /// value is the data key name within the Secret. One value only.
    #[arg(long, action = clap::ArgAction::Append)]
    credential: Vec<Map>,
    /// Sets this location to be the default backup storage location, or not.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    default: Option<OptionalBool>,
}

impl Set {
    /// Changes the location.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let patch = self.patch()?;
        let locations = context.objects::<BackupStorageLocation>().await?;
        locations.get(&self.name).await?;
        if OptionalBool::of(self.default) == Some(true) {
            let defaults = defaults(&locations).await?;
            if defaults.iter().any(|name| *name != self.name) {
                bail!("there are already exist default backup storage locations, please unset them first");
            }
            if !defaults.is_empty() && !self.changes_more_than_the_default() {
                let name = &self.name;
                terminal::println(&format!(
                    "Backup storage location {name:?} is already the default backup storage location."
                ))?;
                return Ok(());
            }
        }
        locations.patch(&self.name, &patch).await?;
        Ok(terminal::println(&format!(
            "Backup storage location {:?} configured successfully.",
            self.name
        ))?)
    }

    fn changes_more_than_the_default(&self) -> bool {
        self.cacert.is_some() || !self.credential.is_empty()
    }

    /// The fields of the given flags. Upstream erases the certificates when `--cacert` is not given.
    fn patch(&self) -> anyhow::Result<Value> {
        let mut spec = Object::new();
        if let Some(default) = OptionalBool::of(self.default) {
            spec.insert("default".into(), default.into());
        }
        if let Some(credential) = credential(&self.credential)? {
            spec.insert("credential".into(), json!(credential));
        }
        if let Some(path) = &self.cacert {
            // An empty path removes the certificates.
            spec.insert("objectStorage".into(), json!({"caCert": ca_cert(Some(path))?}));
        }
        Ok(json!({"spec": spec}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Set {
        Set {
            name: "l".into(),
            cacert: None,
            credential: Vec::new(),
            default: None,
        }
    }

    #[test]
    fn only_fields_of_given_flags_are_changed() {
        assert_eq!(set().patch().unwrap(), json!({"spec": {}}));
        let credential = Set {
            credential: vec!["s=k".parse().unwrap()],
            ..set()
        };
        assert_eq!(
            credential.patch().unwrap(),
            json!({"spec": {"credential": {"name": "s", "key": "k"}}})
        );
        let default = Set {
            default: Some(OptionalBool(Some(false))),
            ..set()
        };
        assert_eq!(default.patch().unwrap(), json!({"spec": {"default": false}}));
    }

    #[test]
    fn an_empty_path_removes_the_certificates() {
        let erase = Set {
            cacert: Some(PathBuf::new()),
            ..set()
        };
        assert_eq!(
            erase.patch().unwrap(),
            json!({"spec": {"objectStorage": {"caCert": null}}})
        );
    }
}
