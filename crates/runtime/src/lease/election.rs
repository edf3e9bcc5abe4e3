//! Decides which process leads, from the observed lease and the time of the observation; pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// The fields of a Lease that the election uses, as client-go reads and writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Empty if the lease was released.
    pub(super) holder: String,
    pub(super) duration: Duration,
    pub(super) transitions: i32,
    pub(super) acquired: Option<Timestamp>,
    pub(super) renewed: Option<Timestamp>,
}

/// The observed lease, and when it was first observed in this state. Wall clocks of different processes are not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) record: Record,
    pub(super) since: Instant,
}

/// What to do about the lease now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is no lease yet.
    Create,
    /// It was released, or its holder did not renew it for its whole duration.
    Take,
    /// This process holds it, or the container held it before a restart.
    Renew,
    /// Another process has it, for this long at least.
    Wait(Duration),
}

/// Records an observation of the lease. A record that did not change keeps its first time.
pub(super) fn observe(before: Option<Observed>, record: Record, now: Instant) -> Observed {
    match before {
        Some(before) if before.record == record => before,
        _ => Observed { record, since: now },
    }
}

pub(super) fn decide(observed: Option<&Observed>, me: &str, now: Instant) -> Decision {
    let Some(Observed { record, since }) = observed else {
        return Decision::Create;
    };
    if record.holder == me {
        return Decision::Renew;
    }
    let expires = *since + record.duration;
    if record.holder.is_empty() || expires <= now {
        Decision::Take
    } else {
        Decision::Wait(expires - now)
    }
}

impl Record {
    /// The lease as held by this process. Taking it from another counts a transition; renewing it keeps the time it was taken.
    pub(super) fn held(before: Option<&Self>, me: &str, duration: Duration, now: Timestamp) -> Self {
        let ours = before.filter(|before| before.holder == me);
        Self {
            holder: me.into(),
            duration,
            transitions: match (ours, before) {
                (Some(ours), _) => ours.transitions,
                (None, Some(before)) => before.transitions.saturating_add(1),
                (None, None) => 0,
            },
            acquired: ours.and_then(|ours| ours.acquired).or(Some(now)),
            renewed: Some(now),
        }
    }

    /// The released lease, as client-go writes it: empty holder and a duration of one second, so that clients that ignore the holder take it
    /// soon.
    pub(super) fn released(&self, now: Timestamp) -> Self {
        Self {
            holder: String::new(),
            duration: Duration::from_secs(1),
            transitions: self.transitions,
            acquired: Some(now),
            renewed: Some(now),
        }
    }

    /// Reads a Lease; one without a duration gets the configured one.
    pub(super) fn of(lease: &Lease, duration: Duration) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: seconds
                .filter(|seconds| *seconds > 0)
                .map_or(duration, Duration::from_secs),
            transitions: spec.lease_transitions.unwrap_or_default(),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
        }
    }

    /// Writes it into a Lease. Other fields stay.
    pub(super) fn write_to(&self, lease: &mut Lease) {
        let spec = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)),
            lease_transitions: Some(self.transitions),
            acquire_time: self.acquired.map(MicroTime),
            renew_time: self.renewed.map(MicroTime),
            ..spec
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held_by(holder: &str) -> Record {
        Record {
            holder: holder.into(),
            duration: TEN,
            transitions: 3,
            acquired: Some(at(100)),
            renewed: Some(at(200)),
        }
    }

    #[test]
    fn when_the_lease_may_be_taken() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        for (case, holder, age, expected) in [
            ("no lease yet", None, 0, Decision::Create),
            ("given back", Some(""), 0, Decision::Take),
            ("ours", Some("me"), 0, Decision::Renew),
            (
                "ours, though not renewed for long: a restarted container",
                Some("me"),
                500,
                Decision::Renew,
            ),
            ("held by another", Some("you"), 0, Decision::Wait(TEN)),
            (
                "held by another, silent for a while",
                Some("you"),
                9,
                Decision::Wait(seconds(1)),
            ),
            (
                "held by another, silent for its duration",
                Some("you"),
                10,
                Decision::Take,
            ),
        ] {
            let observed = holder.map(|holder| Observed {
                record: held_by(holder),
                since: start,
            });
            assert_eq!(
                decide(observed.as_ref(), "me", start + seconds(age)),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn the_age_of_a_holder_is_measured_by_the_own_clock() {
        let start = Instant::now();
        let first = observe(None, held_by("you"), start);
        let same = observe(Some(first.clone()), held_by("you"), start + TEN);
        assert_eq!(same.since, start);
        let renewed = Record {
            renewed: Some(at(201)),
            ..held_by("you")
        };
        assert_eq!(observe(Some(same), renewed, start + TEN).since, start + TEN);
    }

    #[test]
    fn taking_counts_a_transition_and_renewing_does_not() {
        for (case, before, transitions, acquired) in [
            ("created", None, 0, 300),
            ("taken from another", Some(held_by("you")), 4, 300),
            ("taken after it was given back", Some(held_by("")), 4, 300),
            ("renewed", Some(held_by("me")), 3, 100),
        ] {
            let held = Record::held(before.as_ref(), "me", TEN, at(300));
            assert_eq!(
                (held.transitions, held.acquired),
                (transitions, Some(at(acquired))),
                "{case}"
            );
            assert_eq!((held.holder.as_str(), held.renewed), ("me", Some(at(300))), "{case}");
        }
    }

    #[test]
    fn a_record_survives_a_round_trip_and_keeps_the_rest() {
        let mut lease = Lease {
            spec: Some(LeaseSpec {
                strategy: Some("OldestEmulationVersion".into()),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        lease.metadata.resource_version = Some("7".into());
        held_by("me").write_to(&mut lease);
        let read: Lease = serde_json::from_value(serde_json::to_value(&lease).unwrap()).unwrap();
        assert_eq!(Record::of(&read, Duration::ZERO), held_by("me"));
        assert_eq!(read.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(read.spec.unwrap().strategy.as_deref(), Some("OldestEmulationVersion"));
    }

    #[test]
    fn a_lease_without_a_duration_lasts_as_long_as_ours() {
        assert_eq!(Record::of(&Lease::default(), TEN).duration, TEN);
        assert_eq!(held_by("me").released(at(300)).duration, Duration::from_secs(1));
    }
}
