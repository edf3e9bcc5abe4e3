//! The order of items with any latencies, and the concurrency.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::scene::{Scene, SentRequest, claim, config, object, pod, secret};
use crate::cluster::discovery::GroupResource;
use crate::restore::actions::{ActionError, AppliesTo, Input, Output, RestoreItemAction};
use crate::restore::item_id::ItemId;
use crate::restore::object::metadata;
use crate::restore::testing::reaches;
use crate::testing::fake_api::Fault;

#[tokio::test(start_paused = true)]
async fn items_of_a_wave_are_concurrent_up_to_the_limit() {
    let objects: Vec<_> = (0..400)
        .map(|number| config("default", &format!("c{number}")))
        .collect();
    let mut scene = Scene::of(&objects).delayed(|_, _| Duration::from_millis(20));
    scene.run().await;
    let most = scene.most_at_once.load(Ordering::SeqCst);
    assert!((32..=64).contains(&most), "{most}");
    scene.api = crate::testing::fake_api::FakeApi::new();
    scene.most_at_once.store(0, Ordering::SeqCst);
    scene.options.max_requests = 3;
    scene.run().await;
    assert_eq!(scene.most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_created_once_for_all_its_items() {
    let objects: Vec<_> = (0..50).map(|number| config("shop", &format!("c{number}"))).collect();
    let scene = Scene::of(&objects).delayed(|_, _| Duration::from_millis(20));
    scene.run().await;
    let posts = scene
        .writes()
        .into_iter()
        .filter(|what| what == "POST /api/v1/namespaces")
        .count();
    assert_eq!(posts, 1);
}

#[tokio::test(start_paused = true)]
async fn mounted_objects_come_before_the_pod_with_any_priorities() {
    let mut scene = Scene::of(&[pod("default", "web", &["data"]), claim("default", "data", "")]);
    scene.options.priorities = "pods,persistentvolumeclaims".parse().unwrap();
    scene.run().await;
    assert_eq!(
        scene.created(),
        ["persistentvolumeclaims/default/data", "pods/default/web"]
    );
}

#[tokio::test(start_paused = true)]
async fn services_with_fixed_ports_are_created_before_the_others() {
    let service = |name: &str, applied: bool| {
        let mut service = object("v1", "Service", "default", name);
        service["spec"] = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30001}]});
        if applied {
            let record = r#"{"spec":{"ports":[{"nodePort":30001}]}}"#;
            service["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": record});
        }
        ("services", service)
    };
    let scene = Scene::of(&[service("a", false), service("b", false), service("z", true)])
        .delayed(|_, _| Duration::from_millis(5));
    scene.run().await;
    assert_eq!(scene.created()[0], "services/default/z");
}

/// An action as in a plugin: asks for other items, by name.
struct Asks {
    needs: HashMap<String, Vec<ItemId>>,
}

impl RestoreItemAction for Asks {
    fn name(&self) -> &'static str {
        "example.com/asks"
    }

    fn applies_to(&self) -> AppliesTo {
        AppliesTo::default()
    }

    fn execute<'a>(&'a self, item: &'a mut Value, _: Input<'a>) -> BoxFuture<'a, Result<Output, ActionError>> {
        let name = metadata::field(item, "name").unwrap_or_default();
        ready(Ok(Output::after(self.needs.get(name).cloned().unwrap_or_default()))).boxed()
    }
}

const TYPES: [(&str, &str, &str); 4] = [
    ("secrets", "v1", "Secret"),
    ("configmaps", "v1", "ConfigMap"),
    ("pods", "v1", "Pod"),
    ("deployments.apps", "apps/v1", "Deployment"),
];

fn name_of(number: u8) -> String {
    format!("i{number:02}")
}

fn id_of(number: u8) -> ItemId {
    let resource: GroupResource = TYPES[usize::from(number) % TYPES.len()].0.parse().unwrap();
    ItemId::namespaced(
        resource,
        if number.is_multiple_of(2) { "even" } else { "odd" },
        name_of(number),
    )
}

