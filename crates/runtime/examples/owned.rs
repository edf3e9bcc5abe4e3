//! A controller with owned objects: each `Site` gets a ConfigMap with its page, which is written again when it is changed or deleted, and is deleted
//! with its site.
//!
//! ```text
//! cargo run -p kube-manager --example owned -- --crd | kubectl apply -f -
//! cargo run -p kube-manager --example owned &
//! kubectl create -f - <<< '{"apiVersion": "example.com/v1", "kind": "Site", "metadata": {"name": "a"}, "spec": {"title": "Hello"}}'
//! kubectl get configmap a-page -o yaml
//! ```

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;
use kube::{Api, Client, CustomResource, CustomResourceExt, ResourceExt};
use kube_manager::metrics::Registry;
use kube_manager::object::owner_reference;
use kube_manager::{Class, Classify, Controller, Manager, Next, Predicate, Reconciler, Watch, reasons};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// The label of the ConfigMaps that are pages.
const LABEL: &str = "example.com/site";

/// The desired state of a site.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Site",
    namespaced,
    status = "SiteStatus"
)]
pub struct SiteSpec {
    /// The title of its page.
    pub title: String,
}

/// The observed state of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct SiteStatus {
    /// The ConfigMap with its page.
    pub page: String,
}

/// Keeps the pages of sites.
pub struct Sites {
    client: Client,
}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec has no title.
    #[error("spec.title is empty; set one")]
    NoTitle,
    /// Writing the ConfigMap failed.
    #[error("write the page: {0}")]
    PageNotWritten(#[source] kube::Error),
    /// Writing the status failed.
    #[error("write the status: {0}")]
    StatusNotWritten(#[source] kube::Error),
}

impl Classify for Error {
    reasons!(NoTitle, PageNotWritten, StatusNotWritten);

    fn class(&self) -> Class {
        match self {
            Self::NoTitle => Class::Invalid,
            Self::PageNotWritten(error) | Self::StatusNotWritten(error) => Class::of(error),
        }
    }
}

impl Reconciler for Sites {
    type Kind = Site;
    type Error = Error;
    const NAME: &'static str = "sites";
    const RESYNC: Duration = Duration::from_mins(10);

    async fn reconcile(&self, site: Arc<Site>) -> Result<Next, Error> {
        if site.spec.title.is_empty() {
            return Err(Error::NoTitle);
        }
        let namespace = site.namespace().unwrap_or_default();
        let page = page_of(&site);
        let name = page.name_any();
        // Server-side apply: once or ten times, the page is the same.
        let apply = PatchParams::apply(Self::NAME).force();
        let pages: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        pages
            .patch(&name, &apply, &Patch::Apply(&page))
            .await
            .map_err(Error::PageNotWritten)?;
        let status = SiteStatus { page: name };
        if site.status.as_ref() != Some(&status) {
            let sites: Api<Site> = Api::namespaced(self.client.clone(), &namespace);
            let patch = Patch::Merge(json!({"status": status}));
            sites
                .patch_status(&site.name_any(), &PatchParams::default(), &patch)
                .await
                .map_err(Error::StatusNotWritten)?;
        }
        Ok(Next::Resync)
    }
}

/// The page as it should be: pure, and so the part to test.
fn page_of(site: &Site) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(format!("{}-page", site.name_any())),
            namespace: site.namespace(),
            labels: Some([(LABEL.to_owned(), site.name_any())].into()),
            // Deleted with its site, and its changes lead to a pass for the site.
            owner_references: owner_reference(site, &()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some([("index.html".to_owned(), format!("<h1>{}</h1>", site.spec.title))].into()),
        ..ConfigMap::default()
    }
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs the controller in this namespace until the token fires.
///
/// # Errors
/// The error that kept the manager from starting, or ended it.
pub async fn run(client: Client, namespace: &str, stop: CancellationToken) -> Ended {
    let mut manager = Manager::new("sites", &Registry::new())?.events(client.clone());
    let sites = manager.watch(Watch::of(Api::<Site>::namespaced(client.clone(), namespace)));
    let pages = manager.watch(Watch::of(Api::<ConfigMap>::namespaced(client.clone(), namespace)).labels(LABEL));
    let reconciler = Sites {
        client: manager.client(&client),
    };
    manager.control(
        Controller::new(reconciler, &sites)
            // Not when only the status was written.
            .when(Predicate::generation_changed())
            .owns(&pages),
    );
    manager.run_until(stop).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Ended {
    if std::env::args().any(|argument| argument == "--crd") {
        serde_json::to_writer_pretty(std::io::stdout(), &Site::crd())?;
        return Ok(());
    }
    tracing_subscriber::fmt().init();
    let stop = CancellationToken::new();
    let client = Client::try_default().await?;
    let namespace = client.default_namespace().to_owned();
    let running = run(client, &namespace, stop.clone());
    tokio::select! {
        ended = running => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
