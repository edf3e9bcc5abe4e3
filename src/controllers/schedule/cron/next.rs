//! The next time of an expression, as robfig/cron finds it, also where clocks change.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::expression::{Expression, Fields, When};

/// The years of the search. What is not due within them never is.
const YEARS: i16 = 5;

impl Expression {
    /// The first time strictly after an instant; `None` if there is none within five years. `local` is the zone of an expression
    /// that names none.
    pub fn next(&self, after: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        // Times before 1970 have negative nanoseconds.
        let second = after.as_second() - i64::from(after.subsec_nanosecond() < 0);
        match &self.when {
            When::Every(seconds) => Timestamp::from_second(second.checked_add(*seconds)?).ok(),
            When::At(fields) => fields.search(Clock::new(self.zone.as_ref().unwrap_or(local), second + 1)),
        }
    }
}

impl Fields {
    fn search(&self, mut clock: Clock<'_>) -> Option<Timestamp> {
        let last = clock.now.year().checked_add(YEARS)?;
        // Whether the smaller units were set to where they begin.
        let mut begun = false;
        'wrapped: loop {
            if clock.now.year() > last {
                return None;
            }
            while !self.month.has(clock.now.month()) {
                if !begun {
                    begun = true;
                    clock.set_date(clock.now.date().first_of_month())?;
                }
                clock.move_date(1, 0)?;
                if clock.now.month() == 1 {
                    continue 'wrapped;
                }
            }
            while !self.takes_day(clock.now) {
                if !begun {
                    begun = true;
                    clock.set_date(clock.now.date())?;
                }
                let before = clock.at;
                clock.move_date(0, 1)?;
                // The clock skipped midnight.
                match i64::from(clock.now.hour()) {
                    0 => {}
                    late @ 13.. => clock.wind((24 - late) * 3600),
                    early => clock.wind(-early * 3600),
                }
                if clock.at <= before {
                    // The whole day was skipped. Here robfig/cron steps back and forth for ever.
                    clock.wind(before + 24 * 3600 - clock.at);
                }
                if clock.now.day() == 1 {
                    continue 'wrapped;
                }
            }
            while !self.hour.has(clock.now.hour()) {
                if !begun {
                    begun = true;
                    clock.set_civil(clock.now.date(), i64::from(clock.now.hour()) * 3600)?;
                }
                clock.wind(3600);
                if clock.now.hour() == 0 {
                    continue 'wrapped;
                }
            }
            while !self.minute.has(clock.now.minute()) {
                if !begun {
                    begun = true;
                    clock.wind(-clock.at.rem_euclid(60));
                }
                clock.wind(60);
                if clock.now.minute() == 0 {
                    continue 'wrapped;
                }
            }
            // The second is always 0.
            while clock.now.second() != 0 {
                begun = true;
                clock.wind(1);
                if clock.now.second() == 0 {
                    continue 'wrapped;
                }
            }
            return Timestamp::from_second(clock.at).ok();
        }
    }

    /// Of a day of the month and a day of the week that are both given, one is enough.
    fn takes_day(&self, now: DateTime) -> bool {
        let day = self.day.has(now.day());
        let weekday = self.weekday.has(now.weekday().to_sunday_zero_offset());
        if self.day.is_star() || self.weekday.is_star() {
            day && weekday
        } else {
            day || weekday
        }
    }
}

/// An instant as a clock on a wall shows it.
struct Clock<'z> {
    zone: &'z TimeZone,
    /// Seconds since 1970.
    at: i64,
    /// What it shows.
    now: DateTime,
}

impl<'z> Clock<'z> {
    fn new(zone: &'z TimeZone, at: i64) -> Self {
        let now = shown(zone, at);
        Self { zone, at, now }
    }

    fn wind(&mut self, seconds: i64) {
        self.at += seconds;
        self.now = shown(self.zone, self.at);
    }

    fn set_date(&mut self, date: Date) -> Option<()> {
        self.set_civil(date, 0)
    }

    /// The same time of day so many months or days later. A day that its month does not have becomes one of the next month.
    fn move_date(&mut self, months: i16, days: i64) -> Option<()> {
        let now = self.now;
        let month = i16::from(now.month()) - 1 + months;
        let first = Date::new(now.year() + month / 12, i8::try_from(month % 12).ok()? + 1, 1).ok()?;
        let date = first
            .checked_add(Span::new().days(i64::from(now.day()) - 1 + days))
            .ok()?;
        let (hour, minute, second) = (now.hour(), now.minute(), now.second());
        self.set_civil(
            date,
            i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second),
        )
    }

    /// As Go's `time.Date` with a time that the clock skips or shows twice.
    fn set_civil(&mut self, date: Date, seconds: i64) -> Option<()> {
        let midnight = date.to_datetime(Time::midnight());
        let local = TimeZone::UTC.to_timestamp(midnight).ok()?.as_second() + seconds;
        let guess = offset(self.zone, local)?;
        *self = Self::new(self.zone, local - offset(self.zone, local - guess)?);
        Some(())
    }
}

fn shown(zone: &TimeZone, at: i64) -> DateTime {
    zone.to_datetime(Timestamp::from_second(at).unwrap_or(Timestamp::MAX))
}

fn offset(zone: &TimeZone, at: i64) -> Option<i64> {
    let instant = Timestamp::from_second(at).ok()?;
    Some(i64::from(zone.to_offset(instant).seconds()))
}
