//! `velero … get`: the command of every kind. A kind supplies its plural for the help and its table ([`Columns`]).

use std::fmt::Debug;
use std::marker::PhantomData;

use super::context::Context;
use super::flag::Selector;
use super::objects::Kind;
use super::output::columns::Columns;
use super::output::{self, Format, OutputArgs};
use super::terminal;

/// A kind with a `get` command.
pub trait Gettable: Kind + Columns {
    /// Its plural, as in the help.
    const PLURAL: &'static str;

    /// Changes an object before it is printed, in every format.
    fn prepare(&mut self) {}
}

/// Prints the objects of a kind.
#[derive(Clone, Debug, clap::Args)]
pub struct Get<K: Gettable> {
    #[arg(help = format!("The {} to show; all if none is named", K::PLURAL))]
    names: Vec<String>,
    /// Only show items matching this label selector.
    #[arg(short = 'l', long, action = clap::ArgAction::Append)]
    selector: Vec<Selector>,
    #[command(flatten)]
    output: OutputArgs,
    #[arg(skip)]
    kind: PhantomData<K>,
}

impl<K: Gettable> Get<K> {
    /// Prints the objects that the names or the selector choose.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        self.run_filtered(context, |_| true).await
    }

    /// The same for those of the objects that the filter accepts.
    pub async fn run_filtered(self, context: &Context, filter: impl Fn(&K) -> bool) -> anyhow::Result<()> {
        let format = self.output.format()?.unwrap_or(Format::Table);
        let objects = context.objects::<K>().await?;
        let mut listing = objects
            .named_or_listed(&self.names, Selector::all(&self.selector).as_ref())
            .await?;
        listing.items.retain(filter);
        listing.items.iter_mut().for_each(K::prepare);
        let text = output::list(listing, format, &self.output, &context.view())?;
        Ok(terminal::print(&text)?)
    }
}
