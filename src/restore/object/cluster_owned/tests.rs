//! Objects that each cluster writes itself.

use serde_json::json;

use super::*;

/// `type namespace/name`, labels, annotations: whether the cluster writes it.
#[test]
fn only_objects_that_a_cluster_writes_itself_are_left_to_it() {
    let none = || json!({});
    let slice = |by: &str| json!({"endpointslice.kubernetes.io/managed-by": by});
    let rbac = || json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    let apf = |keep: &str| json!({"apf.kubernetes.io/autoupdate-spec": keep});
    let flow = "flowcontrol.apiserver.k8s.io";
    let table = [
        (
            "endpointslices.discovery.k8s.io",
            "a",
            "web-x1",
            slice("endpointslice-controller.k8s.io"),
            none(),
            true,
        ),
        (
            "endpointslices.discovery.k8s.io",
            "a",
            "web-x2",
            slice("endpointslicemirroring-controller.k8s.io"),
            none(),
            true,
        ),
        (
            "endpointslices.discovery.k8s.io",
            "a",
            "mine",
            slice("staff"),
            none(),
            false,
        ),
        ("endpointslices.discovery.k8s.io", "a", "mine", none(), none(), false),
        (
            "endpointslices.discovery.k8s.io",
            "default",
            "kubernetes",
            none(),
            none(),
            true,
        ),
        ("endpoints", "default", "kubernetes", none(), none(), true),
        (
            "leases.coordination.k8s.io",
            "velero",
            "velero-server",
            none(),
            none(),
            true,
        ),
        ("secrets", "velero", "velero-artifact-tokens", none(), none(), true),
        ("secrets", "velero", "velero-artifact-tls", none(), none(), true),
        ("secrets", "velero", "cloud-credentials", none(), none(), false),
        (
            "configmaps",
            "velero",
            "velero-run-1",
            json!({"velero.io/run-record": "backup"}),
            none(),
            true,
        ),
        (
            "configmaps",
            "velero",
            "velero-freezes-1",
            json!({"velero.io/open-freezes": "1"}),
            none(),
            true,
        ),
        ("endpoints", "a", "kubernetes", none(), none(), false),
        (
            "endpoints",
            "a",
            "web",
            json!({"endpoints.kubernetes.io/managed-by": "endpoint-controller"}),
            none(),
            true,
        ),
        (
            "endpoints",
            "a",
            "web",
            none(),
            json!({"endpoints.kubernetes.io/last-change-trigger-time": "t"}),
            true,
        ),
        (
            "endpoints",
            "a",
            "lock",
            none(),
            json!({"control-plane.alpha.kubernetes.io/leader": "{}"}),
            false,
        ),
        ("services", "default", "kubernetes", none(), none(), true),
        ("services", "a", "kubernetes", none(), none(), false),
        ("configmaps", "a", "kube-root-ca.crt", none(), none(), true),
        ("configmaps", "a", "openshift-service-ca.crt", none(), none(), true),
        ("secrets", "a", "kube-root-ca.crt", none(), none(), false),
        (
            "configmaps",
            "kube-system",
            "extension-apiserver-authentication",
            none(),
            none(),
            true,
        ),
        (
            "configmaps",
            "a",
            "extension-apiserver-authentication",
            none(),
            none(),
            false,
        ),
        (
            "leases.coordination.k8s.io",
            "kube-node-lease",
            "node",
            none(),
            none(),
            true,
        ),
        (
            "leases.coordination.k8s.io",
            "kube-system",
            "apiserver-x",
            json!({"apiserver.kubernetes.io/identity": "k"}),
            none(),
            true,
        ),
        ("leases.coordination.k8s.io", "a", "leader", none(), none(), false),
        ("leasecandidates.coordination.k8s.io", "a", "c", none(), none(), true),
        (
            "clusterroles.rbac.authorization.k8s.io",
            "",
            "view",
            rbac(),
            none(),
            true,
        ),
        (
            "clusterroles.rbac.authorization.k8s.io",
            "",
            "view",
            rbac(),
            json!({"rbac.authorization.kubernetes.io/autoupdate": "false"}),
            false,
        ),
        (
            "clusterroles.rbac.authorization.k8s.io",
            "",
            "view",
            none(),
            none(),
            false,
        ),
        (
            "clusterrolebindings.rbac.authorization.k8s.io",
            "",
            "x",
            rbac(),
            none(),
            true,
        ),
        (
            "roles.rbac.authorization.k8s.io",
            "kube-system",
            "x",
            rbac(),
            none(),
            true,
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            "kube-system",
            "x",
            rbac(),
            none(),
            true,
        ),
        (
            "priorityclasses.scheduling.k8s.io",
            "",
            "system-node-critical",
            none(),
            none(),
            true,
        ),
        ("priorityclasses.scheduling.k8s.io", "", "mine", none(), none(), false),
        (&format!("flowschemas.{flow}"), "", "exempt", none(), apf("true"), true),
        (&format!("flowschemas.{flow}"), "", "mine", none(), apf("false"), false),
        (
            &format!("prioritylevelconfigurations.{flow}"),
            "",
            "exempt",
            none(),
            apf("true"),
            true,
        ),
        (
            "ipaddresses.networking.k8s.io",
            "",
            "10.0.0.1",
            json!({"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}),
            none(),
            true,
        ),
        ("ipaddresses.networking.k8s.io", "", "10.0.0.1", none(), none(), false),
        ("servicecidrs.networking.k8s.io", "", "kubernetes", none(), none(), true),
        ("servicecidrs.networking.k8s.io", "", "more", none(), none(), false),
        (
            "storageversions.internal.apiserver.k8s.io",
            "",
            "apps",
            none(),
            none(),
            true,
        ),
        (
            "csistoragecapacities.storage.k8s.io",
            "a",
            "c",
            json!({"csi.storage.k8s.io/managed-by": "external-provisioner"}),
            none(),
            true,
        ),
        ("csistoragecapacities.storage.k8s.io", "a", "c", none(), none(), false),
        ("resourceslices.resource.k8s.io", "", "s", none(), none(), true),
        (
            "resourceclaims.resource.k8s.io",
            "a",
            "pod-x",
            none(),
            json!({"resource.kubernetes.io/pod-claim-name": "gpu"}),
            true,
        ),
        (
            "resourceclaims.resource.k8s.io",
            "a",
            "pod-y",
            none(),
            json!({"resource.kubernetes.io/extended-resource-claim": "true"}),
            true,
        ),
        ("resourceclaims.resource.k8s.io", "a", "mine", none(), none(), false),
        (
            "podcertificaterequests.certificates.k8s.io",
            "a",
            "p",
            none(),
            none(),
            true,
        ),
        ("controllerrevisions.apps", "a", "db-1", none(), none(), false),
    ];
    for (resource, namespace, name, labels, annotations, owned) in &table {
        let object =
            json!({"metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}});
        let path = ItemPath {
            group_resource: resource,
            namespace: Some(*namespace).filter(|namespace| !namespace.is_empty()),
            name,
        };
        assert_eq!(reason(&path, &object, &[]).is_some(), *owned, "{resource} {object}");
    }
    for row in &ROWS {
        let is_tested = |owned: bool| table.iter().any(|line| line.0 == row.resource && line.5 == owned);
        assert!(is_tested(true), "{}", row.resource);
    }
}

#[test]
fn endpoints_by_hand_are_those_of_a_service_without_a_selector() {
    let table = [
        (json!({"spec": {"selector": {"app": "web"}}}), true),
        (json!({"spec": {"selector": {}}}), false),
        (json!({"spec": {}}), false),
        (
            json!({"spec": {"type": "ExternalName", "selector": {"app": "web"}}}),
            false,
        ),
    ];
    let path = |group_resource| ItemPath {
        group_resource,
        namespace: Some("a"),
        name: "web",
    };
    let object = |labels: Value, annotations: Value| json!({"metadata": {"name": "web", "namespace": "a", "labels": labels, "annotations": annotations}});
    let slice = |by: &str| {
        object(
            json!({(SLICE_MAINTAINER): by, "kubernetes.io/service-name": "web"}),
            json!({}),
        )
    };
    let slices = "endpointslices.discovery.k8s.io";
    let stale = [
        (ENDPOINTS, object(json!({}), json!({}))),
        (
            ENDPOINTS,
            object(
                json!({"endpoints.kubernetes.io/managed-by": "endpoint-controller"}),
                json!({}),
            ),
        ),
        (
            ENDPOINTS,
            object(
                json!({}),
                json!({"endpoints.kubernetes.io/last-change-trigger-time": "t"}),
            ),
        ),
        (slices, slice("endpointslice-controller.k8s.io")),
    ];
    let selecting = json!({"spec": {"selector": {"app": "web"}}});
    for (service, owned) in table {
        for (resource, object) in &stale {
            let path = path(resource);
            assert_eq!(service_of(&path, object), Some("web"), "{object}");
            let found = reason(&path, object, std::slice::from_ref(&service));
            assert_eq!(found.is_some(), owned, "{service} {object}");
            let both = [service.clone(), selecting.clone()];
            assert!(reason(&path, object, &both).is_some(), "{service} {object}");
        }
        let mirrored = slice("endpointslicemirroring-controller.k8s.io");
        assert!(reason(&path(slices), &mirrored, std::slice::from_ref(&service)).is_some());
        let (config, object) = (path("configmaps"), object(json!({}), json!({})));
        assert_eq!(reason(&config, &object, std::slice::from_ref(&service)), None);
        assert_eq!(service_of(&config, &object), None);
    }
    assert_eq!(service_of(&path(slices), &object(json!({}), json!({}))), None);
}
