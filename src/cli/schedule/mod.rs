//! `velero schedule …`.

mod create;
mod delete;
mod pause;
mod retention;
mod select;

pub use create::Create;
pub use delete::Delete;
pub use pause::{Pause, Unpause};
pub use retention::Retention;

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
    /// Create a schedule
    Create(Box<Create>),
    /// Delete schedules
    Delete(Delete),
    /// Describe schedules
    Describe(Describe),
    /// Get schedules
    Get(Get),
    /// Pause schedules
    Pause(Pause),
    /// Show which backups of a schedule are kept, and when they end
    Retention(Retention),
    /// Unpause schedules
    Unpause(Unpause),
}

impl Commands for Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Describe(describe) => describe.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Pause(pause) => pause.run(context).await,
            Self::Retention(retention) => retention.run(context).await,
            Self::Unpause(unpause) => unpause.run(context).await,
        }
    }
}
