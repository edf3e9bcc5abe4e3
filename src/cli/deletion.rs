//! What the commands that delete objects have in common: which objects, the question, the errors.

use anyhow::bail;
use kube::ResourceExt;

use super::flag::{Selector, go_bool};
use super::objects::{Kind, Objects};
use super::terminal;

/// Which objects are to be deleted.
#[derive(Clone, Debug, clap::Args)]
pub struct Chosen {
    /// The names of the objects.
    names: Vec<String>,
    /// Delete all of them.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    all: bool,
    /// Delete all that match this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    /// Confirm deletion without a prompt.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    confirm: bool,
}

/// The objects that are there, and why others are not.
#[derive(Debug)]
pub struct Found<K> {
    /// What is there.
    pub objects: Vec<K>,
    /// An error for each name that was not found.
    pub errors: Vec<String>,
}

impl Chosen {
    /// Checks the flags and asks for confirmation; `false` if the answer is no.
    ///
    /// # Errors
    /// The flags choose in no way or in several, or there was no answer.
    pub fn confirmed(&self, noun: &str) -> anyhow::Result<bool> {
        let ways = [!self.names.is_empty(), self.all, !self.selector.is_empty()];
        if ways.iter().filter(|given| **given).count() != 1 {
            bail!("you must specify exactly one of: specific {noun} name(s), the --all flag, or the --selector flag");
        }
        Ok(self.confirm || terminal::confirm("--confirm")?)
    }

    /// Looks for the objects.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn find<K: Kind>(&self, objects: &Objects<K>) -> anyhow::Result<Found<K>> {
        if self.names.is_empty() {
            let listing = objects.list(Selector::all(&self.selector).as_ref()).await?;
            return Ok(Found {
                objects: listing.items,
                errors: Vec::new(),
            });
        }
        let mut found = Found {
            objects: Vec::new(),
            errors: Vec::new(),
        };
        for name in &self.names {
            match objects.get(name).await {
                Ok(object) => found.objects.push(object),
                Err(error) => found.errors.push(error.to_string()),
            }
        }
        // A name that is given twice is deleted once.
        let mut seen = std::collections::BTreeSet::new();
        found.objects.retain(|object| seen.insert(object.name_any()));
        Ok(found)
    }
}

/// Ends a command with its errors, written as Go joins them.
///
/// # Errors
/// There are any.
pub fn end(errors: &[String]) -> anyhow::Result<()> {
    match errors {
        [] => Ok(()),
        [error] => bail!("{error}"),
        errors => bail!("[{}]", errors.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_joined_as_go_joins_them() {
        let texts = |errors: &[&str]| {
            let errors: Vec<String> = errors.iter().map(|error| (*error).to_owned()).collect();
            end(&errors).err().map(|error| error.to_string())
        };
        assert_eq!(texts(&[]), None);
        assert_eq!(texts(&["a"]).as_deref(), Some("a"));
        assert_eq!(texts(&["a", "b"]).as_deref(), Some("[a, b]"));
    }
}
