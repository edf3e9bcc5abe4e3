//! `velero backup-location create`.

use std::path::PathBuf;

use anyhow::bail;

use super::values::{ca_cert, defaults};
use crate::api::GoDuration;
use crate::api::v1::{AccessMode, BackupStorageLocation, BackupStorageLocationSpec, ObjectStorage};
use crate::cli::backup::non_empty;
use crate::cli::context::Context;
use crate::cli::flag::{Map, credential, go_bool, merged};
use crate::cli::output::{self, OutputArgs};
use crate::cli::terminal;
use crate::store::{self, StoreConfig};

/// Create a backup storage location
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// The name of the location.
    name: String,
    /// Name of the backup storage provider (e.g. aws, velero.io/fs).
    #[arg(long)]
    provider: Option<String>,
    /// Name of the object storage bucket where backups should be stored.
    #[arg(long)]
    bucket: Option<String>,
    /// The credential to be used by this location as a key-value pair, where the key is the Kubernetes Secret name, and the value
    /// is the data key name within the Secret. One value only.
    #[arg(long, action = clap::ArgAction::Append)]
    credential: Vec<Map>,
    /// Sets this new location to be the new default backup storage location.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    default: bool,
    /// Prefix under which all Velero data should be stored within the bucket.
    #[arg(long)]
    prefix: Option<String>,
    /// How often to ensure all Velero backups in object storage exist as Backup API objects in the cluster. Set this to 0s to
    /// disable sync. Default: 1 minute.
    #[arg(long)]
    backup_sync_period: Option<GoDuration>,
    /// How often to verify if the backup storage location is valid. Set this to 0s to disable it. Default: 1 minute.
    #[arg(long)]
    validation_frequency: Option<GoDuration>,
    /// Configuration key-value pairs. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    config: Vec<Map>,
    /// Labels to apply to the backup storage location. Format is key1=value1,key2=value2.
    #[arg(long, action = clap::ArgAction::Append)]
    labels: Vec<Map>,
    /// File containing a certificate bundle to use when verifying TLS connections to the object store.
    #[arg(long)]
    cacert: Option<PathBuf>,
    /// Access mode for the backup storage location.
    #[arg(long, default_value = "ReadWrite", value_parser = ["ReadWrite", "ReadOnly"])]
    access_mode: String,
    #[command(flatten)]
    output: OutputArgs,
}

impl Create {
    /// Creates the location, or with `-o` prints it.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?;
        let location = self.location(&context.namespace)?;
        if let Err(error) = store::check(&config_of(&location)) {
            terminal::eprintln(&format!("WARNING: this location will be Unavailable: {error}"));
        }
        if let Some(format) = format {
            return Ok(terminal::print(&output::object(
                &location,
                format,
                &self.output,
                &context.view(),
            )?)?);
        }
        let locations = context.objects::<BackupStorageLocation>().await?;
        if self.default && !defaults(&locations).await?.is_empty() {
            bail!(
                "there is already exist default backup storage location, please unset it first or do not set --default flag"
            );
        }
        locations.create(&location).await?;
        Ok(terminal::println(&format!(
            "Backup storage location {:?} configured successfully.",
            self.name
        ))?)
    }

    fn location(&self, namespace: &str) -> anyhow::Result<BackupStorageLocation> {
        let Some(provider) = self.provider.clone().filter(|provider| !provider.is_empty()) else {
            bail!("--provider is required")
        };
        let Some(bucket) = self.bucket.clone().filter(|bucket| !bucket.is_empty()) else {
            bail!("--bucket is required")
        };
        if bucket.trim_matches('/').contains('/') {
            bail!("--bucket: {bucket:?} must not contain a '/'; use --prefix for the part after the bucket name")
        }
        let negative = |period: &GoDuration| period.value().is_ok_and(|value| value.is_negative());
        if self.backup_sync_period.as_ref().is_some_and(negative) {
            bail!("--backup-sync-period must be non-negative");
        }
        let mut location = BackupStorageLocation::new(namespace, &self.name);
        location.metadata.labels = non_empty(merged("--labels", &self.labels)?);
        location.spec = BackupStorageLocationSpec {
            provider,
            config: merged("--config", &self.config)?,
            credential: credential(&self.credential)?,
            object_storage: Some(ObjectStorage {
                bucket,
                prefix: self.prefix.clone().unwrap_or_default(),
                ca_cert: ca_cert(self.cacert.as_deref())?,
                ..ObjectStorage::default()
            }),
            default: self.default,
            access_mode: Some(AccessMode::from(self.access_mode.as_str())),
            backup_sync_period: self.backup_sync_period.clone(),
            validation_frequency: self.validation_frequency.clone(),
            ..BackupStorageLocationSpec::default()
        };
        Ok(location)
    }
}

/// The settings of the location without its credentials.
fn config_of(location: &BackupStorageLocation) -> StoreConfig {
    let storage = location.spec.object_storage.clone().unwrap_or_default();
    StoreConfig {
        provider: location.spec.provider.clone(),
        bucket: storage.bucket,
        prefix: storage.prefix,
        config: location.spec.config.clone(),
        ..StoreConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn location(line: &str) -> anyhow::Result<BackupStorageLocation> {
        let words = ["create", "l", "--provider=p", "--bucket=b"]
            .into_iter()
            .chain(line.split_whitespace());
        let command = Line::command().args_override_self(true);
        let matches = command.try_get_matches_from(words);
        matches
            .and_then(|matches| Line::from_arg_matches(&matches))
            .unwrap()
            .create
            .location("velero")
    }

    #[test]
    fn periods_are_set_only_by_flags() {
        assert_eq!(location("").unwrap().spec.backup_sync_period, None);
        assert_eq!(
            location("--backup-sync-period 0s").unwrap().spec.backup_sync_period,
            Some(GoDuration::ZERO)
        );
        assert!(location("--backup-sync-period=-1m").is_err());
    }

    #[test]
    fn a_bucket_is_not_a_path() {
        assert!(location("--bucket /b/").is_ok());
        let error = location("--bucket b/dir").unwrap_err().to_string();
        assert!(error.contains("\"b/dir\" must not contain a '/'"), "{error}");
    }

    #[test]
    fn a_location_that_the_server_cannot_use_is_reported() {
        for (line, want) in [
            ("--provider aws --config region=x", None),
            ("--provider fs --config fspath=/x", None),
            ("--provider gcp", Some("no object store for provider `gcp`")),
            (
                "--provider aws --config prefix=zzz",
                Some("`config.prefix` would have no effect"),
            ),
            ("--provider aws --config regoin=x", Some("unknown key `regoin`")),
            ("--provider aws --prefix a//b", Some("cannot begin a key")),
            ("--provider fs", Some("`config.fspath` is required")),
        ] {
            let error = store::check(&config_of(&location(line).unwrap())).err();
            let error = error.map(|error| error.to_string());
            match want {
                None => assert_eq!(error, None, "{line}"),
                Some(want) => assert!(error.is_some_and(|error| error.contains(want)), "{line}"),
            }
        }
    }

    #[test]
    fn without_a_credential_the_spec_has_none() {
        assert_eq!(location("").unwrap().spec.credential, None);
        assert_eq!(location("--credential s=k").unwrap().spec.credential.unwrap().key, "k");
        assert!(location("--credential a=b,c=d").is_err());
    }
}
