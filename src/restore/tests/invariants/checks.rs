//! The invariants of spec restore 25.2, one function each. A check returns what breaks its invariant.
//!
//! "Before" means: every request about the one was answered before the first about the other began. Exceptions by decision 19 are an
//! item with transient errors, which may come after its wave, and an item that another asks for, which may come before its wave.

use std::collections::BTreeMap;
use std::time::Duration;

use super::generated::{Before, FaultKind, Part};
use super::trace::{ACTIONS, Fact, SEEN_BY, Trace, is_look, key_of_sent};
use crate::api::artifact::ResourceList;
use crate::restore::object::metadata;
use crate::restore::priorities::CRDS;
use crate::restore::tests::scene::SentRequest;

/// The result of a check: the first violation, if there is one.
type CheckResult = Result<(), String>;

type Check = (&'static str, fn(&Trace) -> CheckResult);

const CHECKS: [Check; 20] = [
    ("it ends, with everything in its place", it_ends),
    ("1: CRDs come before everything else", crds_come_first),
    (
        "2: a namespace comes before what is in it, once, and not while it is being deleted",
        namespaces,
    ),
    ("3: storage classes come before claims", storage_before_claims),
    (
        "4: a volume comes before the claim that names it",
        volume_before_its_claim,
    ),
    (
        "5: claims, accounts and what pods are admitted by come before pods",
        before_pods,
    ),
    ("6: pods come before what makes pods", pods_before_controllers),
    (
        "7: endpoints come before services, services before the low list",
        endpoints_and_services,
    ),
    ("8: the middle comes after the high list", middle_after_high),
    ("9: the middle goes by types", middle_by_types),
    ("10: the low list comes last and in its order", low_is_last),
    ("11: the user's own order holds", the_users_order),
    (
        "12: what an item asks for comes before its next action and its creation",
        additional_items_first,
    ),
    ("13: an item is processed once, by one at a time", once_each),
    (
        "14: actions go in order, and each sees what the one before made",
        actions_in_order,
    ),
    (
        "17: a claim knows what became of its volume, and every item is in the list once",
        shared_state,
    ),
    (
        "19: services that keep a node port come before those that are given one",
        fixed_ports_first,
    ),
    (
        "20: of several sources of one target, the first by name wins",
        first_source_wins,
    ),
    (
        "21: the messages of a namespace are in the order of processing",
        messages_in_order,
    ),
    (
        "22 and 23: progress never falls, and a push-back is heeded",
        progress_and_pace,
    ),
];

/// The invariants that a trace breaks, with the reasons.
pub(super) fn broken(trace: &Trace) -> Option<String> {
    let broken: Vec<String> = CHECKS
        .iter()
        .filter_map(|(name, check)| check(trace).err().map(|why| format!("invariant {name}: {why}")))
        .collect();
    (!broken.is_empty()).then(|| broken.join("\n"))
}

fn wanted(trace: &Trace) -> impl Iterator<Item = (usize, &Fact)> {
    trace.facts.iter().enumerate().filter(|(_, fact)| fact.wanted)
}

fn unless(broken: bool, why: impl FnOnce() -> String) -> CheckResult {
    if broken { Err(why()) } else { Ok(()) }
}

/// Every item of the one sort before every item of the other.
fn before(trace: &Trace, early: impl Fn(&Fact) -> bool, late: impl Fn(&Fact) -> bool) -> CheckResult {
    for (_, first) in wanted(trace).filter(|(_, fact)| !fact.has_fault && early(fact)) {
        let Some(settled) = trace.settled(first) else { continue };
        for (_, second) in wanted(trace).filter(|(_, fact)| !fact.asked_for && late(fact)) {
            // a namespace is ensured by the first item that needs it
            if second.item.resource() == "namespaces" || second.key == first.key {
                continue;
            }
            let touched = trace.touched(second);
            unless(touched.is_some_and(|touched| touched < settled), || {
                format!(
                    "{} was begun at {touched:?}, {} was done at {settled}",
                    second.key, first.key
                )
            })?;
        }
    }
    Ok(())
}

fn is_one_of(resources: &'static [&'static str]) -> impl Fn(&Fact) -> bool {
    move |fact| resources.contains(&fact.item.resource())
}

fn in_part(part: Part) -> impl Fn(&Fact) -> bool {
    move |fact| fact.item.kind().part == part
}

/// The checks of the default order do not apply to a user's own order.
fn by_default(trace: &Trace, check: impl FnOnce() -> CheckResult) -> CheckResult {
    if trace.generated.priorities().is_some() {
        Ok(())
    } else {
        check()
    }
}

