//! How far a restore is.

/// A restore as those who look on see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects restored so far, whatever became of them. Never falls; in the end it is their number.
    pub restored: u64,
    /// What it will be as far as one can tell: additional items raise it, finished pods and the like lower it.
    pub total: u64,
    /// Items that wait to be tried again.
    pub parked: usize,
    /// The first few of them.
    pub blocked: Vec<Blocked>,
    /// What keeps it from going on, while nothing else is left to do.
    pub standstill: Option<Standstill>,
}

/// Nothing goes on any more but waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// For what, as one word for programs.
    pub reason: &'static str,
    /// What waits for what, how much else does, and how long that is waited for. For people.
    pub message: String,
}

/// An item that waits to be tried again, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// `deployments.apps/shop/web`: its names in the backup.
    pub item: String,
    /// What it waits for, for people.
    pub why: String,
}

/// Told how far the restore is, after each item: cheap, and nobody waits for it.
pub type OnProgress<'a> = dyn Fn(Progress) + Send + Sync + 'a;
