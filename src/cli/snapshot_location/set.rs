//! `velero snapshot-location set`.

use serde_json::{Map as Object, Value, json};

use crate::api::v1::VolumeSnapshotLocation;
use crate::cli::context::Context;
use crate::cli::flag::{Map, credential};
use crate::cli::terminal;

/// Set specific features for a snapshot location
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// The name of the location.
    name: String,
    /// Sets the credential to be used by this location as a key-value pair, where the key is the Kubernetes Secret name, and the
    /// value is the data key name within the Secret. One value only.
    #[arg(long, action = clap::ArgAction::Append)]
    credential: Vec<Map>,
}

impl Set {
    /// Changes the location.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let patch = self.patch()?;
        let locations = context.objects::<VolumeSnapshotLocation>().await?;
        locations.get(&self.name).await?;
        locations.patch(&self.name, &patch).await?;
        // Upstream has the words in another order than `create`.
        Ok(terminal::println(&format!(
            "Volume snapshot location {:?} configured successfully.",
            self.name
        ))?)
    }

    /// The fields of the given flags.
    fn patch(&self) -> anyhow::Result<Value> {
        let mut spec = Object::new();
        if let Some(credential) = credential(&self.credential)? {
            spec.insert("credential".into(), json!(credential));
        }
        Ok(json!({"spec": spec}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_of_given_flags_are_changed() {
        let set = |credential: &[&str]| Set {
            name: "l".into(),
            credential: credential.iter().map(|pair| pair.parse().unwrap()).collect(),
        };
        assert_eq!(set(&[]).patch().unwrap(), json!({"spec": {}}));
        let patch = json!({"spec": {"credential": {"name": "s", "key": "k"}}});
        assert_eq!(set(&["s=k"]).patch().unwrap(), patch);
        assert!(set(&["a=b", "c=d"]).patch().is_err());
    }
}
