//! `velero uninstall` (spec server-cli 11).
//!
//! The order matters: runs in progress and objects with finalizers while their controllers still run, then the namespace, then the
//! cluster-scoped objects; the CRDs last, and only if no other installation uses them.

mod runs;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, interval};

use super::context::Context;
use super::flag::go_bool;
use super::install::{COMPONENT, binding_name};
use super::objects::{Kind, Objects, RequestError};
use super::server_lease::ServerLease;
use super::terminal;
use crate::api::crds::CRDS;
use crate::api::schema::Crd;
use crate::api::v1::{Backup, BackupStorageLocation, Restore, Schedule};
use crate::api::v2alpha1::{DataDownload, DataUpload};

/// How long to wait until the server removes the finalizers of deleted objects.
const GRACE: Duration = Duration::from_mins(1);
/// How long to wait until a namespace, the Deployment or a CRD is deleted.
const DELETION_TIMEOUT: Duration = Duration::from_mins(10);

/// Uninstall Velero along with the CRDs and clusterrolebinding
#[derive(Clone, Debug, clap::Args)]
pub struct Uninstall {
    /// Forces the Velero uninstall without a confirmation.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    force: bool,
    /// Deprecated: the command always waits.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    wait: bool,
}

impl Uninstall {
    /// Removes the installation after a confirmation.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.wait {
            terminal::println(
                "Warning: the \"--wait\" option is deprecated and will be removed in a future release. The uninstall command always waits for the uninstall to complete.",
            )?;
        }
        if !self.force {
            terminal::println("You are about to uninstall Velero.")?;
            if !terminal::confirm("--force")? {
                return Ok(());
            }
        }
        let installed = Installed {
            client: context.client().await?,
            namespace: &context.namespace,
        };
        installed
            .remove_namespace()
            .await
            .context("Errors while attempting to uninstall Velero")?;
        let mut errors = Vec::new();
        errors.extend(installed.remove_binding().await.err());
        errors.extend(installed.remove_crds().await.err());
        if !errors.is_empty() {
            let texts: Vec<String> = errors.iter().map(|error| format!("{error:#}")).collect();
            bail!("Errors while attempting to uninstall Velero: {}", texts.join("; "));
        }
        Ok(terminal::println("Velero uninstalled ⛵")?)
    }
}

/// An installation.
struct Installed<'a> {
    client: Client,
    namespace: &'a str,
}

