//! Whole lives of schedules, pass after pass.

use super::*;

#[test]
fn an_hour_that_the_clock_repeats_loses_and_doubles_no_tick() {
    let berlin = zone::local(Some("Europe/Berlin"));
    let mut seen = schedule(&json!({
        "spec": {"schedule": "30 2 * * *"}, "status": {"lastBackup": "2026-10-24T00:30:00Z"},
    }));
    let mut ticks = Vec::new();
    // Half past two comes at 00:30Z and again at 01:30Z. Passes come every ten minutes.
    for minute in 0..36 * 6 {
        let now = at("2026-10-24T22:00:00Z")
            .checked_add(SignedDuration::from_mins(minute * 10))
            .unwrap();
        let plan = decide(
            &seen,
            &Facts {
                now,
                zone: &berlin,
                skip_immediately: false,
                backups: &[],
                refused: None,
            },
        );
        ticks.extend(plan.make.map(|tick| tick.due.to_string()));
        seen = plan.wanted;
    }
    assert_eq!(
        ticks,
        ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

/// Rows of robfig/cron's table, lived through by passes at the exact due times, of servers that remember nothing.
#[test]
fn the_ticks_of_a_life_are_those_of_robfig_cron() {
    let mut count = 0;
    for row in crate::controllers::schedule::cron::rows().into_iter().step_by(5) {
        let local = zone::local(Some(&row.zone));
        for (created, ticks) in row.cases.into_iter().filter(|(_, ticks)| ticks.len() == 4).step_by(3) {
            let mut seen = schedule(&json!({"spec": {"schedule": row.expression}}));
            seen.metadata.creation_timestamp = Some(time(created));
            let (mut now, mut made) = (created, Vec::new());
            while made.len() < 4 {
                let plan = decide(
                    &seen,
                    &Facts {
                        now,
                        zone: &local,
                        skip_immediately: false,
                        backups: &[],
                        refused: None,
                    },
                );
                made.extend(plan.make.map(|tick| tick.due));
                let Next::At(next) = plan.next else {
                    panic!("{}: {:?}", row.expression, plan.next)
                };
                (seen, now) = (plan.wanted, next);
            }
            assert_eq!(made, ticks, "{} in {} from {created}", row.expression, row.zone);
            count += 1;
        }
    }
    assert!(count > 300, "only {count} lives");
}

/// A year of three schedules in three zones. Leaders change at random: some die between the Backup and the status, some see an old
/// Schedule, some come late.
#[test]
fn in_a_year_of_changing_leaders_every_tick_is_made_once() {
    for (zone_name, expression) in [
        ("Europe/Berlin", "30 2 * * *"),
        ("America/New_York", "15 1,13 * * mon-fri"),
        ("Australia/Lord_Howe", "45 1 */2 * *"),
    ] {
        let local = zone::local(Some(zone_name));
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let parsed = Expression::parse(expression).unwrap();
        let wanted: Vec<Timestamp> =
            std::iter::successors(parsed.next(from, &local), |tick| parsed.next(*tick, &local))
                .take_while(|tick| *tick < to)
                .collect();
        let mut seen = schedule(&json!({"spec": {"schedule": expression}}));
        seen.metadata.creation_timestamp = Some(time(from));
        let (mut now, mut random) = (from, 7_u64);
        let mut backups: Vec<Made> = Vec::new();
        while now < to {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // The Backups that exist are those that expiry has left.
            let kept = backups.len().saturating_sub(3);
            let plan = decide(
                &seen,
                &Facts {
                    now,
                    zone: &local,
                    skip_immediately: false,
                    backups: &backups[kept..],
                    refused: None,
                },
            );
            if let Some(tick) = plan.make {
                assert!(
                    backups.iter().all(|made| made.tick != Some(tick.due)),
                    "{} twice",
                    tick.due
                );
                backups.push(Made {
                    name: tick.due.to_string(),
                    tick: Some(tick.due),
                    is_unfinished: false,
                });
            }
            let Next::At(next) = plan.next else {
                panic!("{:?}", plan.next)
            };
            let is_written = (random >> 33) % 4 != 0;
            if is_written {
                seen = plan.wanted;
                now = next
                    .checked_add(SignedDuration::from_secs(i64::try_from((random >> 40) % 120).unwrap()))
                    .unwrap();
            }
        }
        let made: Vec<Timestamp> = backups.iter().filter_map(|made| made.tick).collect();
        assert_eq!(made, wanted, "{expression} in {zone_name}");
    }
}