/// Whether the creation of an item has a final error.
fn is_refused(trace: &Trace, fact: &Fact) -> bool {
    trace.of_key(&fact.key).any(|sent| sent.code == 422)
}

fn is_provisioned(fact: &Fact) -> bool {
    fact.item.resource() == "persistentvolumes" && fact.item.flavour == 0
}

fn it_ends(trace: &Trace) -> CheckResult {
    let Some(report) = &trace.report else {
        return Err("it did not end in time".to_owned());
    };
    let mut refused = 0;
    for (_, fact) in wanted(trace) {
        let is_refused = is_refused(trace, fact);
        refused += u64::from(is_refused);
        if fact.item.resource() == "namespaces" {
            let name = fact.key.trim_start_matches("namespaces/");
            unless(trace.api.get("v1", "Namespace", None, name).is_none(), || {
                format!("there is no {}", fact.key)
            })?;
        } else {
            unless(
                trace.live(fact).is_some() == (is_refused || is_provisioned(fact)),
                || format!("{} is there: {}", fact.key, trace.live(fact).is_some()),
            )?;
        }
    }
    unless(report.messages.errors != refused, || {
        format!(
            "{refused} items were refused, but the errors are {:?}",
            report.results.errors
        )
    })
}

fn crds_come_first(trace: &Trace) -> CheckResult {
    before(trace, is_one_of(&[CRDS]), |fact| fact.item.resource() != CRDS)?;
    let accepted = wanted(trace).filter(|(_, fact)| fact.item.resource() == CRDS && !fact.has_fault);
    let Some(accepted) = accepted.filter_map(|(_, fact)| trace.settled(fact)).max() else {
        return Ok(());
    };
    let others = wanted(trace).filter(|(_, fact)| ![CRDS, "namespaces"].contains(&fact.item.resource()));
    let Some(touched) = others.filter_map(|(_, fact)| trace.touched(fact)).min() else {
        return Ok(());
    };
    let read = |sent: &SentRequest| sent.what == "GET /apis" && sent.begin > accepted && sent.end < touched;
    unless(!trace.sent_requests.iter().any(read), || {
        format!("discovery was not read between the last CRD at {accepted} and the first other item at {touched}")
    })
}

fn namespaces(trace: &Trace) -> CheckResult {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, fact) in wanted(trace) {
        if let (Some(target), Some(touched)) = (fact.target, trace.touched(fact)) {
            let at = first.entry(target).or_insert(touched);
            *at = touched.min(*at);
        }
    }
    for (target, touched) in first {
        let key = format!("namespaces/{target}");
        let leaving = trace.generated.leaving().filter(|(name, _)| *name == target);
        let made = trace.of_key(&key).filter(|sent| matches!(sent.code, 200 | 201));
        // a namespace that is found may be the old one that is being deleted; a created one is new, at any time of its request
        let is_new = |sent: &&SentRequest| {
            let carried_out = if sent.code == 201 { sent.end } else { sent.begin };
            Some(carried_out) > trace.gone
        };
        let made = made
            .filter(|sent| leaving.is_none() || is_new(sent))
            .map(|sent| sent.end)
            .min();
        unless(made.is_none_or(|made| made > touched), || {
            format!("{target} was made sure of at {made:?}, and used at {touched}")
        })?;
    }
    let created = |name: &str| {
        let key = format!("namespaces/{name}");
        trace.of_key(&key).filter(|sent| sent.code == 201).count()
    };
    for name in super::generated::NAMESPACES {
        let key = format!("namespaces/{name}");
        let overlap = overlap(trace.of_key(&key).map(|sent| (sent.begin, sent.end)));
        unless(overlap.is_some(), || {
            format!("{name} was made by two at once: {overlap:?}")
        })?;
        unless(created(name) > 1, || {
            format!("{name} was created {} times", created(name))
        })?;
    }
    // every namespace that did not exist is listed, also if the answer to its creation was lost
    let listed = listed(trace, "v1/Namespace");
    for namespace in trace.api.all("v1", "Namespace") {
        let name = metadata::field(&namespace, "name").unwrap_or_default();
        let ours =
            metadata::field(&namespace, "creationTimestamp").is_some_and(|time| time >= "2030") && name != "default";
        let entry = listed
            .iter()
            .filter(|entry| **entry == format!("{name}(created)"))
            .count();
        unless(entry != usize::from(ours), || {
            format!("{name} is listed {entry} times: {listed:?}")
        })?;
    }
    Ok(())
}

fn listed(trace: &Trace, kind: &str) -> Vec<String> {
    let resources: Option<&ResourceList> = trace.report.as_ref().map(|report| &report.resources);
    resources
        .and_then(|resources| resources.0.get(kind))
        .cloned()
        .unwrap_or_default()
}