impl Installed<'_> {
    async fn remove_namespace(&self) -> anyhow::Result<()> {
        let name = self.namespace;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let missing = format!("Velero namespace {name:?} does not exist, skipping.");
        if namespaces
            .get_opt(name)
            .await
            .map_err(|error| RequestError::of(error, "namespaces"))?
            .is_none()
        {
            return Ok(terminal::println(&missing)?);
        }
        self.retain_backup_volumes()
            .await
            .context("retain the volume of the backups")?;
        self.cancel_runs().await?;
        self.remove_finalized()
            .await
            .context("Fail to remove finalizer from restores")?;
        match namespaces.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(terminal::println(&missing)?),
            Err(error) => return Err(RequestError::of(error, "namespaces").into()),
        }
        terminal::println(&format!("\nWaiting for velero namespace {name:?} to be deleted"))?;
        let gone = until_gone(namespaces, name, DELETION_TIMEOUT).await?;
        terminal::println("")?;
        if !gone {
            bail!(
                "namespace {name:?} still exists after {} s: check `kubectl get namespace {name} -o yaml` for finalizers, then run this command again",
                DELETION_TIMEOUT.as_secs()
            );
        }
        Ok(terminal::println(&format!("Velero namespace {name:?} deleted"))?)
    }

    /// Sets the reclaim policy `Retain` on the volumes with backups. Their PVCs are deleted with the namespace, but the backups must
    /// not be, even with `--force`.
    async fn retain_backup_volumes(&self) -> anyhow::Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), self.namespace);
        let deployment = deployments.get_opt("velero").await;
        let Some(deployment) = deployment.map_err(|error| RequestError::of(error, "deployments.apps"))? else {
            return Ok(());
        };
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), self.namespace);
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        for name in pvcs_of(&deployment) {
            let claim = claims.get_opt(&name).await;
            let claim = claim.map_err(|error| RequestError::of(error, "persistentvolumeclaims"))?;
            let Some(volume) = claim.and_then(|claim| claim.spec?.volume_name) else {
                continue;
            };
            let retain = json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}});
            let kept = volumes
                .patch(&volume, &PatchParams::default(), &Patch::Merge(&retain))
                .await;
            kept.map_err(|error| RequestError::of(error, "persistentvolumes"))?;
            terminal::println(&format!(
                "Volume {volume:?} of PersistentVolumeClaim {name:?} is kept with its backups: its reclaim policy is now Retain."
            ))?;
        }
        Ok(())
    }

    /// Cancels runs while their server is running. The uninstall continues even if that fails, and prints what is left.
    async fn cancel_runs(&self) -> anyhow::Result<()> {
        match runs::cancel(&self.client, self.namespace).await {
            Ok(left) => {
                for left in left {
                    terminal::eprintln(&format!("Warning: {left}"));
                }
                Ok(())
            }
            Err(error) => {
                let error = error.downcast::<RequestError>()?;
                terminal::eprintln(&format!(
                    "Warning: cannot check for backups and restores in progress, some of their state may be left behind: {error}"
                ));
                Ok(())
            }
        }
    }

    /// Deletes the objects with finalizers of the server. If the server does not remove them in time, or does not run, it is stopped,
    /// because it could add them again, and the finalizers are removed here.
    async fn remove_finalized(&self) -> anyhow::Result<()> {
        terminal::println("Waiting for resource with attached finalizer to be deleted")?;
        let (restores, uploads, downloads) = (
            self.objects::<Restore>(),
            self.objects::<DataUpload>(),
            self.objects::<DataDownload>(),
        );
        delete_all(&restores).await?;
        delete_all(&uploads).await?;
        delete_all(&downloads).await?;
        let deadline = Instant::now() + GRACE;
        let mut seconds = interval(Duration::from_secs(1));
        let mut lease = ServerLease::new(&self.client, self.namespace);
        loop {
            if names(&restores).await?.is_empty()
                && names(&uploads).await?.is_empty()
                && names(&downloads).await?.is_empty()
            {
                return Ok(());
            }
            if Instant::now() >= deadline || !lease.may_answer().await? {
                break;
            }
            terminal::print(".")?;
            seconds.tick().await;
        }
        self.stop_server().await?;
        strip_finalizers(&restores).await?;
        strip_finalizers(&uploads).await?;
        strip_finalizers(&downloads).await
    }

    fn objects<K: Kind>(&self) -> Objects<K> {
        Objects::new(&self.client, self.namespace)
    }

    async fn stop_server(&self) -> anyhow::Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), self.namespace);
        let foreground = DeleteParams::foreground();
        match deployments.delete("velero", &foreground).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            Err(error) => return Err(RequestError::of(error, "deployments.apps").into()),
        }
        let gone = until_gone(deployments, "velero", DELETION_TIMEOUT).await?;
        anyhow::ensure!(
            gone,
            "the velero deployment still exists after {} s; check its pods",
            DELETION_TIMEOUT.as_secs()
        );
        Ok(())
    }

    async fn remove_binding(&self) -> anyhow::Result<()> {
        let name = binding_name(self.namespace);
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        match bindings.delete(&name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(terminal::println(&format!(
                "Velero ClusterRoleBinding {name:?} does not exist, skipping."
            ))?),
            Err(error) => Err(RequestError::of(error, "clusterrolebindings").into()),
        }
    }

    async fn remove_crds(&self) -> anyhow::Result<()> {
        let others = self.other_namespaces().await?;
        if !others.is_empty() {
            let names = others.join(", ");
            return Ok(terminal::println(&format!(
                "Velero is also installed in {names}, or has objects there: its custom resource definitions are kept."
            ))?);
        }
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&format!("{}={}", COMPONENT.0, COMPONENT.1));
        let failed = |error| RequestError::of(error, "customresourcedefinitions");
        // By label the CRDs of any release; by name those applied from files, which have no label.
        let labelled = crds.list_metadata(&ours).await.map_err(failed)?;
        let mut names: BTreeSet<String> = labelled.items.iter().map(ResourceExt::name_any).collect();
        names.extend(CRDS.iter().map(Crd::name));
        for name in &names {
            match crds.delete(name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                deleted => drop(deleted.map_err(failed)?),
            }
        }
        // A new installation would otherwise use the old ones, which are about to be deleted.
        terminal::println("Waiting for the custom resource definitions to be deleted")?;
        for name in &names {
            let gone = until_gone(crds.clone(), name, DELETION_TIMEOUT).await?;
            anyhow::ensure!(
                gone,
                "custom resource definition {name:?} still exists after {} s: check `kubectl get crd {name} -o yaml` for finalizers",
                DELETION_TIMEOUT.as_secs()
            );
        }
        Ok(())
    }

    /// The other namespaces with a Velero server, or with objects that would be deleted with their CRDs. A server may run without a
    /// Deployment, or with other labels.
    async fn other_namespaces(&self) -> anyhow::Result<Vec<String>> {
        let deployments: Api<PartialObjectMeta<Deployment>> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&format!("{}={}", COMPONENT.0, COMPONENT.1));
        let found = deployments
            .list(&ours)
            .await
            .map_err(|error| RequestError::of(error, "deployments.apps"))?;
        let mut namespaces: BTreeSet<String> = found.items.iter().filter_map(ResourceExt::namespace).collect();
        namespaces.extend(self.namespaces_of::<BackupStorageLocation>().await?);
        namespaces.extend(self.namespaces_of::<Backup>().await?);
        namespaces.extend(self.namespaces_of::<Schedule>().await?);
        namespaces.remove(self.namespace);
        Ok(namespaces.into_iter().collect())
    }

    /// The namespaces with objects of a kind; none if it is not served.
    async fn namespaces_of<K: Kind>(&self) -> anyhow::Result<Vec<String>> {
        let objects: Api<PartialObjectMeta<K>> = Api::all(self.client.clone());
        match objects.list(&ListParams::default()).await {
            Ok(found) => Ok(found.items.iter().filter_map(ResourceExt::namespace).collect()),
            // The API server answers for an unknown group without the reason `NotFound`.
            Err(error) => match RequestError::of(error, K::plural(&()).as_ref()) {
                error if error.is_unserved() => Ok(Vec::new()),
                error => Err(error.into()),
            },
        }
    }
}

