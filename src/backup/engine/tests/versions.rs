//! Objects that are served in several versions.

use super::*;
use crate::testing::fake_api::FakeKind;

/// A cluster that still serves CRDs as v1beta1, with one that was written for it.
fn old_cluster() -> FakeApi {
    let api = shop();
    api.serve(FakeKind::new(
        "apiextensions.k8s.io/v1beta1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
    ));
    api
}

const CRD: &str = "customresourcedefinitions.apiextensions.k8s.io widgets.example.com";

#[tokio::test]
async fn a_crd_written_for_v1beta1_is_saved_as_v1beta1_instead_of_v1() {
    let ran = backed_up(&old_cluster(), of_shop()).await;
    assert_eq!(ran.objects[CRD]["apiVersion"], "apiextensions.k8s.io/v1beta1");
    assert_eq!(ran.other_versions, [""; 0]);
    let listed = &ran.resource_list["apiextensions.k8s.io/v1beta1/CustomResourceDefinition"];
    assert_eq!(*listed, json!(["widgets.example.com"]));
}

#[tokio::test]
async fn every_version_is_saved_on_request_and_replaces_no_crd() {
    let api = old_cluster();
    api.insert(object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        Some("shop"),
        "web",
        json!({}),
    ));
    let mut request = request(BackupSpec::default());
    request.every_version = true;
    // Only listed objects are saved in other versions: the CRD of the shop's widgets is listed in a full backup.
    let ran = backed_up_by(&api, request, Vec::new()).await;
    let mut others = ran.other_versions.clone();
    others.sort_unstable();
    let autoscaler = "horizontalpodautoscalers.autoscaling shop/web";
    assert_eq!(others, [format!("v1 {autoscaler}"), format!("v1beta1 {CRD}")]);
    assert_eq!(ran.objects[CRD]["apiVersion"], "apiextensions.k8s.io/v1");
    assert_eq!(ran.objects[autoscaler]["apiVersion"], "autoscaling/v2");
    for version in ["v1", "v2"] {
        let listed = &ran.resource_list[format!("autoscaling/{version}/HorizontalPodAutoscaler")];
        assert_eq!(*listed, json!(["shop/web"]), "{version}");
    }
    assert_eq!(ran.log.counts(), (0, 0));
}