fn storage_before_claims(trace: &Trace) -> CheckResult {
    by_default(trace, || {
        before(
            trace,
            is_one_of(&["storageclasses.storage.k8s.io"]),
            is_one_of(&["persistentvolumeclaims"]),
        )
    })
}

fn volume_before_its_claim(trace: &Trace) -> CheckResult {
    needed_items_come_first(trace, "persistentvolumes", "persistentvolumeclaims")
}

/// Additional items of built-in actions come first, in any order of the types and with any errors.
fn needed_items_come_first(trace: &Trace, early: &str, late: &str) -> CheckResult {
    for (one, other) in &trace.needs {
        let (needy, needed) = (&trace.facts[*one], &trace.facts[*other]);
        let edge = needy.item.resource() == late && needed.item.resource() == early;
        if !edge || trace.reaches(*other, *one) {
            continue;
        }
        let (settled, touched) = (trace.settled(needed), trace.touched(needy));
        unless(
            settled.zip(touched).is_some_and(|(settled, touched)| touched < settled),
            || format!("{} at {touched:?}, {} at {settled:?}", needy.key, needed.key),
        )?;
    }
    Ok(())
}

fn before_pods(trace: &Trace) -> CheckResult {
    needed_items_come_first(trace, "persistentvolumeclaims", "pods")?;
    by_default(trace, || {
        const STEPS: [&[&str]; 5] = [
            &["persistentvolumeclaims"],
            &[
                "clusterroles.rbac.authorization.k8s.io",
                "roles.rbac.authorization.k8s.io",
                "serviceaccounts",
                "rolebindings.rbac.authorization.k8s.io",
            ],
            &["secrets"],
            &["configmaps"],
            &["limitranges", "priorityclasses.scheduling.k8s.io"],
        ];
        for pair in STEPS[1..].windows(2) {
            before(trace, is_one_of(pair[0]), is_one_of(pair[1]))?;
        }
        STEPS
            .iter()
            .try_for_each(|step| before(trace, is_one_of(step), is_one_of(&["pods"])))
    })
}

fn pods_before_controllers(trace: &Trace) -> CheckResult {
    by_default(trace, || {
        before(
            trace,
            is_one_of(&["pods"]),
            is_one_of(&["replicasets.apps", "deployments.apps"]),
        )
    })
}

fn endpoints_and_services(trace: &Trace) -> CheckResult {
    by_default(trace, || {
        before(trace, is_one_of(&["endpoints"]), is_one_of(&["services"]))?;
        before(trace, is_one_of(&["services"]), in_part(Part::Low))
    })
}

fn middle_after_high(trace: &Trace) -> CheckResult {
    by_default(trace, || before(trace, in_part(Part::High), in_part(Part::Middle)))
}

fn middle_by_types(trace: &Trace) -> CheckResult {
    by_default(trace, || by_rank(trace, |fact| fact.item.kind().part == Part::Middle))
}

fn low_is_last(trace: &Trace) -> CheckResult {
    by_default(trace, || {
        before(trace, |fact| fact.item.kind().part != Part::Low, in_part(Part::Low))?;
        by_rank(trace, |fact| fact.item.kind().part == Part::Low)
    })
}

fn the_users_order(trace: &Trace) -> CheckResult {
    by_rank(trace, |_| true)
}

fn by_rank(trace: &Trace, which: impl Fn(&Fact) -> bool) -> CheckResult {
    let rank = |fact: &Fact| trace.generated.rank(fact.item.kind);
    for (_, early) in wanted(trace).filter(|(_, fact)| which(fact)) {
        before(
            trace,
            |fact| fact.key == early.key,
            |fact| which(fact) && rank(fact) > rank(early),
        )?;
    }
    Ok(())
}

fn additional_items_first(trace: &Trace) -> CheckResult {
    for (one, other) in &trace.needs {
        let (needy, needed) = (&trace.facts[*one], &trace.facts[*other]);
        let Some(settled) = trace.settled(needed).filter(|_| !trace.reaches(*other, *one)) else {
            continue;
        };
        let mut requests = trace.of_key(&needy.key);
        let early = requests.find(|sent| sent.begin < settled && !is_look(needy, sent));
        unless(early.is_some(), || {
            format!(
                "{} was done at {settled}, and {} begun with {early:?}",
                needed.key, needy.key
            )
        })?;
        let next =
            |call: &&super::trace::Call| call.key == needy.key && call.action == ACTIONS[2] && call.begin < settled;
        let early = trace.calls.iter().find(next);
        unless(early.is_some(), || {
            format!(
                "{} was done at {settled}, and {} went on with {early:?}",
                needed.key, needy.key
            )
        })?;
    }
    Ok(())
}