/// The PVCs of a Deployment's pods.
fn pvcs_of(deployment: &Deployment) -> Vec<String> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let volumes = pod.and_then(|pod| pod.volumes.as_deref()).unwrap_or_default();
    volumes
        .iter()
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()))
        .collect()
}

/// The names of all objects of a kind; none if it is not served.
async fn names<K: Kind>(objects: &Objects<K>) -> anyhow::Result<Vec<String>> {
    match objects.list(None).await {
        Ok(listing) => Ok(listing.items.iter().map(ResourceExt::name_any).collect()),
        Err(error) if error.is_unserved() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

async fn delete_all<K: Kind>(objects: &Objects<K>) -> anyhow::Result<()> {
    for name in names(objects).await? {
        match objects.delete(&name).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

async fn strip_finalizers<K: Kind>(objects: &Objects<K>) -> anyhow::Result<()> {
    for name in names(objects).await? {
        match objects.patch(&name, &json!({"metadata": {"finalizers": null}})).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Waits until an object is deleted, and prints a dot a second; `false` after the timeout.
async fn until_gone<K>(api: Api<K>, name: &str, timeout: Duration) -> anyhow::Result<bool>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let mut changes = watcher::watch_object(api, name).default_backoff().boxed();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.tick().await;
    let deadline = Instant::now() + timeout;
    loop {
        tokio::select! {
            change = changes.next() => if let Some(Ok(None)) = change { return Ok(true) },
            _ = seconds.tick() => {
                if Instant::now() >= deadline {
                    return Ok(false);
                }
                terminal::print(".")?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volumes_with_backups_are_those_that_the_server_mounts() {
        let deployment: Deployment = serde_json::from_value(json!({"spec": {"selector": {}, "template": {"spec": {
            "containers": [],
            "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "store", "persistentVolumeClaim": {"claimName": "velero-backups"}},
            ],
        }}}}))
        .unwrap();
        assert_eq!(pvcs_of(&deployment), ["velero-backups"]);
        assert!(pvcs_of(&Deployment::default()).is_empty());
    }
}
