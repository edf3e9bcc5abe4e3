//! What the clients of a location trust that signs no URLs: the authority of the artifact endpoint (decision 44). The Go
//! client takes it from `spec.objectStorage.caCert`, so it has to be there before the location is made.

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

/// What a dry run says: a key that was printed would not be the one that is installed.
pub(super) const NOT_SHOWN: &str = "The secret `velero-artifact-tls` is made when this is installed, and its `ca.crt` becomes `caCert` of the location; neither is shown. \
    If you apply these objects by other means, the server makes the secret: then set `caCert` with `velero backup-location set default --cacert FILE`.";

/// Where the authority stands, and what its certificate is for.
pub(super) struct Trust {
    namespace: String,
    names: Vec<String>,
}

impl Trust {
    /// Of an installation whose location needs it.
    pub(super) fn of(options: &InstallOptions) -> Option<Self> {
        let location = options.location.as_ref()?;
        location.trusts_the_server().then(|| Self {
            namespace: options.namespace.clone(),
            names: options.artifact_url().names(&options.namespace),
        })
    }

    /// Gives a location the authority that is in the cluster, which is made if there is none. Any other object stays as it is.
    pub(super) async fn add_to(&self, client: &Client, object: &mut Value) -> anyhow::Result<()> {
        if object["kind"] != "BackupStorageLocation" {
            return Ok(());
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        let secret = secret::ensure(&api, &self.namespace, &self.names, System.now()).await?;
        let authority = secret.data.as_ref().and_then(|data| data.get(AUTHORITY));
        let authority = authority.with_context(|| {
            format!("secret {NAME} has no key {AUTHORITY}: put the authority there that its certificate is from, or delete it")
        })?;
        object["spec"]["objectStorage"]["caCert"] = BASE64.encode(&authority.0).into();
        terminal::println(&format!("Secret/{NAME}: clients of the location trust its authority"))?;
        Ok(())
    }
}
