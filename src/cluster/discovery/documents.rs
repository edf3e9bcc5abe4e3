//! The discovery documents of an API server, in their aggregated form and in the older one.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};

use super::{Group, GroupVersion, Resource};

/// The answers of the two roots (`/api`, `/apis`), by the form that was asked for and those that the server knows.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
pub(super) enum Root {
    /// Everything at once (Kubernetes 1.26 and later).
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated(Aggregated),
    /// `/apis` of an older server.
    #[serde(rename = "APIGroupList")]
    Groups(Groups),
    /// `/api` of an older server.
    #[serde(rename = "APIVersions")]
    CoreVersions(CoreVersions),
}

#[derive(Debug, Deserialize)]
pub(super) struct Aggregated {
    #[serde(default, deserialize_with = "null_as_default")]
    items: Vec<AggregatedGroup>,
}

#[derive(Debug, Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: Named,
    #[serde(default, deserialize_with = "null_as_default")]
    versions: Vec<AggregatedVersion>,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    /// Absent for the core group.
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default, deserialize_with = "null_as_default")]
    resources: Vec<AggregatedResource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    /// Absent, or without a kind, where the server does not know the type but only its subresources.
    #[serde(default, deserialize_with = "null_as_default")]
    response_kind: ResponseKind,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    singular_resource: String,
    #[serde(default, deserialize_with = "null_as_default")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    short_names: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    subresources: Vec<Subresource>,
}

#[derive(Debug, Default, Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Subresource {
    #[serde(default)]
    subresource: String,
}

impl Aggregated {
    pub(super) fn into_groups(self) -> Vec<Group> {
        let groups = self.items.into_iter().map(|group| {
            let name = group.metadata.name;
            let versions = group
                .versions
                .into_iter()
                .map(|version| version.into_version(&name))
                .collect();
            Group { name, versions }
        });
        groups.collect()
    }
}

