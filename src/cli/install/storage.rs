//! Where backups and snapshots are stored, from the flags of the location.

use super::error::{InstallError, invalid};
use super::flags::LocationFlags;
use super::options::{DEFAULT_FSPATH, LocationOptions, SnapshotLocationOptions, Volume};
use crate::cli::flag::merged;

/// The built-in provider that stores in a file system.
const FILESYSTEM: &str = "velero.io/fs";
/// Its default bucket.
const FILESYSTEM_BUCKET: &str = "velero";

impl LocationOptions {
    /// Whether its clients download from the server's own endpoint, because the store signs no URLs, and no `--cacert` was
    /// given. They then have to trust the server's certificate.
    pub(super) fn trusts_the_server(&self) -> bool {
        is_filesystem(&self.provider) && self.ca_cert.is_none()
    }

    /// The location of an installation without flags for it.
    pub(super) fn filesystem() -> Self {
        Self {
            provider: FILESYSTEM.to_owned(),
            bucket: FILESYSTEM_BUCKET.to_owned(),
            config: [("fspath".to_owned(), DEFAULT_FSPATH.to_owned())].into(),
            ..Self::default()
        }
    }
}

/// The locations of backups and snapshots.
pub(super) struct Storage {
    pub(super) location: Option<LocationOptions>,
    pub(super) snapshots: Option<SnapshotLocationOptions>,
    pub(super) volume: Option<Volume>,
    pub(super) needs_no_secret: bool,
}

impl Storage {
    pub(super) fn of(flags: &LocationFlags) -> Result<Self, InstallError> {
        let text = |flag: &Option<String>| flag.clone().filter(|value| !value.is_empty());
        let (provider, bucket, prefix) = (text(&flags.provider), text(&flags.bucket), text(&flags.prefix));
        let (config, snapshot_config) = (
            merged("--backup-location-config", &flags.backup_location_config)?,
            merged("--snapshot-location-config", &flags.snapshot_location_config)?,
        );
        if let Some(bucket) = bucket.as_ref().filter(|bucket| bucket.starts_with('-')) {
            return invalid(format!(
                "Bucket names cannot begin with a dash. Bucket name was: {bucket}"
            ));
        }
        let volume = volume(flags)?;
        if flags.no_default_backup_location {
            let given = [
                ("--bucket", bucket.is_some()),
                ("--prefix", prefix.is_some()),
                ("--backup-location-config", !config.is_empty()),
            ];
            if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
                return invalid(format!(
                    "Cannot use both {flag} and --no-default-backup-location at the same time"
                ));
            }
            if volume.is_some() {
                return invalid(
                    "Cannot use both a filesystem volume and --no-default-backup-location at the same time",
                );
            }
        }
        let provider = match provider {
            None if flags.no_default_backup_location => None,
            None => Some(FILESYSTEM.to_owned()),
            provider => provider,
        };
        let filesystem = provider.as_deref().is_some_and(is_filesystem);
        let snapshots = flags.use_volume_snapshots.unwrap_or(provider.is_some() && !filesystem);
        if snapshots && provider.is_none() {
            return invalid("--provider is required when --use-volume-snapshots is set to true");
        }
        if !snapshots && !snapshot_config.is_empty() {
            return invalid("--snapshot-location-config must be empty when --use-volume-snapshots=false");
        }
        if flags.no_default_backup_location && !snapshots && provider.is_some() {
            return invalid(
                "--provider must be empty when using --no-default-backup-location and --use-volume-snapshots=false",
            );
        }
        let snapshots = provider
            .clone()
            .filter(|_| snapshots)
            .map(|provider| SnapshotLocationOptions {
                provider,
                config: snapshot_config,
            });
        let Some(provider) = provider.filter(|_| !flags.no_default_backup_location) else {
            return Ok(Self {
                location: None,
                snapshots,
                volume: None,
                needs_no_secret: false,
            });
        };
        let mut location = LocationOptions {
            provider,
            bucket: String::new(),
            prefix: prefix.unwrap_or_default(),
            config,
            ca_cert: None,
        };
        if filesystem {
            location.bucket = bucket.unwrap_or_else(|| FILESYSTEM_BUCKET.to_owned());
            location
                .config
                .entry("fspath".to_owned())
                .or_insert_with(|| DEFAULT_FSPATH.to_owned());
            let volume = Some(volume.ok_or(InstallError::NoVolume)?);
            return Ok(Self {
                location: Some(location),
                snapshots,
                volume,
                needs_no_secret: true,
            });
        }
        if volume.is_some() {
            return Err(InstallError::VolumeOfOther(location.provider));
        }
        location.bucket = bucket.ok_or_else(|| InstallError::Flags("--bucket is required".to_owned()))?;
        Ok(Self {
            location: Some(location),
            snapshots,
            volume: None,
            needs_no_secret: false,
        })
    }
}

fn is_filesystem(provider: &str) -> bool {
    matches!(
        provider.strip_prefix("velero.io/").unwrap_or(provider),
        "fs" | "filesystem"
    )
}

fn volume(flags: &LocationFlags) -> Result<Option<Volume>, InstallError> {
    match (&flags.filesystem_claim, &flags.filesystem_host_path, &flags.node) {
        (Some(_), Some(_), _) => Err(InstallError::TwoVolumes),
        (Some(claim), None, None) => Ok(Some(Volume::Claim(claim.clone()))),
        (None, Some(directory), Some(node)) => Ok(Some(Volume::HostPath {
            directory: directory.clone(),
            node: node.clone(),
        })),
        (None, None, None) => Ok(None),
        _ => Err(InstallError::HalfHostPath),
    }
}
