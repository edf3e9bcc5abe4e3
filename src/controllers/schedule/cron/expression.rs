//! An expression as a user writes it.

use jiff::tz::TimeZone;

use super::field::{DAYS, Field, HOURS, MINUTES, MONTHS, WEEKDAYS};
use super::zone;
use crate::api::GoDuration;

/// When a schedule is due.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The zone that the expression names; without one it is that of the server.
    pub(super) zone: Option<TimeZone>,
    pub(super) when: When,
}

#[derive(Clone, Debug)]
pub(super) enum When {
    At(Fields),
    /// So many seconds after the last time, at least one.
    Every(i64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What robfig/cron says of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let (zone, text) = zoned(text)?;
        let when = if text.starts_with('@') {
            descriptor(text)?
        } else {
            When::At(fields(text)?)
        };
        Ok(Self { zone, when })
    }

    /// The seconds of `@every`.
    pub fn every(&self) -> Option<i64> {
        match self.when {
            When::Every(seconds) => Some(seconds),
            When::At(_) => None,
        }
    }
}

/// The zone before an expression, and the rest.
fn zoned(text: &str) -> Result<(Option<TimeZone>, &str), String> {
    let named = ["TZ=", "CRON_TZ="].iter().find_map(|prefix| text.strip_prefix(prefix));
    let Some(named) = named else { return Ok((None, text)) };
    // robfig/cron panics without a space.
    let Some((name, rest)) = named.split_once(' ') else {
        return Err(format!(
            "provided bad location {named}: there is no expression after it"
        ));
    };
    let bad = |why: &str| Err(format!("provided bad location {name}: {why}"));
    let zone = match name {
        "" | "UTC" => Some(TimeZone::UTC),
        "Local" => None,
        _ if name.contains("..") || name.starts_with(['/', '\\']) => return bad("time: invalid location name"),
        _ => match zone::named(name) {
            Some(zone) => Some(zone),
            None => return bad(&format!("unknown time zone {name}")),
        },
    };
    Ok((zone, rest.trim()))
}

fn descriptor(text: &str) -> Result<When, String> {
    let expression = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(every) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let duration = every.parse().and_then(|every: GoDuration| every.value());
            let duration = duration.map_err(|why| format!("failed to parse duration {text}: {why}"))?;
            return Ok(When::Every(duration.as_secs().max(1)));
        }
    };
    Ok(When::At(fields(expression)?))
}

fn fields(text: &str) -> Result<Fields, String> {
    let found: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = found[..] else {
        return Err(format!(
            "expected exactly 5 fields, found {}: [{}]",
            found.len(),
            found.join(" ")
        ));
    };
    Ok(Fields {
        minute: Field::parse(minute, &MINUTES)?,
        hour: Field::parse(hour, &HOURS)?,
        day: Field::parse(day, &DAYS)?,
        month: Field::parse(month, &MONTHS)?,
        weekday: Field::parse(weekday, &WEEKDAYS)?,
    })
}
