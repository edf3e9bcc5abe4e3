//! What the API server serves: an immutable snapshot, read as client-go's *server preferred resources* and REST mapper do.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::{ApiError, Cluster};

/// A resource type without a version: what archives and filters speak of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupResource {
    /// Empty for the core group.
    pub group: String,
    /// The plural name.
    pub resource: String,
}

/// A resource type in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `deployments`
    pub plural: String,
    /// `Deployment`
    pub kind: String,
    /// `deployment`; empty where an old server does not say.
    pub singular: String,
    /// `deploy`
    pub short_names: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// `get`, `list`, …
    pub verbs: Vec<String>,
    /// Whether the type has a status subresource.
    pub has_status: bool,
}

/// What a server served at one moment.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    all: Vec<Resource>,
    preferred: Vec<Resource>,
    all_versions: Vec<Resource>,
    failed_groups: BTreeMap<String, String>,
}

/// Discovery that could not be read at all. Single groups that fail do not lead here.
#[derive(Clone, Debug, thiserror::Error)]
#[error("discover what the API server serves: {0}")]
pub struct DiscoveryError(#[from] pub ApiError);

impl GroupResource {
    /// From the group (empty for core) and the plural.
    pub fn new(group: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            resource: resource.into(),
        }
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

impl FromStr for GroupResource {
    type Err = Infallible;

    /// `deployments.apps`, `pods`: all after the first dot is the group.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self::new(group, resource))
    }
}

impl Resource {
    /// The type without its version.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(&self.group, &self.plural)
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether the server offers this verb for the type.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|offered| offered == verb)
    }

    /// The path of the collection, or of one object; names are percent-encoded. `namespace` is ignored for cluster-scoped
    /// types; without it a namespaced type's path spans all namespaces.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let _ = (namespace, name);
        todo!("skeleton")
    }
}

impl Discovery {
    /// Asks the server. A group that cannot be read is left out and reported by [`Discovery::failed_groups`].
    pub async fn read(cluster: &Cluster) -> Result<Self, DiscoveryError> {
        let _ = cluster;
        todo!("skeleton")
    }

    /// A snapshot of these types. Groups and versions are taken in the order given: the first version of a group is its
    /// preferred one.
    pub fn from_resources(resources: impl IntoIterator<Item = Resource>) -> Self {
        let _ = resources.into_iter();
        todo!("skeleton")
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

    /// Everything that is served, in the server's order, whatever its verbs.
    pub fn all(&self) -> &[Resource] {
        &self.all
    }

    /// Group versions (`metrics.k8s.io/v1beta1`) that could not be read or are stale, with the reason.
    pub fn failed_groups(&self) -> &BTreeMap<String, String> {
        &self.failed_groups
    }

    /// The type a person means: plural, singular or short name, with or without the group or the beginning of it
    /// (`deploy`, `deployments.apps`, `storageclass.storage`). In the version the server prefers.
    pub fn resolve(&self, name: &str) -> Option<&Resource> {
        let _ = name;
        todo!("skeleton")
    }

    /// The type of an object.
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let _ = (api_version, kind);
        todo!("skeleton")
    }

    /// The type in the version the server prefers.
    pub fn preferred_version(&self, group_resource: &GroupResource) -> Option<&Resource> {
        let _ = group_resource;
        todo!("skeleton")
    }

    /// The versions in which a type is served, the preferred one first.
    pub fn versions(&self, group_resource: &GroupResource) -> Vec<&str> {
        let _ = group_resource;
        todo!("skeleton")
    }
}
