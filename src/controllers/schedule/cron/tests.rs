//! The table of robfig/cron, and the program that wrote it.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;

use flate2::read::GzDecoder;
use jiff::Timestamp;

use super::{Expression, zone};

fn table() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/cron/table.tsv.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// A row with next times: the zone, the expression, and instants with the times after them.
pub(in crate::controllers::schedule) struct Row {
    pub(in crate::controllers::schedule) zone: String,
    pub(in crate::controllers::schedule) expression: String,
    pub(in crate::controllers::schedule) cases: Vec<(Timestamp, Vec<Timestamp>)>,
}

/// The expression as Go quotes it.
fn unquoted(text: &str) -> String {
    serde_json::from_str(text).unwrap()
}

fn split(line: &str) -> (&str, String, &str) {
    let mut parts = line.splitn(3, '\t');
    let (zone, expression, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    (zone, unquoted(expression), rest)
}

/// Every row with next times, without the instants whose search never ends in robfig/cron.
pub(in crate::controllers::schedule) fn rows() -> Vec<Row> {
    let parse = |(zone, expression, rest): (&str, String, &str)| Row {
        zone: zone.to_owned(),
        expression,
        cases: rest.split(' ').filter_map(case).collect(),
    };
    let table = table();
    let valid = table.lines().map(split).filter(|(_, _, rest)| !rest.starts_with('!'));
    valid.map(parse).collect()
}

fn case(text: &str) -> Option<(Timestamp, Vec<Timestamp>)> {
    let (instant, next) = text.rsplit_once(':')?;
    let second = |text: &str| Timestamp::from_second(text.parse().unwrap()).unwrap();
    (next != "?").then(|| {
        let next = next.split(',').filter(|next| !next.is_empty()).map(second);
        (instant.parse().unwrap(), next.collect())
    })
}

/// A sample, of every zone; the whole table takes minutes without optimization.
#[test]
fn a_sample_of_next_times_is_that_of_robfig_cron() {
    assert!(compare(13) > 500);
}

#[test]
#[ignore = "takes minutes: `make test-long`"]
fn every_next_time_is_that_of_robfig_cron() {
    assert!(compare(1) > 9_000);
}

/// Compares every nth row, and returns the number of cases.
fn compare(nth: usize) -> usize {
    let mut count = 0;
    for Row {
        zone,
        expression,
        cases,
    } in rows().into_iter().step_by(nth)
    {
        let parsed = Expression::parse(&expression).unwrap();
        let local = zone::named(&zone).unwrap();
        for (instant, wanted) in cases {
            let mut found = Vec::new();
            let mut at = instant;
            while let Some(next) = parsed.next(at, &local).filter(|_| found.len() < 4) {
                found.push(next);
                at = next;
            }
            assert_eq!(found, wanted, "{expression:?} after {instant} in {zone}");
            count += 1;
        }
    }
    count
}

#[test]
fn every_message_is_that_of_robfig_cron() {
    let table = table();
    let mut count = 0;
    for (_, expression, rest) in table.lines().map(split) {
        let Some(wanted) = rest.strip_prefix('!') else { continue };
        let found = Expression::parse(&expression).unwrap_err();
        count += 1;
        if wanted.starts_with("panic: ") {
            // Without a space after the zone.
            assert_eq!(
                found,
                "provided bad location Asia/Tokyo: there is no expression after it"
            );
        } else {
            assert_eq!(found, wanted, "{expression:?}");
        }
    }
    assert!(count > 100, "only {count} messages");
}

#[test]
fn a_search_ends_where_that_of_robfig_cron_does_not() {
    for (zone, expression, instant, wanted) in [
        // This day does not exist there.
        (
            "Pacific/Apia",
            "0 0 30 12 *",
            "2011-12-29T20:00:00Z",
            Some("2012-12-29T10:00:00Z"),
        ),
        ("UTC", ", * * * *", "2026-01-01T00:00:00Z", None),
        ("UTC", "0 0 30 2 *", "2026-01-01T00:00:00Z", None),
    ] {
        let parsed = Expression::parse(expression).unwrap();
        let next = parsed.next(instant.parse().unwrap(), &zone::named(zone).unwrap());
        assert_eq!(next.map(|next| next.to_string()).as_deref(), wanted, "{expression}");
    }
}

#[test]
fn zones_are_in_the_program_and_not_on_the_machine() {
    let zoned = Expression::parse("CRON_TZ=Asia/Kolkata 0 6 * * *").unwrap();
    let next = zoned.next("2026-06-01T00:00:00Z".parse().unwrap(), &zone::named("UTC").unwrap());
    assert_eq!(next.unwrap().to_string(), "2026-06-01T00:30:00Z");
}

/// Builds and runs `tests/tools/cron`: robfig/cron with the zones of this machine, or of Go where it has none.
#[test]
#[ignore = "builds a Go program: `make test-long`"]
fn the_table_is_what_robfig_cron_says() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools/cron");
    let program = tempfile::tempdir().unwrap().keep().join("cron");
    let built = Command::new("go")
        .arg("build")
        .arg("-o")
        .arg(&program)
        .arg(".")
        .current_dir(directory)
        .status();
    assert!(built.unwrap().success());
    let output = Command::new(&program).output().unwrap();
    assert!(output.status.success());
    std::fs::remove_dir_all(program.parent().unwrap()).unwrap();
    assert!(String::from_utf8(output.stdout).unwrap() == table(), "another table");
}
