//! One field of an expression as a set of numbers.

/// The bit of a field that began with `*` or `?`: of the two day fields, only those without it are alternatives.
const STAR: u64 = 1 << 63;

/// The numbers that a field may have, and their names.
pub(super) struct Bounds {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) names: &'static [&'static str],
}

pub(super) const MINUTES: Bounds = Bounds {
    least: 0,
    most: 59,
    names: &[],
};
pub(super) const HOURS: Bounds = Bounds {
    least: 0,
    most: 23,
    names: &[],
};
pub(super) const DAYS: Bounds = Bounds {
    least: 1,
    most: 31,
    names: &[],
};
pub(super) const MONTHS: Bounds = Bounds {
    least: 1,
    most: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
pub(super) const WEEKDAYS: Bounds = Bounds {
    least: 0,
    most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// A set of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field(u64);

impl Field {
    /// Whether the set has this number.
    pub(super) fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.0 & !STAR & (1 << number) != 0)
    }

    /// Whether the field began with `*` or `?`, without a step.
    pub(super) fn is_star(self) -> bool {
        self.0 & STAR != 0
    }

    /// Reads a list of ranges. Commas that separate nothing are ignored, as robfig/cron does.
    pub(super) fn parse(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts
            .map(|part| range(part, bounds))
            .try_fold(Self(0), |all, one| Ok(Self(all.0 | one?)))
    }
}

/// `*`, `n`, `n-m`, each also with `/step`.
fn range(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let slashes: Vec<&str> = text.split('/').collect();
    let hyphens: Vec<&str> = slashes[0].split('-').collect();
    let mut star = 0;
    let (from, mut to) = match hyphens[..] {
        ["*" | "?", ..] => {
            star = STAR;
            (bounds.least, bounds.most)
        }
        [one] => {
            let one = number_or_name(one, bounds)?;
            (one, one)
        }
        [from, to] => (number_or_name(from, bounds)?, number_or_name(to, bounds)?),
        _ => {
            // The first number is read before the hyphens are counted.
            number_or_name(hyphens[0], bounds)?;
            return Err(format!("too many hyphens: {text}"));
        }
    };
    let step = match slashes[..] {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            // `n/step` means from n on.
            if hyphens.len() == 1 {
                to = bounds.most;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    let Bounds { least, most, .. } = bounds;
    if from < *least {
        return Err(format!("beginning of range ({from}) below minimum ({least}): {text}"));
    }
    if to > *most {
        return Err(format!("end of range ({to}) above maximum ({most}): {text}"));
    }
    if from > to {
        return Err(format!(
            "beginning of range ({from}) beyond end of range ({to}): {text}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let every = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((from..=to).step_by(every).fold(star, |bits, number| bits | 1 << number))
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let lower = text.to_lowercase();
    match (bounds.least..).zip(bounds.names).find(|(_, name)| **name == lower) {
        Some((number, _)) => Ok(number),
        None => number(text),
    }
}

/// A number as Go's `strconv.Atoi` reads it.
fn number(text: &str) -> Result<u64, String> {
    let failed = |why: &str| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(failed("invalid syntax"));
    }
    let value: i64 = text.parse().map_err(|_| failed("value out of range"))?;
    if value < 0 {
        return Err(format!("negative number ({value}) not allowed: {text}"));
    }
    Ok(value.unsigned_abs())
}
