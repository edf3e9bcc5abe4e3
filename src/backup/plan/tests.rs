use super::*;
use crate::api::v1::BackupSpec;
use crate::backup::actions::ActionTable;
use crate::cluster::discovery::Discovery;
use crate::select::backup::{PolicyLists, ResourceFilter, TypeLists};
use crate::select::includes::ResolvedType;
use crate::select::namespaces::NamespaceFilter;

fn resource(group: &str, plural: &str, namespaced: bool) -> Resource {
    Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        kind: plural.to_owned(),
        namespaced,
        verbs: ["list", "create", "get", "delete"].map(str::to_owned).to_vec(),
        ..Resource::default()
    }
}

fn cluster() -> Discovery {
    Discovery::from_resources([
        resource("", "pods", true),
        resource("", "persistentvolumeclaims", true),
        resource("", "persistentvolumes", false),
        resource("", "events", true),
        resource("", "namespaces", false),
        resource("", "nodes", false),
        resource("events.k8s.io", "events", true),
        resource("apps", "deployments", true),
        resource("third.example.com", "deployments", true),
    ])
}

fn plan(spec: &BackupSpec) -> Plan {
    let discovery = cluster();
    let resolve = |name: &str| {
        discovery.resolve(name).map(|found| ResolvedType {
            name: found.group_resource().to_string(),
            namespaced: found.namespaced,
        })
    };
    let namespaces = NamespaceFilter::new(&spec.included_namespaces, &[]);
    let lists = TypeLists {
        included: &spec.included_resources,
        excluded: &spec.excluded_resources,
        include_cluster: spec.include_cluster_resources,
        ..TypeLists::default()
    };
    let filter = ResourceFilter::new(lists, PolicyLists::default(), &namespaces, &resolve);
    let types = Types::new(&discovery, &filter, &ActionTable::default());
    let scope = Scope::Namespaces(vec!["a".to_owned()]);
    Plan::new(discovery.preferred(), &types, &scope, &spec.ordered_resources)
}

fn names(planned: &[Planned]) -> Vec<&str> {
    planned.iter().map(|planned| &*planned.type_.name).collect()
}

#[test]
fn pods_claims_and_volumes_are_staged_the_rest_is_streamed() {
    let plan = plan(&BackupSpec::default());
    assert_eq!(
        names(&plan.staged),
        ["pods", "persistentvolumeclaims", "persistentvolumes"]
    );
    assert_eq!(
        names(&plan.streamed),
        ["events", "nodes", "deployments.apps", "deployments.third.example.com"]
    );
    assert!(plan.namespaces);
}

#[test]
fn types_that_the_user_orders_are_staged_too() {
    let ordered = BTreeMap::from([("deployments".to_owned(), "a/b".to_owned())]);
    let plan = plan(&BackupSpec {
        ordered_resources: ordered,
        ..BackupSpec::default()
    });
    let expected = [
        "pods",
        "persistentvolumeclaims",
        "persistentvolumes",
        "deployments.apps",
        "deployments.third.example.com",
    ];
    assert_eq!(names(&plan.staged), expected);
}

#[test]
fn the_same_objects_are_collected_from_the_first_group_only() {
    let plan = plan(&BackupSpec::default());
    let twin = LeftOut::Cohabits(GroupResource::new("", "events"));
    assert_eq!(plan.left_out, [(resource("events.k8s.io", "events", true), twin)]);
}

#[test]
fn an_excluded_twin_does_not_count() {
    let plan = plan(&BackupSpec {
        excluded_resources: vec!["events".to_owned()],
        ..BackupSpec::default()
    });
    assert!(names(&plan.streamed).contains(&"events.events.k8s.io"));
}

#[test]
fn cluster_scoped_types_are_listed_once_others_by_scope() {
    let plan = plan(&BackupSpec::default());
    for planned in plan.staged.iter().chain(&plan.streamed) {
        let one_by_one = planned.scope != Scope::Cluster;
        assert_eq!(one_by_one, planned.type_.resource.namespaced, "{}", planned.type_.name);
    }
}

#[test]
fn types_that_the_filters_exclude_are_named() {
    let spec = BackupSpec {
        included_resources: vec!["pods".to_owned()],
        ..BackupSpec::default()
    };
    let plan = plan(&spec);
    assert_eq!(names(&plan.staged), ["pods"]);
    assert_eq!(names(&plan.streamed), [""; 0]);
    assert_eq!(plan.left_out.len(), 8);
}

#[test]
fn versions_other_than_the_preferred_are_streamed() {
    let old = Resource {
        version: "v1beta1".to_owned(),
        ..resource("", "pods", true)
    };
    let discovery = Discovery::from_resources([resource("", "pods", true), old]);
    let lists = TypeLists::default();
    let filter = ResourceFilter::new(lists, PolicyLists::default(), &NamespaceFilter::default(), &|_| None);
    let types = Types::new(&discovery, &filter, &ActionTable::default());
    let ordered = BTreeMap::from([("pods".to_owned(), "a/b".to_owned())]);
    let plan = Plan::new(discovery.all_versions(), &types, &Scope::Cluster, &ordered);
    let versions = |planned: &[Planned]| -> Vec<(String, bool)> {
        let of = |planned: &Planned| (planned.type_.version.to_string(), planned.type_.preferred);
        planned.iter().map(of).collect()
    };
    assert_eq!(versions(&plan.staged), [("v1".to_owned(), true)]);
    assert_eq!(versions(&plan.streamed), [("v1beta1".to_owned(), false)]);
}
