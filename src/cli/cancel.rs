//! `velero … cancel` of every kind of run (decision 55). Velero has no such command.

use std::marker::PhantomData;

use anyhow::bail;
use kube::ResourceExt;
use serde_json::json;

use super::context::Context;
use super::deletion;
use super::flag::{Selector, go_bool};
use super::objects::{Kind, Objects};
use super::terminal;
use crate::api::annotations;

/// A kind of run.
pub trait Cancellable: Kind {
    /// The kind, as messages have it.
    const KIND: &'static str;
    /// One of them, as messages have it.
    const NOUN: &'static str;

    /// The phase.
    fn phase(&self) -> &str;

    /// Whether it can still be cancelled.
    fn is_unfinished(&self) -> bool;
}

/// Cancel runs that have not finished
#[derive(Clone, Debug, clap::Args)]
pub struct Cancel<K: Cancellable> {
    /// The names.
    names: Vec<String>,
    /// Cancel all that have not finished.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    all: bool,
    /// Cancel all that have not finished and match this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    /// Confirm without a prompt.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    confirm: bool,
    #[arg(skip)]
    kind: PhantomData<K>,
}

impl<K: Cancellable> Cancel<K> {
    /// Cancels them after a confirmation.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        if [!self.names.is_empty(), self.all, !self.selector.is_empty()]
            .iter()
            .filter(|given| **given)
            .count()
            != 1
        {
            let noun = K::NOUN;
            bail!("you must specify exactly one of: specific {noun} name(s), the --all flag, or the --selector flag");
        }
        if !self.confirm && !terminal::confirm("--confirm")? {
            return Ok(());
        }
        let client = context.client().await?;
        let objects = Objects::<K>::new(&client, &context.namespace);
        let mut errors = Vec::new();
        for object in self.chosen(&objects, &mut errors).await? {
            let name = object.name_any();
            if !object.is_unfinished() {
                let phase = object.phase();
                terminal::println(&format!(
                    "{} {name:?} has the phase {phase}: there is nothing to cancel.",
                    K::KIND
                ))?;
                continue;
            }
            match objects.patch(&name, &request()).await {
                Ok(_) => terminal::println(&answer::<K>(&name))?,
                Err(error) => errors.push(error.to_string()),
            }
        }
        deletion::end(&errors)
    }

    /// The objects to cancel; those that are not found are errors.
    async fn chosen(&self, objects: &Objects<K>, errors: &mut Vec<String>) -> anyhow::Result<Vec<K>> {
        let mut found = Vec::new();
        if self.names.is_empty() {
            let listing = objects.list(Selector::all(&self.selector).as_ref()).await?;
            found.extend(listing.items.into_iter().filter(K::is_unfinished));
            if found.is_empty() {
                terminal::println(&format!("No unfinished {}s found", K::NOUN))?;
            }
        }
        for name in &self.names {
            match objects.get(name).await {
                Ok(object) => found.push(object),
                Err(error) => errors.push(error.to_string()),
            }
        }
        Ok(found)
    }
}

fn request() -> serde_json::Value {
    json!({"metadata": {"annotations": {annotations::CANCEL: "true"}}})
}

fn answer<K: Cancellable>(name: &str) -> String {
    let (kind, noun) = (K::KIND, K::NOUN);
    format!("{kind} {name:?} is being cancelled. Run `velero {noun} describe {name}` to see how it ended.")
}
