use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::fixture::{LeaseServer, SECOND};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::metrics::registry::Registry;

struct Candidate {
    elector: Elector,
    gate: WriteGate,
    health: Health,
    registry: Registry,
}

fn candidate(server: &LeaseServer, process: &str) -> Candidate {
    let (registry, health, gate) = (Registry::new(), Health::new(), WriteGate::open());
    let leading = Metrics::new(&registry).unwrap().leader("lease");
    let config = LeaseConfig::new(server.client(process), "ns", "lease", process);
    let elector = Elector::new(config, gate.clone(), health.component("leader"), leading);
    Candidate {
        elector,
        gate,
        health,
        registry,
    }
}

async fn never(doing: impl Future<Output: std::fmt::Debug>, within: Duration) {
    if let Ok(done) = timeout(within, doing).await {
        panic!("came to an end with {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_to_come_creates_the_lease() {
    let server = LeaseServer::default();
    let mut me = candidate(&server, "me");
    assert_eq!(me.gate.check(), Err(NotLeading));
    assert!(!me.health.is_ready());
    me.elector.campaign().await;
    assert_eq!(me.gate.check(), Ok(()));
    assert_eq!(me.health.to_string(), "[+]leader ok: leading\n");
    assert!(
        me.registry
            .text()
            .unwrap()
            .contains("leader_election_master_status{name=\"lease\"} 1")
    );
    let spec = server.spec();
    assert_eq!(spec["holderIdentity"], "me");
    assert_eq!(spec["leaseDurationSeconds"], 10);
    assert_eq!(spec["leaseTransitions"], 0);
    assert_eq!(spec["acquireTime"], spec["renewTime"]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_renews_stays_and_the_other_stands_by() {
    let server = LeaseServer::default();
    let (mut a, mut b) = (candidate(&server, "a"), candidate(&server, "b"));
    a.elector.campaign().await;
    tokio::join!(
        never(a.elector.hold(), Duration::from_mins(5)),
        never(b.elector.campaign(), Duration::from_mins(5)),
    );
    assert_eq!(b.health.to_string(), "[+]leader ok: standing by; `a` leads\n");
    assert_eq!(server.spec()["leaseTransitions"], 0);
    assert_eq!((a.gate.check(), b.gate.check()), (Ok(()), Err(NotLeading)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let server = LeaseServer::default();
    let (mut a, mut b) = (candidate(&server, "a"), candidate(&server, "b"));
    a.elector.campaign().await;
    let start = Instant::now();
    server.cut_off("a");
    let (a_lost, b_leads) = tokio::join!(
        async {
            let reason = a.elector.hold().await;
            assert_eq!(reason, "it was not renewed for 7s");
            assert_eq!(a.gate.check(), Err(NotLeading));
            start.elapsed()
        },
        async {
            b.elector.campaign().await;
            start.elapsed()
        },
    );
    assert_eq!(a_lost, 7 * SECOND);
    assert!((10 * SECOND..=12 * SECOND).contains(&b_leads), "{b_leads:?}");
    assert_eq!(server.spec()["leaseTransitions"], 1);
    // The first process resumes and finds that it is a standby now.
    server.mend();
    a.elector.stand_down();
    tokio::join!(
        never(a.elector.campaign(), Duration::from_mins(1)),
        never(b.elector.hold(), Duration::from_mins(1)),
    );
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_short_silence_of_the_api_server_costs_nothing() {
    let server = LeaseServer::default();
    let mut a = candidate(&server, "a");
    a.elector.campaign().await;
    let silences = async {
        for _ in 0..10 {
            server.cut_off("a");
            sleep(4 * SECOND).await;
            server.mend();
            sleep(7 * SECOND).await;
        }
    };
    tokio::select! {
        reason = a.elector.hold() => panic!("{reason}"),
        () = silences => {}
    }
    assert_eq!(a.gate.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_took_is_lost_at_once() {
    let server = LeaseServer::default();
    let mut a = candidate(&server, "a");
    a.elector.campaign().await;
    server.put(&json!({"holderIdentity": "b", "leaseDurationSeconds": 10, "leaseTransitions": 1}));
    assert_eq!(a.elector.hold().await, "`b` has it");
    assert_eq!(a.gate.check(), Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_the_lease_from_outside_is_no_loss() {
    let server = LeaseServer::default();
    let mut a = candidate(&server, "a");
    a.elector.campaign().await;
    server.put(&server.spec());
    never(a.elector.hold(), Duration::from_mins(1)).await;
    assert_eq!(server.spec()["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_container_takes_its_own_lease_back_at_once() {
    let server = LeaseServer::default();
    candidate(&server, "pod/server").elector.campaign().await;
    let mut again = candidate(&server, "pod/server");
    let start = Instant::now();
    again.elector.campaign().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(server.spec()["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_without_waiting_for_its_end() {
    let server = LeaseServer::default();
    let (mut a, mut b) = (candidate(&server, "a"), candidate(&server, "b"));
    a.elector.campaign().await;
    never(b.elector.campaign(), 3 * SECOND).await;
    a.elector.release().await;
    assert_eq!(server.holder(), "");
    assert_eq!(a.gate.check(), Err(NotLeading));
    let start = Instant::now();
    b.elector.campaign().await;
    assert!(start.elapsed() <= 2 * SECOND);
    assert_eq!(server.holder(), "b");
    assert_eq!(server.spec()["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_standby_does_not_release_the_lease_of_another() {
    let server = LeaseServer::default();
    let (mut a, mut b) = (candidate(&server, "a"), candidate(&server, "b"));
    a.elector.campaign().await;
    never(b.elector.campaign(), 3 * SECOND).await;
    b.elector.release().await;
    assert_eq!(server.holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn one_of_two_simultaneous_processes_leads() {
    let server = LeaseServer::default();
    let (mut a, mut b) = (candidate(&server, "a"), candidate(&server, "b"));
    let leads = async {
        tokio::select! {
            () = a.elector.campaign() => "a",
            () = b.elector.campaign() => "b",
        }
    };
    let winner = leads.await;
    assert_eq!(server.holder(), winner);
    let loser = if winner == "a" { &mut b } else { &mut a };
    never(loser.elector.campaign(), 9 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_created_again_by_its_holder() {
    let server = LeaseServer::default();
    let mut a = candidate(&server, "a");
    a.elector.campaign().await;
    server.delete();
    never(a.elector.hold(), Duration::from_mins(1)).await;
    assert_eq!(server.holder(), "a");
}
