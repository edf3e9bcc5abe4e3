//! The CA of the artifact endpoint in a location whose store signs no URLs (decision 44). The Go client reads it from
//! `spec.objectStorage.caCert`, so it is created before the location.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::Value;

use super::options::InstallOptions;
use crate::cli::terminal;
use crate::controllers::artifact::secret::{self, AUTHORITY, NAME};
use crate::runtime::clock::{Clock as _, System};

/// The note of a dry run. A printed key would not be the installed one.
pub(super) const NOT_SHOWN: &str = "NOTE: the installation also creates the secret `velero-artifact-tls` and sets its `ca.crt` as `caCert` of the location; neither is shown. \
    If you apply these objects by other means, the server creates the secret: then set `caCert` with `velero backup-location set default --cacert FILE`.";

/// The CA of the endpoint: its namespace and the names of the certificate.
pub(super) struct Trust {
    namespace: String,
    names: Vec<String>,
}

impl Trust {
    /// For an installation whose location needs the CA.
    pub(super) fn of(options: &InstallOptions) -> Option<Self> {
        let location = options.location.as_ref()?;
        location.trusts_the_server().then(|| Self {
            namespace: options.namespace.clone(),
            names: options.artifact_url().names(&options.namespace),
        })
    }

    /// Sets the CA in a storage location; creates the CA if the cluster has none. Other objects are not changed.
    pub(super) async fn add_to(&self, client: &Client, object: &mut Value) -> anyhow::Result<()> {
        if object["kind"] != "BackupStorageLocation" {
            return Ok(());
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        let secret = secret::ensure(&api, &self.namespace, &self.names, System.now()).await?;
        let authority = secret.data.as_ref().and_then(|data| data.get(AUTHORITY));
        let authority = authority.with_context(|| {
            format!("secret {NAME} has no key {AUTHORITY}: set it to the CA of its certificate, or delete the secret")
        })?;
        object["spec"]["objectStorage"]["caCert"] = BASE64.encode(&authority.0).into();
        terminal::println(&format!("Secret/{NAME}: its CA is set in the location"))?;
        Ok(())
    }
}
