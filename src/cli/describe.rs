//! `velero … describe`: the command of every kind. A kind supplies its flags, the facts besides the object, and the page.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use anyhow::bail;
use kube::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::artifact::availability::RunFiles;
use super::artifact::{Artifacts, DownloadArgs};
use super::context::Context;
use super::flag::{Selector, go_bool};
use super::get::Gettable;
use super::objects::{Kind, Objects};
use super::output::describe::{Details, Fetched, Listed};
use super::output::{View, json};
use super::terminal;
use crate::api::names;
use crate::api::v1::DownloadTargetKind;

/// How long to wait for one file of a run.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// A kind with a `describe` command.
pub trait Describable: Gettable {
    /// Its flags besides names and selector.
    type Flags: DescribeFlags + clap::Args + Clone + Debug + Send + Sync + 'static;

    /// The object and everything else that is shown of it.
    type Facts: Send;

    /// Gathers the facts of an object.
    fn facts(self, source: &Source<'_>) -> impl Future<Output = Self::Facts>;

    /// The facts as a page of text.
    fn page(facts: &Self::Facts, view: &View) -> String;

    /// The facts as JSON; null for a kind without that format.
    fn json(_facts: &Self::Facts, _view: &View) -> Value {
        Value::Null
    }
}

/// The settings of a `describe` command.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    details: bool,
    json: bool,
    download: DownloadArgs,
}

/// Flags of a `describe` command.
pub trait DescribeFlags {
    /// The settings that they choose.
    ///
    /// # Errors
    /// A flag has an invalid value.
    fn settings(self) -> anyhow::Result<Settings>;
}

impl DescribeFlags for () {
    fn settings(self) -> anyhow::Result<Settings> {
        Ok(Settings::default())
    }
}

/// The flags of `backup describe` and `restore describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunFlags {
    /// Display additional detail in the command output.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    details: bool,
    /// Output display format. Valid formats are 'plaintext, json'. 'json' only applies to a single object.
    #[arg(short, long, default_value = "plaintext")]
    output: String,
    #[command(flatten)]
    download: DownloadArgs,
}

impl DescribeFlags for RunFlags {
    fn settings(self) -> anyhow::Result<Settings> {
        let json = match self.output.as_str() {
            "plaintext" => false,
            "json" => true,
            other => bail!("invalid output format '{other}'. valid value are 'plaintext, json'"),
        };
        Ok(Settings {
            details: self.details,
            json,
            download: self.download,
        })
    }
}

/// Describes the objects of a kind.
#[derive(Clone, Debug, clap::Args)]
pub struct Describe<K: Describable> {
    #[arg(help = format!("The {} to describe; all if none is named", K::PLURAL))]
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    flags: K::Flags,
    #[arg(skip)]
    kind: PhantomData<K>,
}

impl<K: Describable> Describe<K> {
    /// Describes the objects that the names or the selector choose: as pages, or a single one as JSON.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let settings = self.flags.settings()?;
        let client = context.client().await?;
        let listing = Objects::<K>::new(&client, &context.namespace)
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        let options = settings.download.options(FETCH_TIMEOUT, context);
        let source = Source {
            artifacts: Artifacts::new(client.clone(), &context.namespace, options),
            client,
            namespace: &context.namespace,
            details: settings.details,
        };
        let as_json = settings.json && listing.items.len() == 1;
        for (number, object) in listing.items.into_iter().enumerate() {
            // Boxed because the future is large.
            let facts = Box::pin(object.facts(&source)).await;
            let view = context.view();
            if as_json {
                terminal::println(&json::render(&K::json(&facts, &view), 4)?)?;
            } else {
                let gap = if number > 0 { "\n\n" } else { "" };
                terminal::print(&format!("{gap}{}", K::page(&facts, &view)))?;
            }
        }
        Ok(())
    }
}

/// Reads what is shown of an object besides the object itself.
pub struct Source<'a> {
    /// The client of the command.
    pub client: Client,
    /// Velero's namespace.
    pub namespace: &'a str,
    /// Whether details are shown.
    details: bool,
    artifacts: Artifacts,
}

impl Source<'_> {
    /// The objects of a kind that belong to a run, or the error of the list. The rest of the page does not depend on the permission
    /// to list them.
    pub async fn belonging<K: Kind>(&self, key: &str, run: &str) -> Listed<K> {
        let objects = Objects::<K>::new(&self.client, self.namespace);
        let listed = objects.labelled(key, &names::label_value(run)).await;
        listed.map_err(|error| error.to_string())
    }

    /// A file of a run.
    pub async fn file<T: DeserializeOwned>(&self, files: &RunFiles<'_>, kind: DownloadTargetKind) -> Fetched<T> {
        self.artifacts.json(files, &kind).await
    }

    /// A file of a run, if it is wanted.
    pub async fn file_if<T: DeserializeOwned>(
        &self,
        wanted: bool,
        files: &RunFiles<'_>,
        kind: DownloadTargetKind,
    ) -> Option<Fetched<T>> {
        if wanted {
            Some(self.file(files, kind).await)
        } else {
            None
        }
    }

    /// The files that only details show: the resource list, and the operations if there were any.
    pub async fn details<O: DeserializeOwned>(
        &self,
        files: &RunFiles<'_>,
        resource_list: DownloadTargetKind,
        operations: DownloadTargetKind,
        has_operations: bool,
    ) -> Option<Details<O>> {
        if !self.details {
            return None;
        }
        Some(Details {
            resource_list: self.file(files, resource_list).await,
            operations: self.file_if(has_operations, files, operations).await,
        })
    }
}
