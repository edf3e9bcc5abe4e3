//! What the API server serves: an immutable snapshot, read as client-go's *server preferred resources* and REST mapper do.

mod documents;
mod read;
mod resolve;
mod types;

pub use types::{DiscoveryError, GroupResource, Resource};

use std::collections::{BTreeMap, BTreeSet};

use super::Cluster;
use types::{Group, GroupVersion};

/// What a server served at one moment.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    all: Vec<Resource>,
    preferred: Vec<Resource>,
    all_versions: Vec<Resource>,
    failed_groups: BTreeMap<String, String>,
}

impl Discovery {
    /// Reads from the server: two requests with aggregated discovery, else one a group version. A group that cannot be
    /// read is left out and reported by [`Discovery::failed_groups`].
    pub async fn read(cluster: &Cluster) -> Result<Self, DiscoveryError> {
        Ok(Self::of_groups(read::groups(cluster).await?))
    }

    /// A snapshot of these types. Groups and versions are taken in the order given: the first version of a group is its
    /// preferred one.
    pub fn from_resources(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for resource in resources {
            let group = entry(
                &mut groups,
                |group| group.name == resource.group,
                || Group {
                    name: resource.group.clone(),
                    versions: Vec::new(),
                },
            );
            let version = entry(
                &mut group.versions,
                |known| known.version == resource.version,
                || GroupVersion {
                    version: resource.version.clone(),
                    resources: Ok(Vec::new()),
                },
            );
            if let Ok(resources) = &mut version.resources {
                resources.push(resource);
            }
        }
        Self::of_groups(groups)
    }

    fn of_groups(groups: Vec<Group>) -> Self {
        let mut all = Vec::new();
        let mut failed_groups = BTreeMap::new();
        for group in groups {
            for GroupVersion { version, resources } in group.versions {
                match resources {
                    Ok(resources) => all.extend(resources),
                    Err(reason) => {
                        let core = group.name.is_empty();
                        let name = if core {
                            version
                        } else {
                            format!("{}/{version}", group.name)
                        };
                        failed_groups.insert(name, reason);
                    }
                }
            }
        }
        let mut seen = BTreeSet::new();
        // Versions come in order of preference, so the first sight of a type is the one to take.
        let first_sight = all.iter().filter(|resource| seen.insert(resource.group_resource()));
        let preferred = in_backup_order(first_sight);
        let all_versions = in_backup_order(all.iter());
        Self {
            all,
            preferred,
            all_versions,
            failed_groups,
        }
    }

    /// The types a backup considers, one version each (the group's preferred one, else the newest that serves the type),
    /// that can be listed, created, got and deleted; in upstream's order (spec backup 7.1).
    pub fn preferred(&self) -> &[Resource] {
        &self.preferred
    }

    /// As [`Discovery::preferred`], with every version of a type.
    pub fn all_versions(&self) -> &[Resource] {
        &self.all_versions
    }

    /// Every served type with any verbs, in the server's order. No subresources.
    pub fn all(&self) -> &[Resource] {
        &self.all
    }

    /// Group versions (`metrics.k8s.io/v1beta1`) that could not be read or are stale, with the reason.
    pub fn failed_groups(&self) -> &BTreeMap<String, String> {
        &self.failed_groups
    }

    /// The type of an object.
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.all
            .iter()
            .find(|resource| resource.kind == kind && resource.version == version && resource.group == group)
    }

    /// The type in the version the server prefers.
    pub fn preferred_version(&self, group_resource: &GroupResource) -> Option<&Resource> {
        self.all.iter().find(|resource| resource.is(group_resource))
    }

    /// The versions in which a type is served, the preferred one first.
    pub fn versions(&self, group_resource: &GroupResource) -> Vec<&str> {
        let served = self.all.iter().filter(|resource| resource.is(group_resource));
        served.map(|resource| resource.version.as_str()).collect()
    }
}

/// The item that fits; if there is none, it is added at the end.
fn entry<T>(items: &mut Vec<T>, fits: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> &mut T {
    let at = items.iter().position(fits).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    });
    &mut items[at]
}

