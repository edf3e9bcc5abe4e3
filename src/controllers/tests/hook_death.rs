//! A backup with hooks whose server dies: at every write, at every command and whenever it writes down what is frozen. The
//! next one comes to the same end, save for the number of hooks that ran, and nothing stays frozen (decision 32).

use serde_json::{Value, json};

use super::backup_death::{Outcome, fill, outcome};
use crate::controllers::testing::world::{End, Process, World};
use crate::runtime::testing::death::Dies;

const PRE: &str = "pre.hook.backup.velero.io/command";
const POST: &str = "post.hook.backup.velero.io/command";

/// What is said where a dead server may have frozen a pod, and had not.
const NOTHING_TO_THAW: &str = "Post hook of an interrupted run failed";

/// A running pod with the claim `data`, which ties it to the others, or without.
fn pod(name: &str, annotations: &Value, claims: &[&str]) -> Value {
    let volumes: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, "annotations": annotations},
        "spec": {"containers": [{"name": "main"}, {"name": "side"}], "volumes": volumes},
        "status": {"phase": "Running"},
    })
}

/// Pods of every sort of hooks, whose backup was asked for.
pub(super) fn shop() -> World {
    let world = World::new();
    fill(&world, "shop");
    let freezing = json!({PRE: "freeze", POST: "thaw"});
    for object in [
        // These are frozen together.
        pod("db-0", &freezing, &["data"]),
        pod("db-1", &freezing, &["data"]),
        // What fails and may fail, on both sides.
        pod(
            "cache",
            &json!({PRE: "fail before", "pre.hook.backup.velero.io/on-error": "Continue", POST: "fail after",
                    "post.hook.backup.velero.io/container": "side"}),
            &[],
        ),
        // It cannot be frozen, so it is not saved.
        pod("stubborn", &json!({PRE: "fail", POST: "thaw"}), &[]),
        // Hooks of the spec; and its second one fails when it is frozen already.
        pod("queue", &json!({}), &[]),
        pod("search", &json!({}), &[]),
    ] {
        world.api.insert(object);
    }
    // Its container does not run, so there is nothing to freeze.
    let mut crashing = pod("crash", &freezing, &["data"]);
    crashing["status"]["containerStatuses"] =
        json!([{"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    world.api.insert(crashing);
    world.pods.stop("shop/crash main", "CrashLoopBackOff");
    for command in ["fail", "fail before", "fail after", "fail when frozen"] {
        world.pods.rule(command, 3);
    }
    let exec = |command: &[&str]| json!({"exec": {"command": command, "onError": "Fail"}});
    let hooks = json!({"resources": [
        {"name": "both", "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["queue", "search"]}]},
         "pre": [exec(&["freeze"]), {"exec": {"command": ["fail"], "onError": "Continue", "container": "side"}}],
         "post": [exec(&["thaw"]), exec(&["tell"])]},
        {"name": "one", "labelSelector": {"matchLabels": {"app": "queue"}}, "pre": [exec(&["fail", "when", "frozen"])]},
    ]});
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"], "hooks": hooks}));
    world
}

/// A backup whose server does not die.
struct Undisturbed {
    effects: usize,
    outcome: Outcome,
    /// The effects that were commands in a pod, and what was written down before and after them.
    around_commands_in_search: Vec<usize>,
}

async fn undisturbed() -> Undisturbed {
    let world = shop();
    let effects = world.serve_and_count().await;
    assert_eq!((world.pods.frozen(), world.freezes()), (vec![], vec![]));
    let commanded = world.commanded.lock().unwrap().clone();
    let in_search = || commanded.iter().filter(|(pod, _)| pod == "search").map(|(_, nth)| *nth);
    let (first, last) = (in_search().min().unwrap(), in_search().max().unwrap());
    assert_eq!(in_search().count(), 4, "{commanded:?}");
    Undisturbed {
        effects,
        outcome: outcome(&world),
        around_commands_in_search: (first - 1..=last + 1).collect(),
    }
}

async fn comes_to_the_same_end(dies: Dies, expected: &Outcome) {
    let world = shop();
    assert_eq!(world.serve(dies).await, End::Died, "{dies:?}");
    let before = world.pods.events().len();
    assert_eq!(world.serve(Dies::Never).await, End::Settled);
    let events = world.pods.events();
    let what = format!(
        "died {dies:?} after {:?}, and then {:?}",
        &events[..before],
        &events[before..]
    );
    assert_eq!(outcome(&world).without_warnings(NOTHING_TO_THAW), *expected, "{what}");
    assert_eq!(world.pods.frozen(), [""; 0], "{what}");
    assert_eq!(world.freezes(), [], "{what}");
}

#[tokio::test]
async fn hooks_that_fail_leave_the_rest_of_a_backup_as_it_is() {
    let Undisturbed { outcome, .. } = undisturbed().await;
    assert_eq!(outcome.phase(), "PartiallyFailed", "{outcome:#?}");
    let pods: Vec<&str> = outcome
        .members()
        .iter()
        .filter_map(|path| path.strip_prefix("resources/pods/namespaces/shop/"))
        .collect();
    assert_eq!(
        pods,
        [
            "cache.json",
            "crash.json",
            "db-0.json",
            "db-1.json",
            "search.json",
            "web.json"
        ]
    );
}

/// A sample: each fifth effect, and all that have to do with one of the pods.
#[tokio::test]
async fn when_the_server_of_a_backup_with_hooks_dies_the_next_one_thaws_and_comes_to_the_same_end() {
    let expected = undisturbed().await;
    let fifth = (1..=expected.effects).step_by(5).map(Dies::Within);
    let around = expected.around_commands_in_search.iter();
    let around = around.flat_map(|nth| [Dies::Before(*nth), Dies::Within(*nth), Dies::After(*nth)]);
    for dies in fifth.chain(around) {
        comes_to_the_same_end(dies, &expected.outcome).await;
    }
}

#[tokio::test]
#[ignore = "half a minute long: `make test-long` runs it"]
async fn wherever_the_server_of_a_backup_with_hooks_dies_the_next_one_thaws_and_comes_to_the_same_end() {
    let expected = undisturbed().await;
    for nth in 1..=expected.effects {
        for dies in [Dies::Before(nth), Dies::Within(nth), Dies::After(nth)] {
            comes_to_the_same_end(dies, &expected.outcome).await;
        }
    }
}

#[tokio::test]
async fn a_server_works_on_as_many_blocks_at_once_as_it_is_told() {
    let world = World::new();
    fill(&world, "shop");
    for name in ["a", "b", "c"] {
        world.api.insert(pod(name, &json!({PRE: "freeze", POST: "thaw"}), &[]));
    }
    world.ask("Backup", "b", json!({"includedNamespaces": ["shop"]}));
    let held = world.pods.hold("freeze");
    let process = Process::start_with(&world, Dies::Never, |settings| settings.item_block_workers = 2).await;
    let began = || world.pods.events().len();
    let watch = async {
        while began() < 2 {
            tokio::task::yield_now().await;
        }
        held.release();
        began()
    };
    let (began, ()) = tokio::join!(watch, process.settle(&world));
    assert_eq!(began, 2, "{:?}", world.pods.events());
    process.kill().await;
    assert_eq!(world.phase("Backup", "b"), "Completed");
    assert_eq!(world.pods.events().len(), 6);
}
