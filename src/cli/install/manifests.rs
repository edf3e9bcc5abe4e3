//! The files of `manifests/` beside the definitions: an installation to be looked at, changed and applied by hand.

use serde_json::Value;

use super::objects::resources;
use super::options::{InstallOptions, LocationOptions, Resources, ServerFlags, Volume};
use crate::cli::output::{PrintError, tree::Tree, yaml};

/// The image named in the files; whoever applies them puts their own in its place.
const IMAGE: &str = concat!("velero-rs:v", env!("CARGO_PKG_VERSION"));
/// The claim that the files store backups on.
const CLAIM: &str = "velero-backups";

/// Which objects go into which file, in the order in which to apply them.
const FILES: [(&str, &[&str]); 4] = [
    ("00-namespace.yaml", &["Namespace"]),
    ("10-rbac.yaml", &["ServiceAccount", "ClusterRoleBinding"]),
    ("20-backup-storage-location.yaml", &["BackupStorageLocation"]),
    ("30-velero.yaml", &["Service", "Deployment"]),
];

/// The files by name, with their text. The same at every call.
///
/// # Errors
/// An object has no JSON form.
pub fn manifests() -> Result<Vec<(String, String)>, PrintError> {
    let objects = resources(&example())?;
    FILES
        .iter()
        .map(|(file, kinds)| Ok(((*file).to_owned(), text(&objects, kinds)?)))
        .collect()
}

/// What `velero install --filesystem-claim velero-backups` installs.
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
        .map(|object| Ok(yaml::render(&Tree::of(object)?)))
        .collect::<Result<Vec<_>, PrintError>>()?;
    Ok(documents.join("---\n"))
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
