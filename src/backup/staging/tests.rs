use std::collections::BTreeMap;

use super::*;
use crate::backup::related::related;
use crate::backup::types::KnownType;
use crate::cluster::discovery::{GroupResource, Resource};

fn type_of(plural: &str, kind: &str, namespaced: bool, known: KnownType) -> Arc<Type> {
    let resource = Resource {
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced,
        ..Resource::default()
    };
    Arc::new(Type {
        group_resource: resource.group_resource(),
        resource,
        name: plural.into(),
        version: "v1".into(),
        preferred: true,
        included: true,
        excluded: false,
        actions: Vec::new(),
        known,
    })
}

fn object(kind: &str, namespace: Option<&str>, name: &str, rest: serde_json::Value) -> RawObject {
    let mut object = rest;
    object["apiVersion"] = "v1".into();
    object["kind"] = kind.into();
    object["metadata"]["name"] = name.into();
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = namespace.into();
    }
    RawObject::parse(object.to_string().into()).unwrap()
}

fn pod(name: &str, claims: &[&str], phase: &str) -> RawObject {
    let volumes: Vec<_> = claims
        .iter()
        .map(|claim| serde_json::json!({"persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    object(
        "Pod",
        Some("a"),
        name,
        serde_json::json!({"spec": {"volumes": volumes}, "status": {"phase": phase}}),
    )
}

fn claim(name: &str, volume: &str, group: &str) -> RawObject {
    let rest = serde_json::json!({
        "metadata": {"labels": {"group": group}}, "spec": {"volumeName": volume}, "status": {"phase": "Bound"}
    });
    object("PersistentVolumeClaim", Some("a"), name, rest)
}

fn volume(name: &str) -> RawObject {
    object("PersistentVolume", None, name, serde_json::json!({}))
}

async fn collected(types: &[(Arc<Type>, Vec<RawObject>, Option<&str>)]) -> (Staged, Vec<String>) {
    let scratch = tempfile::tempdir().unwrap();
    let mut collector = Collector::new(scratch.path()).unwrap();
    let mut missing = Vec::new();
    for (type_, objects, ordered) in types {
        collector.begin(type_.clone());
        for object in objects {
            let head = &object.head;
            let key = Key::new(&type_.group_resource, head.namespace.as_deref(), &head.name);
            collector
                .put(key, &object.json, related(type_.known, object, "group").unwrap())
                .await
                .unwrap();
        }
        let spec = BTreeMap::from([(type_.resource.plural.clone(), ordered.unwrap_or_default().to_owned())]);
        let ordered = ordered.and_then(|_| Ordered::of(&spec, &type_.resource));
        missing.extend(collector.end(ordered.as_ref()).into_iter().map(str::to_owned));
    }
    (collector.finish().await.unwrap(), missing)
}

async fn names(staged: &Staged) -> Vec<Vec<String>> {
    let mut blocks = Vec::new();
    for block in 0..staged.blocks.len() {
        let mut names = Vec::new();
        for place in staged.blocks.get(block) {
            names.push(staged.read(*place).await.unwrap().head.name);
        }
        blocks.push(names);
    }
    blocks
}

#[tokio::test]
async fn a_claim_its_volume_and_its_pods_are_one_block() {
    let (pods, claims) = (type_of("pods", "Pod", true, KnownType::Pod), claims());
    let (staged, missing) = collected(&[
        (
            pods,
            vec![
                pod("one", &["data"], "Running"),
                pod("done", &["data"], "Succeeded"),
                pod("two", &["data"], "Running"),
                pod("bare", &[], "Running"),
                pod("gone", &["nowhere"], "Running"),
                pod("too", &["nowhere"], "Running"),
            ],
            None,
        ),
        (claims, vec![claim("data", "v", ""), claim("other", "w", "")], None),
        (volumes(), vec![volume("v")], None),
    ])
    .await;
    assert_eq!(
        names(&staged).await,
        [
            // A saved pod has its claim saved with it: not before the others are frozen.
            vec!["one", "done", "two", "data", "v"],
            vec!["bare"],
            // The claim they share was not listed.
            vec!["gone", "too"],
            vec!["other"]
        ]
    );
    assert_eq!(missing, [""; 0]);
}

#[tokio::test]
async fn claims_of_a_group_are_in_one_block() {
    let (staged, _) = collected(&[(
        claims(),
        vec![claim("a", "", "x"), claim("b", "", "y"), claim("c", "", "x")],
        None,
    )])
    .await;
    assert_eq!(names(&staged).await, [vec!["a", "c"], vec!["b"]]);
}

#[tokio::test]
async fn items_in_the_users_order_share_a_block_and_keep_it() {
    let pods = type_of("pods", "Pod", true, KnownType::Pod);
    let (staged, missing) = collected(&[
        (
            pods,
            vec![
                pod("one", &[], ""),
                pod("two", &["data"], "Running"),
                pod("three", &[], ""),
            ],
            Some("a/three,a/two,a/four"),
        ),
        (claims(), vec![claim("data", "", "")], None),
    ])
    .await;
    assert_eq!(names(&staged).await, [vec!["three", "two", "data"], vec!["one"]]);
    assert_eq!(missing, ["a/four"]);
}

#[tokio::test]
async fn a_staged_object_is_found_and_read_back() {
    let (staged, _) = collected(&[(claims(), vec![claim("a", "v", ""), claim("b", "w", "")], None)]).await;
    let resource = GroupResource::new("", "persistentvolumeclaims");
    let place = staged.find(Key::new(&resource, Some("a"), "b")).unwrap();
    assert_eq!(staged.read(place).await.unwrap().json, claim("b", "w", "").json);
    assert_eq!(staged.identity(place).0.name.as_ref(), "persistentvolumeclaims");
    assert_eq!(staged.find(Key::new(&resource, Some("a"), "c")), None);
    assert_eq!(staged.len(), 2);
}

fn claims() -> Arc<Type> {
    type_of(
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
        KnownType::Claim,
    )
}

fn volumes() -> Arc<Type> {
    type_of("persistentvolumes", "PersistentVolume", false, KnownType::Volume)
}
