//! Which changes lead to a pass, and how many passes begin.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

use super::*;
use crate::fixture::object;
use crate::object::owner_reference;
use crate::testing;

/// An object with this owner reference.
fn owned(name: &str, version: u64, owner: OwnerReference) -> ConfigMap {
    let mut object = object(name, name, version);
    object.metadata.owner_references = Some(vec![owner]);
    object
}

#[tokio::test(start_paused = true)]
async fn a_change_of_an_owned_object_enqueues_its_owner() {
    let (script, watch, _drive) = scripted();
    let (children, child, _child_drive) = scripted();
    let (probe, mut calls) = Probe::answering(Ok(Next::Resync));
    let owner = owner_reference(&object("a", "1", 1), &()).unwrap();
    assert_eq!(owner.controller, Some(true));
    script.list([object("a", "1", 1), object("b", "2", 1)]);
    children.list([]);
    let _stage = Stage::run(controller(probe, &watch).owns(&child));
    calls.next().await;
    calls.next().await;
    children.apply(owned("x", 1, owner.clone()));
    assert_eq!(calls.next().await, pass("a", "1", 1));
    for (case, other) in [
        (
            "a former owner of this name",
            OwnerReference {
                uid: "9".into(),
                ..owner.clone()
            },
        ),
        (
            "an owner that does not control it",
            OwnerReference {
                controller: None,
                ..owner.clone()
            },
        ),
        (
            "an owner of another kind",
            OwnerReference {
                kind: "Secret".into(),
                ..owner.clone()
            },
        ),
        (
            "an owner of another group",
            OwnerReference {
                api_version: "example.com/v1".into(),
                ..owner.clone()
            },
        ),
        (
            "an owner that is not there",
            OwnerReference {
                name: "c".into(),
                ..owner.clone()
            },
        ),
    ] {
        children.apply(owned("y", 1, other));
        let pass = tokio::time::timeout(SECOND, calls.next()).await;
        assert!(pass.is_err(), "{case}: {pass:?}");
    }
    // An object that moves to another owner concerns both.
    let other = owner_reference(&object("b", "2", 1), &()).unwrap();
    children.apply(owned("x", 2, other));
    let mut both = [calls.next().await, calls.next().await];
    both.sort_by_key(|call| format!("{call:?}"));
    assert_eq!(both, [pass("a", "1", 1), pass("b", "2", 1)]);
    children.delete(owned("x", 3, owner));
    calls.next().await;
    calls.next().await;
    calls.none_for(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_may_be_in_no_namespace() {
    let team = |version: &str| {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("team".into());
        namespace.metadata.uid = Some("1".into());
        namespace.metadata.resource_version = Some(version.into());
        namespace
    };
    let (script, watch, _drive) = testing::scripted::<Namespace>();
    let (children, child, _child_drive) = scripted();
    let (probe, mut calls) = testing::Probe::answering(Ok(Next::Resync));
    script.list([team("1")]);
    children.list([]);
    let _stage = Stage::run(Controller::new(probe, &watch).owns(&child));
    calls.next().await;
    children.apply(owned("x", 1, owner_reference(&team("1"), &()).unwrap()));
    assert_eq!(calls.next().await, pass("team", "1", 1));
}

#[tokio::test(start_paused = true)]
async fn only_changes_that_match_the_predicate_lead_to_a_pass() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::answering(Ok(Next::Resync));
    script.list([object("a", "1", 1)]);
    let _stage = Stage::run(controller(probe, &watch).when(Predicate::labels_changed()));
    calls.next().await;
    script.apply(object("a", "1", 2));
    calls.none_for(SECOND).await;
    script.apply(labelled(object("a", "1", 3), "k", "v"));
    assert_eq!(calls.next().await, pass("a", "1", 3));
    script.apply(object("b", "2", 4));
    assert_eq!(calls.next().await, pass("b", "2", 4));
}

#[tokio::test(start_paused = true)]
async fn a_gone_object_is_announced_whatever_the_predicate() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::answering(Ok(Next::Resync));
    script.list([object("a", "1", 1), object("b", "2", 1)]);
    let _stage = Stage::run(controller(probe, &watch).when(Predicate::new(|_| false)));
    calls.next().await;
    calls.next().await;
    script.apply(object("a", "1", 2));
    calls.none_for(SECOND).await;
    script.delete(object("a", "1", 3));
    assert_eq!(calls.next().await, gone("a", "1"));
    // Deleted and created again between two events of the watch.
    script.apply(object("b", "3", 4));
    assert_eq!(calls.next().await, gone("b", "2"));
    assert_eq!(calls.next().await, pass("b", "3", 4));
}

