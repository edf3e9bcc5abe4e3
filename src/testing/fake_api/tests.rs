use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};

use super::*;

fn config_maps(api: &FakeApi) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "ConfigMap"), "configmaps");
    Api::namespaced_with(api.client(), "default", &kind)
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})
}

#[tokio::test]
async fn a_list_comes_in_pages_with_the_count_that_remains() {
    let api = FakeApi::new();
    api.insert_all(["a", "b", "c"].map(config_map));
    let first = config_maps(&api).list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    let token = first.metadata.continue_.unwrap();
    let rest = config_maps(&api)
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .unwrap();
    assert_eq!(rest.items[0].metadata.name.as_deref(), Some("c"));
    assert!(rest.metadata.continue_.is_none_or(|token| token.is_empty()));
}

#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let api = FakeApi::new();
    let maps = config_maps(&api);
    let object: DynamicObject = serde_json::from_value(config_map("a")).unwrap();
    maps.create(&PostParams::default(), &object).await.unwrap();
    let again = maps.create(&PostParams::default(), &object).await.unwrap_err();
    assert!(matches!(&again, kube::Error::Api(status) if status.is_already_exists()));
    let patch = json!({"data": {"k": "v"}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(maps.get("a").await.unwrap().data["data"], patch["data"]);
    let stale = json!({"metadata": {"resourceVersion": "1"}, "data": null});
    let conflict = maps
        .patch("a", &PatchParams::default(), &Patch::Merge(&stale))
        .await
        .unwrap_err();
    assert!(matches!(&conflict, kube::Error::Api(status) if status.is_conflict()));
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_fault_answers_as_often_as_scripted() {
    let api = FakeApi::new();
    api.fault(Fault::new(1, 429, "TooManyRequests", |seen| seen.path.ends_with("/configmaps")).retry_after(1));
    let maps = config_maps(&api);
    let refused = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 429));
    maps.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_custom_resource_definition_is_served_once_it_exists() {
    let api = FakeApi::new();
    api.insert(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
                 "versions": [{"name": "v1", "served": true, "storage": true}]},
    }));
    api.insert(json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "blue"}}));
    assert!(api.get("example.com/v1", "Widget", Some("default"), "blue").is_some());
}
