//! From measurements to figures: medians, ratios, and whether they reach the aims.

use std::fmt;
use std::time::Duration;

/// Something measured several times, each time next to its floor.
#[derive(Clone, Debug, Default)]
pub struct Series {
    floor: Vec<f64>,
    here: Vec<f64>,
}

impl Series {
    /// One more pair, in seconds.
    pub fn add(&mut self, floor: Duration, here: Duration) {
        self.floor.push(floor.as_secs_f64());
        self.here.push(here.as_secs_f64());
    }

    /// Median of the floor's seconds.
    pub fn floor(&self) -> f64 {
        median(&self.floor)
    }

    /// Median of our seconds.
    pub fn here(&self) -> f64 {
        median(&self.here)
    }

    /// How many times the floor's time it takes: the median of the pairs', since both of a pair met the same machine.
    pub fn times_the_floor(&self) -> f64 {
        let ratios: Vec<f64> = self
            .here
            .iter()
            .zip(&self.floor)
            .map(|(here, floor)| here / floor)
            .collect();
        median(&ratios)
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    f64::midpoint(sorted[below], sorted[above])
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// No more than this; missed at twice as much.
    About(f64),
}

/// What is said of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    /// Over an aim that is not missed yet.
    Over,
    Missed,
}

impl Aim {
    fn verdict(self, figure: f64) -> Verdict {
        match self {
            Self::AtMost(bound) | Self::About(bound) if figure <= bound => Verdict::Met,
            Self::AtLeast(bound) if figure >= bound => Verdict::Met,
            Self::About(bound) if figure < 2.0 * bound => Verdict::Over,
            _ => Verdict::Missed,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::About(bound) => write!(f, "about {bound}"),
        }
    }
}

/// A line of the table.
pub struct Figure {
    /// What was measured.
    pub what: &'static str,
    /// How it was measured, in absolute numbers of this machine.
    pub detail: String,
    /// The figure that counts, and its unit.
    pub value: f64,
    /// Stands behind the figure.
    pub unit: &'static str,
    /// What it is to be.
    pub aim: Aim,
}

impl Figure {
    /// Whether it is far from what it is to be.
    pub fn is_missed(&self) -> bool {
        self.aim.verdict(self.value) == Verdict::Missed
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            detail,
            value,
            unit,
            aim,
        } = self;
        let verdict = match self.aim.verdict(*value) {
            Verdict::Met => "",
            Verdict::Over => "  over the aim",
            Verdict::Missed => "  MISSED",
        };
        write!(
            f,
            "{what:<16} {value:>7.2} {unit:<15} {:<14} {detail}{verdict}",
            aim.to_string()
        )
    }
}
