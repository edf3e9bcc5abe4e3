//! Resource types, and the groups and versions that they are served in.

use std::convert::Infallible;
use std::fmt::{self, Write};
use std::str::FromStr;

use crate::cluster::ApiError;

/// A resource type without a version, as in archives and filters.
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

/// Discovery could not be read. A failure of a single group is not this error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The server refused or was not reached.
    #[error("discover what the API server serves: {0}")]
    Api(#[from] ApiError),
    /// The answer is not a discovery document; the address may not be that of an API server.
    #[error("discover what the API server serves: the answer of `{path}` is not a discovery document: {reason}")]
    Document {
        /// `/api` or `/apis`.
        path: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The versions of one group, the preferred one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) versions: Vec<GroupVersion>,
}

/// One version of a group: its types, or the error of reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupVersion {
    pub(super) version: String,
    pub(super) resources: Result<Vec<Resource>, String>,
}

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

    /// Whether it is this type, in any version.
    pub fn is(&self, group_resource: &GroupResource) -> bool {
        self.plural == group_resource.resource && self.group == group_resource.group
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
        let mut path = if self.group.is_empty() {
            "/api".to_owned()
        } else {
            format!("/apis/{}", self.group)
        };
        let namespace = namespace.filter(|_| self.namespaced);
        let segments = [
            Some(self.version.as_str()),
            namespace.map(|_| "namespaces"),
            namespace,
            Some(&self.plural),
            name,
        ];
        for segment in segments.into_iter().flatten() {
            path.push('/');
            push_segment(segment, &mut path);
        }
        path
    }
}

/// Most names need no encoding, but those of RBAC objects may hold almost anything.
fn push_segment(segment: &str, path: &mut String) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}
