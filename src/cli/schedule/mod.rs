//! `velero schedule …`.

use super::Commands;
use super::context::Context;
use super::describe::{self, Describable, Source};
use super::get::{self, Gettable};
use super::output::{View, describe as page};
use crate::api::v1::Schedule;

/// `velero schedule describe`.
pub type Describe = describe::Describe<Schedule>;
/// `velero schedule get`.
pub type Get = get::Get<Schedule>;

impl Gettable for Schedule {
    const PLURAL: &'static str = "schedules";
}

impl Describable for Schedule {
    type Flags = ();
    type Facts = Self;

    async fn facts(self, _: &Source<'_>) -> Self {
        self
    }

    fn page(schedule: &Self, view: &View) -> String {
        page::schedule::text(schedule, view)
    }
}

/// Commands that work with schedules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Describe schedules
    Describe(Describe),
    /// Get schedules
    Get(Get),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Describe(describe) => describe.run(context).await,
            Self::Get(get) => get.run(context).await,
        }
    }
}