fn item_of(number: u8) -> (&'static str, Value) {
    let (resource, version, kind) = TYPES[usize::from(number) % TYPES.len()];
    (
        resource,
        object(
            version,
            kind,
            if number.is_multiple_of(2) { "even" } else { "odd" },
            &name_of(number),
        ),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn with_any_additional_items_the_order_holds_and_the_run_ends(
        count in 1_u8..24,
        edges in prop::collection::vec((0_u8..24, 0_u8..24), 0..40),
        delays in prop::collection::vec(0_u64..80, 24),
        faults in prop::collection::vec((0_u8..24, prop_oneof![Just(503_u16), Just(504), Just(429)], any::<bool>()), 0..6),
    ) {
        let items: Vec<_> = (0..count).map(item_of).collect();
        let mut needs: HashMap<u8, Vec<u8>> = HashMap::new();
        for (from, to) in edges.into_iter().filter(|(from, to)| *from < count && *to < count) {
            needs.entry(from).or_default().push(to);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (sent_requests, report) = runtime.block_on(async {
            let mut scene = Scene::of(&items).delayed(move |_, path| {
                let hash = path.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
                Duration::from_millis(delays[hash % delays.len()])
            });
            let asks = needs.iter().map(|(from, to)| (name_of(*from), to.iter().map(|to| id_of(*to)).collect())).collect();
            scene.actions = vec![Arc::new(Asks { needs: asks })];
            for (number, code, applied) in faults {
                let name = name_of(number);
                let hits = move |seen: &crate::testing::fake_api::Seen| {
                    seen.method == "POST" && serde_json::from_slice::<Value>(&seen.body).is_ok_and(|body| body["metadata"]["name"] == *name)
                };
                let mut fault = Fault::new(1, code, "Injected", hits);
                fault.applied = applied && code == 504;
                scene.api.fault(fault);
            }
            let report = tokio::time::timeout(Duration::from_mins(9), scene.run()).await.expect("it ends, and without a timeout");
            for number in 0..count {
                let (_, version, kind) = TYPES[usize::from(number) % TYPES.len()];
                let namespace = if number % 2 == 0 { "even" } else { "odd" };
                assert!(scene.api.get(version, kind, Some(namespace), &name_of(number)).is_some(), "{number} is there");
            }
            let sent_requests: Vec<SentRequest> = scene.sent_requests.lock().unwrap().clone();
            (sent_requests, report)
        });
        prop_assert_eq!(report.messages.errors, 0, "{:?}", report.results);
        prop_assert_eq!(report.objects.failed, 0);
        // created once each, by the answers that arrived
        let of = |number: u8| sent_requests.iter().filter(move |sent| sent.what.starts_with("POST") && sent.name == name_of(number));
        let first_try = |number: u8| of(number).map(|sent| sent.begin).min().unwrap();
        let there = |number: u8| {
            of(number).filter(|sent| [201, 504, 409].contains(&sent.code)).map(|sent| sent.end).min().unwrap()
        };
        for number in 0..count {
            prop_assert!(of(number).filter(|sent| sent.code == 201).count() <= 1, "once");
        }
        // invariant 12: additional items are created before their requester, except in a cycle
        for (from, to) in needs.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to))) {
            if !reaches(&needs, to, from) {
                prop_assert!(there(to) <= first_try(from) || of(to).any(|sent| sent.code != 201), "{} before {}", to, from);
            }
        }
        // waves: an item that no other asks for begins after all items of earlier types without errors
        let asked_for: HashSet<u8> = needs.values().flatten().copied().collect();
        for late in (0..count).filter(|number| !asked_for.contains(number)) {
            for early in (0..count).filter(|early| rank(*early) < rank(late)) {
                if of(early).all(|sent| sent.code == 201) && !waits_for_a_fault(&needs, early, &sent_requests) {
                    prop_assert!(there(early) < first_try(late), "{} in an earlier wave than {}", early, late);
                }
            }
        }
    }
}

fn rank(number: u8) -> usize {
    usize::from(number) % TYPES.len()
}

/// Whether an item, or any of its additional items, had an error.
fn waits_for_a_fault(needs: &HashMap<u8, Vec<u8>>, item: u8, sent_requests: &[SentRequest]) -> bool {
    let has_fault = |number: u8| {
        sent_requests
            .iter()
            .any(|sent| sent.what.starts_with("POST") && sent.name == name_of(number) && sent.code != 201)
    };
    has_fault(item) || (0..24).any(|other| reaches(needs, item, other) && has_fault(other))
}

#[tokio::test(start_paused = true)]
async fn items_that_need_one_another_are_both_restored() {
    let mut scene =
        Scene::of(&[config("default", "a"), secret("default", "b")]).delayed(|_, _| Duration::from_millis(10));
    let a = ItemId::namespaced("configmaps".parse().unwrap(), "default", "a");
    let b = ItemId::namespaced("secrets".parse().unwrap(), "default", "b");
    scene.actions = vec![Arc::new(Asks {
        needs: [("a".to_owned(), vec![b]), ("b".to_owned(), vec![a])].into(),
    })];
    let report = scene.run().await;
    assert_eq!(report.objects.created, 2);
}
