use super::*;

const HOUR: i64 = 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn location(name: &str, created: i64, default: bool) -> BackupStorageLocation {
    let mut location = BackupStorageLocation::new("velero", name);
    location.metadata.creation_timestamp = Some(time(at(created)));
    location.spec.default = default;
    location
}

#[test]
fn a_location_is_validated_at_first_when_changed_and_when_its_period_is_over() {
    type Row = (&'static str, Option<i64>, Option<i64>, bool, Due);
    let minute = Duration::from_mins(1);
    let rows: [Row; 7] = [
        ("never validated", None, None, true, Due::Now),
        (
            "the server's period is not over",
            Some(HOUR - 10),
            None,
            true,
            Due::At(at(HOUR + 50)),
        ),
        ("the server's period is over", Some(HOUR - 60), None, true, Due::Now),
        (
            "a period of its own",
            Some(HOUR - 60),
            Some(120),
            true,
            Due::At(at(HOUR + 60)),
        ),
        ("zero: only once", Some(1), Some(0), true, Due::WhenChanged),
        ("negative: the server's", Some(HOUR - 60), Some(-5), true, Due::Now),
        ("a changed spec", Some(HOUR - 1), Some(0), false, Due::Now),
    ];
    for (case, last, own, same_spec, expected) in rows {
        let mut seen = location("default", 0, true);
        seen.status.last_validation_time = last.map(|s| time(at(s)));
        seen.spec.validation_frequency = own.map(GoDuration::from_secs);
        assert_eq!(due(&seen, minute, at(HOUR), same_spec), expected, "{case}");
    }
}

#[test]
fn one_bad_answer_is_confirmed_and_what_the_user_has_to_correct_is_not() {
    let subject = |version: &str| Subject {
        spec: Value::Null,
        secrets: vec![("key".to_owned(), Some(version.to_owned()))],
    };
    let known = |version: &str, in_doubt| Known {
        validated: Some(subject(version)),
        in_doubt: bool::then_some(in_doubt, Timestamp::UNIX_EPOCH),
    };
    let answer = |is_answer| Unusable {
        reason: "no".to_owned(),
        is_answer,
    };
    for (case, phase, known, unusable, expected) in [
        ("it worked", "Available", known("1", false), answer(true), true),
        (
            "by an earlier process",
            "Available",
            Known::default(),
            answer(true),
            true,
        ),
        (
            "the second bad answer",
            "Available",
            known("1", true),
            answer(true),
            false,
        ),
        (
            "its key was changed",
            "Available",
            known("0", false),
            answer(true),
            false,
        ),
        (
            "its Secret is gone",
            "Available",
            known("1", false),
            answer(false),
            false,
        ),
        ("it did not work", "Unavailable", known("1", false), answer(true), false),
    ] {
        let mut seen = location("default", 0, true);
        seen.status.phase = Some(phase.into());
        assert_eq!(
            is_to_confirm(&seen, &known, &subject("1"), &unusable),
            expected,
            "{case}"
        );
    }
    let never = location("default", 0, true);
    assert!(!is_to_confirm(&never, &Known::default(), &subject("1"), &answer(true)));
}

#[test]
fn an_unavailable_location_says_why_and_recovers_without_a_trace() {
    let seen = location("default", 0, true);
    let bad = validated(&seen, Err("no such bucket".to_owned()), at(10));
    assert_eq!(bad.status.phase, Some(LocationPhase::Unavailable));
    assert_eq!(
        bad.status.message,
        "BackupStorageLocation \"default\" is unavailable: no such bucket"
    );
    let good = validated(
        &bad,
        Ok(Validated {
            store_id: Some("id-1".to_owned()),
        }),
        at(20),
    );
    assert!(good.is_available());
    assert_eq!(good.status.message, "");
    assert_eq!(good.metadata.annotations.unwrap()[STORE_ID], "id-1");
}
