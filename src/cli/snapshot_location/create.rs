//! `velero snapshot-location create`.

use anyhow::bail;

use crate::api::v1::{VolumeSnapshotLocation, VolumeSnapshotLocationSpec};
use crate::cli::backup::non_empty;
use crate::cli::context::Context;
use crate::cli::flag::{Map, credential, merged};
use crate::cli::output::{self, OutputArgs};
use crate::cli::terminal;

/// Create a volume snapshot location
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// The name of the location.
    name: String,
    /// Name of the volume snapshot provider (e.g. aws, azure, gcp).
    #[arg(long)]
    provider: Option<String>,
    /// Configuration key-value pairs. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    config: Vec<Map>,
    /// Labels to apply to the volume snapshot location. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    labels: Vec<Map>,
    /// The credential to be used by this location as a key-value pair, where the key is the Kubernetes Secret name, and the value
    /// is the data key name within the Secret. One value only.
    #[arg(long, action = clap::ArgAction::Append)]
    credential: Vec<Map>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Create {
    /// Creates the location, or with `-o` prints it.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?;
        let location = self.location(&context.namespace)?;
        if let Some(format) = format {
            let text = output::object(&location, format, &self.output, &context.view())?;
            return Ok(terminal::print(&text)?);
        }
        let locations = context.objects::<VolumeSnapshotLocation>().await?;
        locations.create(&location).await?;
        Ok(terminal::println(&format!(
            "Snapshot volume location {:?} configured successfully.",
            self.name
        ))?)
    }

    fn location(&self, namespace: &str) -> anyhow::Result<VolumeSnapshotLocation> {
        let Some(provider) = self.provider.clone().filter(|provider| !provider.is_empty()) else {
            bail!("--provider is required")
        };
        let mut location = VolumeSnapshotLocation::new(namespace, &self.name);
        location.metadata.labels = non_empty(merged("--labels", &self.labels)?);
        location.spec = VolumeSnapshotLocationSpec {
            provider,
            config: merged("--config", &self.config)?,
            credential: credential(&self.credential)?,
            ..VolumeSnapshotLocationSpec::default()
        };
        Ok(location)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn location(line: &str) -> Result<VolumeSnapshotLocation, String> {
        let words = ["create", "l"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.create.location("velero").map_err(|error| error.to_string())
    }

    #[test]
    fn a_snapshot_location_has_what_the_flags_say_and_no_empty_credential() {
        let made = location("--provider aws --config region=x,profile=p --labels team=a --credential s=k").unwrap();
        assert_eq!(made.spec.provider, "aws");
        assert_eq!(made.spec.config["profile"], "p");
        assert_eq!(made.metadata.labels.unwrap()["team"], "a");
        assert_eq!(made.spec.credential.unwrap().key, "k");
        let plain = location("--provider aws").unwrap();
        assert!(plain.spec.credential.is_none() && plain.metadata.labels.is_none());
    }

    #[test]
    fn a_provider_is_required_and_one_credential_allowed() {
        for (line, said) in [
            ("", "--provider is required"),
            ("--provider=", "--provider is required"),
            (
                "--provider p --credential a=b,c=d",
                "--credential can only contain 1 key/value pair",
            ),
        ] {
            assert!(location(line).unwrap_err().contains(said), "{line}");
        }
    }
}
