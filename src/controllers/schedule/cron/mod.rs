//! Cron expressions as robfig/cron v3 reads them: its grammar, its messages, and its next times where clocks change
//! (spec backup 18). `tests/data/cron` is what robfig/cron itself says; `tests/tools/cron` writes it.

mod expression;
mod field;
mod next;
pub mod zone;

pub use expression::Expression;
#[cfg(test)]
pub(super) use tests::rows;

#[cfg(test)]
mod tests;