/// Two spans of which one begins before the other has ended.
fn overlap(spans: impl Iterator<Item = (usize, usize)>) -> Option<[(usize, usize); 2]> {
    let mut spans: Vec<_> = spans.collect();
    spans.sort_unstable();
    spans
        .windows(2)
        .find(|pair| pair[0].1 > pair[1].0)
        .map(|pair| [pair[0], pair[1]])
}

fn once_each(trace: &Trace) -> CheckResult {
    for (_, fact) in wanted(trace) {
        let sent_requests = trace.own(fact).map(|sent| (sent.begin, sent.end));
        let calls = trace.calls.iter().filter(|call| call.key == fact.key);
        let overlap = overlap(sent_requests.chain(calls.map(|call| (call.begin, call.end))));
        unless(overlap.is_some(), || {
            format!("{} was worked on twice at once: {overlap:?}", fact.key)
        })?;
        let created = trace.of_key(&fact.key).filter(|sent| sent.code == 201).count();
        unless(created > 1, || format!("{} was created {created} times", fact.key))?;
        // an item without errors goes through its actions once
        let begun = |call: &&super::trace::Call| call.key == fact.key && call.action == ACTIONS[0];
        let begun = trace.calls.iter().filter(begun).count();
        unless(begun > 1 && !fact.has_fault, || {
            format!("{} was begun {begun} times", fact.key)
        })?;
    }
    Ok(())
}

fn actions_in_order(trace: &Trace) -> CheckResult {
    for (_, fact) in wanted(trace).filter(|(_, fact)| fact.item.resource() != "namespaces") {
        let Some(live) = trace.live(fact) else { continue };
        let seen_by = metadata::annotation(&live, SEEN_BY).unwrap_or_default();
        unless(seen_by != ACTIONS.join(" "), || {
            format!("{} was seen by `{seen_by}`", fact.key)
        })?;
        let mut calls: Vec<_> = trace.calls.iter().filter(|call| call.key == fact.key).collect();
        calls.sort_by_key(|call| call.begin);
        let mut expected = 0;
        for call in calls {
            // a try that ended early starts over
            expected = if call.action == ACTIONS[0] { 0 } else { expected };
            unless(ACTIONS.get(expected) != Some(&call.action), || {
                format!("{call:?} came out of turn")
            })?;
            expected += 1;
        }
    }
    Ok(())
}

fn shared_state(trace: &Trace) -> CheckResult {
    for (_, claim) in wanted(trace).filter(|(_, fact)| fact.item.resource() == "persistentvolumeclaims") {
        let Some(live) = trace.live(claim) else { continue };
        let volume = format!("persistentvolumes/n{}", claim.item.flavour);
        let anew = wanted(trace).any(|(_, fact)| fact.key == volume && is_provisioned(fact));
        let names = live.pointer("/spec/volumeName").is_some();
        unless(names == anew, || format!("{} names its volume: {names}", claim.key))?;
    }
    for (_, fact) in wanted(trace).filter(|(_, fact)| fact.item.resource() != "namespaces") {
        let name = match fact.target {
            Some(target) => format!("{target}/{}(", fact.item.name()),
            None => format!("{}(", fact.item.name()),
        };
        let kind = format!("{}/{}", fact.item.kind().api_version, fact.item.kind().kind);
        let entries: Vec<String> = listed(trace, &kind)
            .into_iter()
            .filter(|entry| entry.starts_with(&name))
            .collect();
        let is_refused = is_refused(trace, fact);
        // it is of cluster scope, so a copy does not change it
        let is_common = fact.target.is_none()
            && fact.item.resource() != "persistentvolumes"
            && trace
                .generated
                .mapping()
                .iter()
                .any(|(source, target)| source != target);
        let action = match fact.item.before() {
            _ if is_refused => "failed",
            _ if is_provisioned(fact) => "skipped",
            Before::Absent | Before::Leaving(_) => "created",
            Before::Equal => "skipped",
            Before::Different if trace.generated.update && !is_common => "updated",
            Before::Different => "failed",
        };
        // objects in a deleted namespace are deleted with it
        let went = fact.target.is_some() && fact.target == trace.generated.leaving().map(|(name, _)| name);
        let action = if went && !is_refused { "created" } else { action };
        unless(entries != [format!("{name}{action})")], || {
            format!("{} is to be {action}: {entries:?}", fact.key)
        })?;
    }
    Ok(())
}

