//! The files of `manifests/` besides the CRDs: an installation to review, edit and apply by hand.

use serde_json::Value;

use super::objects::resources;
use super::options::{InstallOptions, LocationOptions, Resources, ServerFlags, Volume};
use crate::cli::output::PrintError;
use crate::cluster::yaml;

/// The image in the files, to be replaced by the user's.
const IMAGE: &str = concat!("velero-rs:v", env!("CARGO_PKG_VERSION"));
/// The first line of every file.
const HEAD: &str = "# Written by `make manifests`: what `velero install --filesystem-claim velero-backups` creates.\n";
/// The claim that the files store backups on.
const CLAIM: &str = "velero-backups";

/// A file: its name, the kinds of its objects, and a note for the user.
struct File {
    name: &'static str,
    kinds: &'static [&'static str],
    note: &'static str,
}

/// In the order to apply them, which is that of their names, after the CRDs in `crds/`.
const FILES: [File; 4] = [
    File {
        name: "00-namespace.yaml",
        kinds: &["Namespace"],
        note: "",
    },
    File {
        name: "10-rbac.yaml",
        kinds: &["ServiceAccount", "ClusterRoleBinding"],
        note: "",
    },
    File {
        name: "20-backup-storage-location.yaml",
        kinds: &["BackupStorageLocation"],
        note: "# Backups are stored on the volume that 30-velero.yaml mounts. For a bucket see `velero install --help`.\n\
               # Clients other than this release's `velero` download logs and archives from the server itself. They trust the server if\n\
               # this location has its CA as `caCert` (`velero install` sets it). When the server runs:\n\
               #   kubectl get secret velero-artifact-tls -n velero -o go-template='{{index .data \"ca.crt\" | base64decode}}' >ca.crt\n\
               #   velero backup-location set default --cacert ca.crt\n",
    },
    File {
        name: "30-velero.yaml",
        kinds: &["Service", "Deployment"],
        note: "# Needs the name of your image in place of the one below, and a PersistentVolumeClaim `velero-backups` in the same\n# namespace.\n",
    },
];

/// The files by name, with their text. The same at every call.
///
/// # Errors
/// An object has no JSON form.
pub fn manifests() -> Result<Vec<(String, String)>, PrintError> {
    let objects = resources(&example())?;
    FILES
        .iter()
        .map(|file| {
            Ok((
                file.name.to_owned(),
                format!("{HEAD}{}---\n{}", file.note, text(&objects, file.kinds)?),
            ))
        })
        .collect()
}

/// The options of `velero install --filesystem-claim velero-backups`.
fn example() -> InstallOptions {
    InstallOptions {
        namespace: "velero".to_owned(),
        image: IMAGE.to_owned(),
        resources: Resources::server_defaults(),
        location: Some(LocationOptions::filesystem()),
        volume: Some(Volume::Claim(CLAIM.to_owned())),
        server: ServerFlags {
            uploader_type: super::UPLOADER.to_owned(),
            ..ServerFlags::default()
        },
        ..InstallOptions::default()
    }
}

fn text(objects: &[Value], kinds: &[&str]) -> Result<String, PrintError> {
    let chosen = kinds
        .iter()
        .flat_map(|kind| objects.iter().filter(move |object| object["kind"] == *kind));
    let documents = chosen
        .map(|object| Ok(yaml::to_string(&without_nulls(object.clone()))?))
        .collect::<Result<Vec<_>, PrintError>>()?;
    Ok(documents.join("---\n"))
}

/// Removes nulls, such as `creationTimestamp: null` of the Go release, which have no meaning.
fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
        for field in fields.values_mut() {
            *field = without_nulls(field.take());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::yaml::documents;

    #[test]
    fn every_object_is_in_one_file() {
        let files = manifests().unwrap();
        let kinds: Vec<String> = files
            .iter()
            .flat_map(|(_, text)| documents(text).unwrap())
            .map(|object| object["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds.len(), resources(&example()).unwrap().len());
        assert_eq!(files, manifests().unwrap());
    }
}
