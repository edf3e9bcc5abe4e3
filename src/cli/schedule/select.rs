//! Which schedules a command is for: named ones, all, or those with labels.

use anyhow::bail;

use crate::api::v1::Schedule;
use crate::cli::flag::{Selector, go_bool};
use crate::cli::objects::{Objects, RequestError};

/// Names, `--all` or `--selector`: exactly one of them.
#[derive(Clone, Debug, clap::Args)]
pub struct Select {
    /// The names of the schedules.
    names: Vec<String>,
    /// All schedules.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    all: bool,
    /// All schedules matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
}

/// The schedules that were chosen, and the errors of those that were not found.
pub struct Chosen {
    /// Those that exist.
    pub schedules: Vec<Schedule>,
    /// The errors.
    pub errors: Vec<String>,
}

impl Select {
    /// Refuses a command line that does not choose in exactly one way.
    pub fn check(&self) -> anyhow::Result<()> {
        let given = [!self.names.is_empty(), self.all, !self.selector.is_empty()];
        if given.iter().filter(|given| **given).count() != 1 {
            bail!("you must specify exactly one of: specific schedule name(s), the --all flag, or the --selector flag");
        }
        Ok(())
    }

    /// The chosen ones, of this namespace.
    pub async fn chosen(&self, objects: &Objects<Schedule>) -> Result<Chosen, RequestError> {
        let (mut schedules, mut errors) = (Vec::new(), Vec::new());
        for name in &self.names {
            match objects.get(name).await {
                Ok(schedule) => schedules.push(schedule),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if self.names.is_empty() {
            schedules = objects.list(Selector::all(&self.selector).as_ref()).await?.items;
        }
        Ok(Chosen { schedules, errors })
    }
}

impl Chosen {
    /// Whether nothing was chosen and nothing went wrong.
    pub fn is_empty(&self) -> bool {
        self.schedules.is_empty() && self.errors.is_empty()
    }
}

/// The end of a command that did what it could.
pub fn ended(errors: &[String]) -> anyhow::Result<()> {
    if errors.is_empty() {
        Ok(())
    } else {
        bail!("{}", errors.join("; "))
    }
}
