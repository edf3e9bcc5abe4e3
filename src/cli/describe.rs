//! What `backup describe` and `restore describe` have in common: their flags, and how a run's files are fetched.

use std::time::Duration;

use anyhow::bail;
use kube::Client;
use serde_json::Value;

use super::artifact::outlook::Known;
use super::artifact::{Artifacts, DownloadArgs};
use super::context::Context;
use super::flag::go_bool;
use super::objects::{Kind, Objects};
use super::output::describe::{Fetched, Listed};
use super::output::json;
use super::terminal;
use crate::api::names;
use crate::api::v1::DownloadTargetKind;

/// How long one of a run's files is waited for.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// How much is shown, in which form, and whence it comes.
#[derive(Clone, Debug, clap::Args)]
pub struct DescribeArgs {
    /// Display additional detail in the command output.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub details: bool,
    /// Output display format: 'plaintext' or 'json'. 'json' only applies to a single one.
    #[arg(short, long, default_value = "plaintext")]
    output: String,
    #[command(flatten)]
    download: DownloadArgs,
}

impl DescribeArgs {
    /// Refuses a format that there is not, before anything is asked for.
    pub fn check(&self) -> anyhow::Result<()> {
        if !matches!(self.output.as_str(), "plaintext" | "json") {
            bail!(
                "invalid output format '{}'. valid value are 'plaintext, json'",
                self.output
            );
        }
        Ok(())
    }

    /// Access to the runs' files.
    pub fn artifacts(&self, client: &Client, context: &Context) -> Artifacts {
        let options = self.download.options(FETCH_TIMEOUT, context);
        Artifacts::new(client.clone(), &context.namespace, options)
    }

    /// Shows the run of this number among so many: as JSON if it is the only one and that is wanted.
    pub fn show(
        &self,
        number: usize,
        of: usize,
        text: impl FnOnce() -> String,
        value: impl FnOnce() -> Value,
    ) -> anyhow::Result<()> {
        if of == 1 && self.output == "json" {
            terminal::say(&json::render(&value(), 4)?)?;
        } else {
            let gap = if number > 0 { "\n\n" } else { "" };
            terminal::print(&format!("{gap}{}", text()))?;
        }
        Ok(())
    }
}

/// Fetches files of one run.
pub struct Fetch<'a> {
    /// Access to them.
    pub artifacts: &'a Artifacts,
    /// The run, and where its files are.
    pub known: Known<'a>,
}

impl Fetch<'_> {
    /// One file.
    pub async fn json<T: serde::de::DeserializeOwned>(&self, kind: DownloadTargetKind) -> Fetched<T> {
        self.artifacts.json(&self.known, &kind).await
    }
}

/// The objects of a kind that belong to a run, or why they cannot be listed: the user may have no right to, and sees the
/// rest all the same.
pub async fn belonging<K: Kind>(client: &Client, namespace: &str, key: &str, run: &str) -> Listed<K> {
    let objects = Objects::<K>::new(client, namespace);
    let listed = objects.labelled(key, &names::label_value(run)).await;
    listed.map_err(|error| error.to_string())
}