/// The types that a backup can handle, in upstream's order: groups in the server's order with `extensions` last; in core first
/// the types that the volumes of pods depend on (spec backup 7.1).
fn in_backup_order<'a>(resources: impl Iterator<Item = &'a Resource>) -> Vec<Resource> {
    let backed_up = |resource: &&Resource| {
        ["list", "create", "get", "delete"]
            .iter()
            .all(|verb| resource.can(verb))
    };
    let mut ordered: Vec<Resource> = resources.filter(backed_up).cloned().collect();
    let mut groups: Vec<String> = Vec::new();
    for resource in &ordered {
        if !groups.contains(&resource.group) {
            groups.push(resource.group.clone());
        }
    }
    ordered.sort_by_cached_key(|resource| {
        let group = groups.iter().position(|group| *group == resource.group);
        let in_core = match resource.plural.as_str() {
            _ if !resource.group.is_empty() => 0,
            "pods" => 0,
            "persistentvolumeclaims" => 1,
            "persistentvolumes" => 2,
            _ => 3,
        };
        (resource.group == "extensions", group, in_core)
    });
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn resource(api_version: &str, plural: &str, kind: &str, short_names: &[&str]) -> Resource {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Resource {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            kind: kind.into(),
            singular: kind.to_lowercase(),
            short_names: short_names.iter().map(|name| (*name).to_owned()).collect(),
            namespaced: true,
            verbs: ["create", "delete", "get", "list", "patch"].map(str::to_owned).to_vec(),
            has_status: false,
        }
    }

    fn names(resources: &[Resource]) -> Vec<String> {
        resources
            .iter()
            .map(|resource| format!("{}.{}", resource.plural, resource.api_version()))
            .collect()
    }

    #[test]
    fn a_type_has_the_preferred_or_the_newest_version_that_has_it() {
        let discovery = Discovery::from_resources([
            resource(
                "autoscaling/v2",
                "horizontalpodautoscalers",
                "HorizontalPodAutoscaler",
                &[],
            ),
            resource(
                "autoscaling/v1",
                "horizontalpodautoscalers",
                "HorizontalPodAutoscaler",
                &[],
            ),
            resource("autoscaling/v1", "olds", "Old", &[]),
            resource("autoscaling/v1beta1", "olds", "Old", &[]),
        ]);
        assert_eq!(
            names(discovery.preferred()),
            ["horizontalpodautoscalers.autoscaling/v2", "olds.autoscaling/v1"]
        );
        assert_eq!(discovery.all_versions().len(), 4);
        let old = GroupResource::new("autoscaling", "olds");
        assert_eq!(discovery.versions(&old), ["v1", "v1beta1"]);
        assert_eq!(discovery.preferred_version(&old).unwrap().version, "v1");
        assert_eq!(discovery.preferred_version(&GroupResource::new("", "olds")), None);
    }

    #[test]
    fn the_order_is_upstreams() {
        let order = [
            ("v1", "configmaps"),
            ("v1", "persistentvolumes"),
            ("v1", "persistentvolumeclaims"),
            ("v1", "pods"),
            ("v1", "secrets"),
            ("extensions/v1beta1", "ingresses"),
            ("apps/v1", "pods"),
            ("apps/v1", "deployments"),
            ("batch/v1", "jobs"),
        ];
        let discovery = Discovery::from_resources(order.map(|(version, plural)| resource(version, plural, "K", &[])));
        assert_eq!(
            names(discovery.preferred()),
            [
                "pods.v1",
                "persistentvolumeclaims.v1",
                "persistentvolumes.v1",
                "configmaps.v1",
                "secrets.v1",
                "pods.apps/v1",
                "deployments.apps/v1",
                "jobs.batch/v1",
                "ingresses.extensions/v1beta1",
            ]
        );
        assert_eq!(
            names(discovery.all())[0],
            "configmaps.v1",
            "all keeps the server's order"
        );
    }

    #[test]
    fn types_without_create_or_delete_are_not_backed_up() {
        for missing in ["list", "create", "get", "delete"] {
            let mut resource = resource("v1", "things", "Thing", &[]);
            resource.verbs.retain(|verb| verb != missing);
            let discovery = Discovery::from_resources([resource]);
            assert_eq!(discovery.preferred(), []);
            assert_eq!(discovery.all_versions(), []);
            assert_eq!(discovery.all().len(), 1);
        }
    }

    #[test]
    fn an_object_is_found_by_its_kind() {
        let discovery = Discovery::from_resources([
            resource("v1", "events", "Event", &[]),
            resource("events.k8s.io/v1", "events", "Event", &[]),
        ]);
        assert_eq!(
            discovery.by_kind("events.k8s.io/v1", "Event").unwrap().group,
            "events.k8s.io"
        );
        assert_eq!(discovery.by_kind("v1", "Event").unwrap().group, "");
        assert_eq!(discovery.by_kind("v2", "Event"), None);
        assert_eq!(discovery.by_kind("v1", "Events"), None);
    }

    #[test]
    fn paths_name_collections_and_objects() {
        let pods = resource("v1", "pods", "Pod", &[]);
        let roles = Resource {
            namespaced: false,
            ..resource("rbac.authorization.k8s.io/v1", "clusterroles", "", &[])
        };
        let table = [
            (pods.path(None, None), "/api/v1/pods"),
            (pods.path(Some("shop"), None), "/api/v1/namespaces/shop/pods"),
            (pods.path(Some("shop"), Some("a")), "/api/v1/namespaces/shop/pods/a"),
            (
                roles.path(Some("shop"), None),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            ),
            (
                roles.path(None, Some("system:a b")),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b",
            ),
            (
                roles.path(None, Some("a?x#ü")),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%3Fx%23%C3%BC",
            ),
        ];
        for (path, expected) in table {
            assert_eq!(path, expected);
        }
    }

    #[test]
    fn names_of_types_are_read_and_written_alike() {
        for (text, group, resource) in [
            ("pods", "", "pods"),
            ("deployments.apps", "apps", "deployments"),
            ("a.b.c", "b.c", "a"),
            ("", "", ""),
        ] {
            let parsed: GroupResource = text.parse().unwrap();
            assert_eq!(parsed, GroupResource::new(group, resource));
            assert_eq!(parsed.to_string(), text);
        }
    }
}