impl AggregatedVersion {
    fn into_version(self, group: &str) -> GroupVersion {
        let Self {
            version,
            resources,
            freshness,
        } = self;
        // As client-go: a stale document may be long out of date, so the group counts as failed.
        if freshness == "Stale" {
            let reason = "its discovery document is stale: check the API service behind it".to_owned();
            return GroupVersion {
                version,
                resources: Err(reason),
            };
        }
        let known = resources
            .into_iter()
            .filter(|resource| !resource.response_kind.kind.is_empty());
        let resources = known.map(|resource| Resource {
            group: group.to_owned(),
            version: version.clone(),
            plural: resource.resource,
            kind: resource.response_kind.kind,
            singular: resource.singular_resource,
            short_names: resource.short_names,
            namespaced: resource.scope == "Namespaced",
            verbs: resource.verbs,
            has_status: resource.subresources.iter().any(|sub| sub.subresource == "status"),
        });
        let resources = Ok(resources.collect());
        GroupVersion { version, resources }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Groups {
    #[serde(default, deserialize_with = "null_as_default")]
    groups: Vec<OldGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldGroup {
    name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    versions: Vec<OldVersion>,
    #[serde(default, deserialize_with = "null_as_default")]
    preferred_version: OldVersion,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct OldVersion {
    #[serde(default)]
    version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CoreVersions {
    #[serde(default, deserialize_with = "null_as_default")]
    pub versions: Vec<String>,
}

impl Groups {
    /// Names and versions of the groups, the preferred version first.
    pub(super) fn into_versions(self) -> Vec<(String, Vec<String>)> {
        let groups = self.groups.into_iter().map(
            |OldGroup {
                 name,
                 mut versions,
                 preferred_version,
             }| {
                versions.sort_by_key(|version| *version != preferred_version); // stable
                (name, versions.into_iter().map(|version| version.version).collect())
            },
        );
        groups.collect()
    }
}

/// The types of one group version, as older servers list them.
#[derive(Debug, Deserialize)]
pub(super) struct ResourceList {
    #[serde(default, deserialize_with = "null_as_default")]
    resources: Vec<OldResource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldResource {
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    kind: String,
    #[serde(default, deserialize_with = "null_as_default")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    short_names: Vec<String>,
}

impl ResourceList {
    pub(super) fn into_resources(self, group: &str, version: &str) -> Vec<Resource> {
        let (subresources, resources): (Vec<_>, Vec<_>) =
            self.resources.into_iter().partition(|r| r.name.contains('/'));
        let with_status: BTreeSet<&str> = subresources
            .iter()
            .filter_map(|r| r.name.strip_suffix("/status"))
            .collect();
        let resources = resources.into_iter().map(|resource| Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            has_status: with_status.contains(resource.name.as_str()),
            plural: resource.name,
            kind: resource.kind,
            singular: resource.singular_name,
            short_names: resource.short_names,
            namespaced: resource.namespaced,
            verbs: resource.verbs,
        });
        resources.collect()
    }
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn root(value: serde_json::Value) -> Root {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_aggregated_document_has_types_status_and_staleness() {
        let document = json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
            "items": [
                {"metadata": {"name": "apps", "creationTimestamp": null}, "versions": [{
                    "version": "v1", "freshness": "Current",
                    "resources": [
                        {
                            "resource": "deployments", "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                            "scope": "Namespaced", "singularResource": "deployment", "shortNames": ["deploy"],
                            "verbs": ["create", "get"],
                            "subresources": [{"subresource": "scale"}, {"subresource": "status"}],
                        },
                        {"resource": "nameless", "responseKind": null, "scope": "Cluster", "verbs": null},
                        {"resource": "roots", "responseKind": {"kind": "Root"}, "scope": "Cluster", "subresources": null},
                    ],
                }]},
                {"metadata": {"name": "metrics.k8s.io"}, "versions": [
                    {"version": "v1beta1", "freshness": "Stale", "resources": [{"resource": "pods"}]},
                ]},
            ],
        });
        let Root::Aggregated(aggregated) = root(document) else {
            panic!()
        };
        let groups = aggregated.into_groups();
        assert_eq!(
            groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(),
            ["apps", "metrics.k8s.io"]
        );
        let resources = groups[0].versions[0].resources.as_ref().unwrap();
        assert_eq!(
            resources[0],
            Resource {
                group: "apps".into(),
                version: "v1".into(),
                plural: "deployments".into(),
                kind: "Deployment".into(),
                singular: "deployment".into(),
                short_names: vec!["deploy".into()],
                namespaced: true,
                verbs: vec!["create".into(), "get".into()],
                has_status: true,
            }
        );
        assert_eq!(resources.len(), 2);
        assert!(!resources[1].namespaced && !resources[1].has_status);
        assert!(groups[1].versions[0].resources.as_ref().unwrap_err().contains("stale"));
    }

    #[test]
    fn an_older_server_lists_groups_and_then_types() {
        let Root::Groups(groups) = root(json!({"kind": "APIGroupList", "groups": [
            {"name": "batch", "versions": [{"version": "v1beta1"}, {"version": "v1"}, {"version": "v1alpha1"}],
             "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"}},
            {"name": "odd", "versions": null, "preferredVersion": null},
        ]})) else {
            panic!()
        };
        let versions = groups.into_versions();
        assert_eq!(
            versions[0],
            ("batch".into(), vec!["v1".into(), "v1beta1".into(), "v1alpha1".into()])
        );
        assert_eq!(versions[1], ("odd".into(), vec![]));

        let list: ResourceList = serde_json::from_value(json!({"resources": [
            {"name": "jobs/status", "namespaced": true, "kind": "Job", "verbs": ["get"]},
            {"name": "jobs", "singularName": "", "namespaced": true, "kind": "Job", "verbs": ["get"], "shortNames": null},
            {"name": "cronjobs", "namespaced": true, "kind": "CronJob", "verbs": ["list"], "shortNames": ["cj"]},
        ]}))
        .unwrap();
        let resources = list.into_resources("batch", "v1");
        assert_eq!(resources.len(), 2);
        assert!(resources[0].has_status && resources[0].plural == "jobs" && resources[0].api_version() == "batch/v1");
        assert!(!resources[1].has_status && resources[1].short_names == ["cj"]);

        let Root::CoreVersions(core) = root(json!({"kind": "APIVersions", "versions": ["v1"]})) else {
            panic!()
        };
        assert_eq!(core.versions, ["v1"]);
    }

    #[test]
    fn another_document_is_refused() {
        assert!(serde_json::from_value::<Root>(json!({"kind": "Status"})).is_err());
        assert!(serde_json::from_value::<Root>(json!([])).is_err());
    }
}
