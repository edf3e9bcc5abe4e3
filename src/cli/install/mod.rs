//! `velero install`: all objects are typed code (decision 27, spec server-cli 10).
//!
//! ```text
//!   flags  --validate, preflight-->  InstallOptions  --objects-->  objects  --apply-->  cluster
//!                                                                    \--> `-o yaml`, manifests/
//! ```

mod apply;
mod daemonset;
mod deployment;
mod error;
mod exposure;
mod flags;
mod image;
mod limits;
mod manifests;
pub mod objects;
pub mod options;
mod parts;
mod preflight;
mod ready;
#[cfg(test)]
mod recorded;
mod storage;
mod trust;
mod validate;

use serde::Serialize;
use serde_json::Value;

use super::context::Context;
use super::output::{self, Format, PrintError};
use super::terminal;

use trust::Trust;

pub use error::InstallError;
pub use flags::Install;
pub use manifests::manifests;
pub use objects::{binding_name, objects};
pub use options::InstallOptions;
pub use parts::COMPONENT;

/// The only accepted uploader (decision 26).
const UPLOADER: &str = "kopia";

impl Install {
    /// Installs, or with `--dry-run` only prints the objects.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let format = self.output.format()?;
        if format == Some(Format::Table) {
            anyhow::bail!("'table' format is not supported with 'install' command");
        }
        let mut trust = None;
        let objects = if self.mode.crds_only {
            objects::crds()?
        } else {
            let options = self.validated(&context.namespace, &context.features)?;
            self.warnings().iter().for_each(|warning| terminal::eprintln(warning));
            if !self.mode.dry_run {
                self.check_configmaps(context).await?;
                self.check_node(context).await?;
                self.check_pod_security(context, &options).await?;
            }
            trust = Trust::of(&options);
            if self.mode.dry_run && trust.is_some() {
                terminal::eprintln(trust::NOT_SHOWN);
            }
            objects::objects(&options)?
        };
        if let Some(format) = format {
            terminal::print(&printed(&objects, format)?)?;
        }
        if self.mode.dry_run {
            return Ok(());
        }
        self.apply(context, objects, trust.as_ref()).await.map_err(|error| {
            let namespace = &context.namespace;
            anyhow::anyhow!(
                "{error:#}\n\nError installing Velero. Use `kubectl logs deploy/velero -n {namespace}` to check the deploy logs"
            )
        })
    }

    async fn apply(&self, context: &Context, objects: Vec<Value>, trust: Option<&Trust>) -> anyhow::Result<()> {
        let client = context.client().await?;
        apply::install(&client, objects, trust, self.mode.apply).await?;
        if self.mode.crds_only {
            return Ok(terminal::println(
                "Velero's custom resource definitions are installed.",
            )?);
        }
        if self.mode.wait {
            terminal::println("Waiting for Velero deployment to be ready.")?;
            ready::deployment_is_available(&client, &context.namespace).await?;
        }
        if self.credentials.secret_file.is_none() {
            terminal::println("\nNo secret file was specified, no Secret created.\n")?;
        }
        if self.location.no_default_backup_location {
            terminal::println(
                "\nNo bucket and provider were specified, no default backup storage location created.\n",
            )?;
        }
        let namespace = &context.namespace;
        Ok(terminal::println(&format!(
            "Velero is installed! ⛵ Use 'kubectl logs deployment/velero -n {namespace}' to view the status."
        ))?)
    }
}

/// The objects as one list for kubectl.
fn printed(objects: &[Value], format: Format) -> Result<String, PrintError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        api_version: &'static str,
        items: &'a [Value],
        kind: &'static str,
    }
    let list = List {
        api_version: "v1",
        items: objects,
        kind: "List",
    };
    if format == Format::Json {
        output::print_json(&list)
    } else {
        output::print_yaml(&list)
    }
}