#[tokio::test(start_paused = true)]
async fn changes_of_another_kind_may_be_filtered_too() {
    let (script, watch, _drive) = scripted();
    let (others, other, _other_drive) = scripted();
    let (probe, mut calls) = Probe::answering(Ok(Next::Resync));
    script.list([object("a", "1", 1)]);
    others.list([]);
    let changes = other.when(!Predicate::resource_version_changed());
    let _stage = Stage::run(controller(probe, &watch).on(changes, |_: &ConfigMap| [key("a")]));
    calls.next().await;
    others.apply(object("x", "x", 1));
    calls.none_for(SECOND).await;
    others.apply(labelled(object("x", "x", 1), "k", "v"));
    assert_eq!(calls.next().await, pass("a", "1", 1));
}

#[tokio::test(start_paused = true)]
async fn no_more_passes_begin_than_the_rate_allows() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::answering(Ok(Next::Resync));
    script.list(["a", "b", "c", "d", "e"].map(|name| object(name, name, 1)));
    let limit = RateLimit::per_second(2, 2);
    let _stage = Stage::run(controller(probe, &watch).workers(5).rate_limit(&limit));
    let mut at = Vec::new();
    for _ in 0..5 {
        at.push(calls.next_at().await.0);
    }
    assert_eq!(at, [0, 0, 5, 10, 15]);
    // A change meanwhile neither waits longer than that nor goes before it.
    script.apply(object("a", "a", 2));
    assert_eq!(calls.next_at().await.0, 20);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_does_not_delay_the_backoff_of_an_object() {
    let (script, watch, _drive) = scripted();
    let (probe, mut calls) = Probe::answering(Err(Oops::NoAnswer));
    script.list([object("a", "1", 1)]);
    let limit = RateLimit::per_second(1, 1);
    let _stage = Stage::run(controller(probe, &watch).rate_limit(&limit));
    for at in [0, 10, 30, 70] {
        assert_eq!(calls.next_at().await.0, at);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_kind_is_reconciled_like_any_other() {
    let widgets = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let widget = |name: &str, uid: &str, version: u64| {
        let mut object = DynamicObject::new(name, &widgets).within("ns");
        object.metadata.uid = Some(uid.into());
        object.metadata.resource_version = Some(version.to_string());
        object
    };
    let (script, watch, _drive) = testing::scripted_of(widgets.clone());
    let (children, child, _child_drive) = scripted();
    let (probe, mut calls) = testing::Probe::answering(Ok(Next::Resync));
    script.list([widget("a", "1", 1)]);
    children.list([]);
    let controller = Controller::new(probe, &watch).owns(&child);
    let enqueuer = controller.enqueuer();
    let _stage = Stage::run(controller);
    assert_eq!(calls.next().await, pass("a", "1", 1));
    script.apply(widget("a", "1", 2));
    assert_eq!(calls.next().await, pass("a", "1", 2));
    children.apply(owned("x", 1, owner_reference(&widget("a", "1", 2), &widgets).unwrap()));
    assert_eq!(calls.next().await, pass("a", "1", 2));
    enqueuer.enqueue(ObjectRef::new_with("a", widgets.clone()).within("ns"));
    assert_eq!(calls.next().await, pass("a", "1", 2));
    script.delete(widget("a", "1", 3));
    assert_eq!(calls.next().await, gone("a", "1"));
}