fn fixed_ports_first(trace: &Trace) -> CheckResult {
    before(
        trace,
        |fact| fact.item.has_fixed_port(),
        |fact| fact.item.resource() == "services" && !fact.item.has_fixed_port(),
    )
}

fn first_source_wins(trace: &Trace) -> CheckResult {
    for (_, fact) in wanted(trace).filter(|(_, fact)| fact.item.resource() != "namespaces") {
        let created = listed(
            trace,
            &format!("{}/{}", fact.item.kind().api_version, fact.item.kind().kind),
        );
        let entry = format!("{}/{}(created)", fact.target.unwrap_or_default(), fact.item.name());
        let Some(live) = trace.live(fact).filter(|_| created.contains(&entry)) else {
            continue;
        };
        let from = metadata::annotation(&live, "from");
        unless(from != fact.item.source(), || format!("{} is from {from:?}", fact.key))?;
    }
    let listed = listed(trace, "v1/Namespace");
    let mapping = trace.generated.mapping();
    for target in super::generated::NAMESPACES {
        let live = trace.api.get("v1", "Namespace", None, target);
        let Some(live) = live.filter(|_| listed.contains(&format!("{target}(created)"))) else {
            continue;
        };
        // the first source that has anything to restore and has its Namespace in the archive
        let mut sources: Vec<&str> = super::generated::NAMESPACES
            .into_iter()
            .filter(|source| {
                mapping.get(source).unwrap_or(source) == &target && trace.generated.excluded() != Some(source)
            })
            .collect();
        let archived = |source: &str| {
            let is_it = |fact: &Fact| fact.item.resource() == "namespaces" && fact.item.name() == source;
            trace.facts.iter().any(is_it)
        };
        sources.retain(|source| archived(source));
        let from = metadata::annotation(&live, "from");
        unless(from != sources.first().copied(), || {
            format!("namespace {target} is from {from:?}, of {sources:?}")
        })?;
    }
    Ok(())
}

fn messages_in_order(trace: &Trace) -> CheckResult {
    let Some(report) = &trace.report else { return Ok(()) };
    for texts in report.results.errors.namespaces.values() {
        let named: Vec<&Fact> = texts
            .iter()
            .filter_map(|text| {
                let key = text.strip_prefix("error restoring ")?.split(':').next()?;
                wanted(trace).map(|(_, fact)| fact).find(|fact| fact.key == key)
            })
            .collect();
        for pair in named.windows(2) {
            let begun = trace.of_key(&pair[0].key).map(|sent| sent.begin).max();
            unless(trace.settled(pair[1]) < begun, || {
                format!("{} is named before {}", pair[0].key, pair[1].key)
            })?;
        }
    }
    Ok(())
}

fn progress_and_pace(trace: &Trace) -> CheckResult {
    let fell = trace
        .progress
        .windows(2)
        .find(|pair| pair[1].restored < pair[0].restored);
    unless(fell.is_some(), || format!("progress fell: {fell:?}"))?;
    let over = trace.progress.iter().find(|now| now.restored > now.total);
    unless(over.is_some(), || format!("more than there is: {over:?}"))?;
    if let (Some(report), Some(last)) = (&trace.report, trace.progress.last()) {
        let listed: usize = report.resources.0.values().map(Vec::len).sum();
        let (restored, total) = (report.progress.restored, report.progress.total);
        unless(
            restored != listed as u64 || total != restored || last.restored != restored,
            || format!("{listed} items are listed, the last progress is {last:?}"),
        )?;
    }
    // the limiter does not count discovery: no other request is sent while it is read
    let counted = || trace.sent_requests.iter().filter(|sent| key_of_sent(sent).is_some());
    let at_once = |now: usize| counted().filter(|sent| sent.begin <= now && now < sent.end).count();
    let most = counted().map(|sent| at_once(sent.begin)).max().unwrap_or_default();
    unless(most > trace.generated.requests as usize, || {
        format!("{most} requests at once")
    })?;
    for pushed in counted().filter(|sent| sent.code == 429) {
        let until = pushed.ended + Duration::from_secs(2);
        let early = counted().find(|sent| sent.began > pushed.ended && sent.began < until);
        unless(early.is_some(), || {
            format!("the pause after {pushed:?} was not respected: {early:?}")
        })?;
    }
    let is_429 = |fault_kind: &(usize, FaultKind, u8)| fault_kind.1 == FaultKind::TooMany;
    let only = trace.generated.faults().iter().all(is_429);
    let calm = only && trace.facts.iter().all(|fact| !fact.has_fault);
    let waiting = trace.progress.iter().find(|now| calm && now.waiting > 0);
    unless(waiting.is_some(), || format!("an item waits after a 429: {waiting:?}"))
}
