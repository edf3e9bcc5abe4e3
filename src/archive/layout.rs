//! Names inside the tarball, both directions, and its format versions (spec backup 15, restore 5).

use std::fmt;

/// First entry of every archive; its content is a [`FormatVersion`] and a newline.
pub const VERSION_PATH: &str = "metadata/version";

/// The directory that holds the items. Its absence is a state of its own: a backup of nothing.
pub const RESOURCES: &str = "resources";

const CLUSTER: &str = "cluster";
const NAMESPACES: &str = "namespaces";
const PREFERRED: &str = "-preferredversion";
const JSON: &str = ".json";

/// What identifies an item in an archive: resource, namespace (`None` for cluster scope) and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemPath<'a> {
    /// `pods`, `deployments.apps`: plural, and the group unless it is the core one.
    pub group_resource: &'a str,
    /// `None` for a cluster-scoped object.
    pub namespace: Option<&'a str>,
    /// The object's name, without `.json`.
    pub name: &'a str,
}

impl fmt::Display for ItemPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.group_resource)?;
        if let Some(namespace) = self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(self.name)
    }
}

/// Which of an item's copies a path names.
///
/// The plain copy always holds the preferred version of the cluster that was backed up; the versioned copies exist from format 1.1.0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemCopy<'a> {
    /// `resources/<gr>/{cluster,namespaces}/…`
    Plain,
    /// `resources/<gr>/<version>[-preferredversion]/{cluster,namespaces}/…`
    Versioned {
        /// `v1`, `v1beta1`: the version the object was read at.
        version: &'a str,
        /// Whether that was the cluster's preferred version.
        preferred: bool,
    },
}

/// What a path in an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// [`VERSION_PATH`].
    FormatVersion,
    /// One copy of an item.
    Item(ItemPath<'a>, ItemCopy<'a>),
    /// A file below [`RESOURCES`] that fits no rule; readers log a warning and continue.
    Stray,
    /// A file outside of [`RESOURCES`] that this release does not know.
    Other,
}

/// A name that cannot be part of a path in an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot name {part} `{value}` in a backup archive: it is empty, a dot segment, or has a slash or a NUL")]
pub struct UnsafeName {
    /// Which part: `resource`, `version`, `namespace` or `name`.
    pub part: &'static str,
    /// The offending value.
    pub value: String,
}

/// `resources/<gr>/namespaces/<ns>/<name>.json` or `resources/<gr>/cluster/<name>.json`.
pub fn plain_path(item: &ItemPath<'_>) -> Result<String, UnsafeName> {
    path(item, None)
}

/// The plain path with `<version>` or `<version>-preferredversion` after the resource.
pub fn versioned_path(item: &ItemPath<'_>, version: &str, preferred: bool) -> Result<String, UnsafeName> {
    path(item, Some((version, preferred)))
}

/// The paths of all copies that are written of an item, in their order: plain and versioned, or only versioned if the version is not the preferred one.
pub fn copies(item: &ItemPath<'_>, version: &str, preferred: bool) -> Result<Vec<String>, UnsafeName> {
    let versioned = versioned_path(item, version, preferred)?;
    Ok(if preferred {
        vec![plain_path(item)?, versioned]
    } else {
        vec![versioned]
    })
}

fn path(item: &ItemPath<'_>, version: Option<(&str, bool)>) -> Result<String, UnsafeName> {
    let mut path = format!("{RESOURCES}/{}/", safe("resource", item.group_resource)?);
    if let Some((version, preferred)) = version {
        path += safe("version", version)?;
        if preferred {
            path += PREFERRED;
        }
        path += "/";
    }
    match item.namespace {
        None => path += CLUSTER,
        Some(namespace) => {
            path += NAMESPACES;
            path += "/";
            path += safe("namespace", namespace)?;
        }
    }
    path += "/";
    path += safe("name", item.name)?;
    path += JSON;
    Ok(path)
}

fn safe<'a>(part: &'static str, value: &'a str) -> Result<&'a str, UnsafeName> {
    if value.is_empty() || value == "." || value == ".." || value.contains(['/', '\0']) {
        return Err(UnsafeName {
            part,
            value: value.to_owned(),
        });
    }
    Ok(value)
}

/// Returns what a path is; a path that fits no rule is [`Member::Stray`] or [`Member::Other`].
///
/// The path must be clean (relative, no dot segments); the reader has checked that.
pub fn parse_path(path: &str) -> Member<'_> {
    if path == VERSION_PATH {
        return Member::FormatVersion;
    }
    let Some(rest) = path.strip_prefix(RESOURCES).and_then(|rest| rest.strip_prefix('/')) else {
        return if path == RESOURCES {
            Member::Stray
        } else {
            Member::Other
        };
    };
    parse_item(rest).unwrap_or(Member::Stray)
}

fn parse_item(rest: &str) -> Option<Member<'_>> {
    let (group_resource, rest) = rest.split_once('/')?;
    let (first, below) = rest.split_once('/')?;
    let (copy, scope, below) = if first == CLUSTER || first == NAMESPACES {
        (ItemCopy::Plain, first, below)
    } else {
        let (scope, below) = below.split_once('/')?;
        let copy = match first.strip_suffix(PREFERRED) {
            Some(version) => ItemCopy::Versioned {
                version,
                preferred: true,
            },
            None => ItemCopy::Versioned {
                version: first,
                preferred: false,
            },
        };
        (copy, scope, below)
    };
    let (namespace, file) = match scope {
        CLUSTER => (None, below),
        NAMESPACES => below.split_once('/').map(|(namespace, file)| (Some(namespace), file))?,
        _ => return None,
    };
    let name = file.strip_suffix(JSON)?;
    if name.is_empty() || name.contains('/') || group_resource.is_empty() || namespace == Some("") {
        return None;
    }
    if let ItemCopy::Versioned { version: "", .. } = copy {
        return None;
    }
    Some(Member::Item(
        ItemPath {
            group_resource,
            namespace,
            name,
        },
        copy,
    ))
}

/// The format of an archive, from its first entry: `1` (plain copies only) or `1.1.0` (with versioned copies).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatVersion {
    /// Readers refuse a major they do not know.
    pub major: u32,
    /// Additions that readers of the same major may ignore.
    pub minor: u32,
    /// Has no meaning so far.
    pub patch: u32,
}

impl FormatVersion {
    /// The oldest format; also that of an archive without [`VERSION_PATH`].
    pub const FIRST: Self = Self {
        major: 1,
        minor: 0,
        patch: 0,
    };
    /// What is written: since Velero 1.4 there are versioned copies.
    pub const CURRENT: Self = Self {
        major: 1,
        minor: 1,
        patch: 0,
    };

    /// Reads the content of [`VERSION_PATH`]; `None` if it is not a version.
    pub fn parse(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?.trim();
        let mut parts = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .map(|part| part.parse().ok());
        let version = Self {
            major: parts.next()??,
            minor: parts.next().unwrap_or(Some(0))?,
            patch: parts.next().unwrap_or(Some(0))?,
        };
        parts.next().is_none().then_some(version)
    }

    /// Whether this release can read such an archive.
    pub fn is_readable(self) -> bool {
        self.major == Self::CURRENT.major
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(group_resource: &'a str, namespace: Option<&'a str>, name: &'a str) -> ItemPath<'a> {
        ItemPath {
            group_resource,
            namespace,
            name,
        }
    }

    #[test]
    fn paths_are_those_of_every_velero_release() {
        let cases = [
            (
                item("pods", Some("shop"), "web"),
                "resources/pods/",
                "namespaces/shop/web.json",
            ),
            (
                item("deployments.apps", Some("shop"), "web"),
                "resources/deployments.apps/",
                "namespaces/shop/web.json",
            ),
            (
                item("persistentvolumes", None, "pv"),
                "resources/persistentvolumes/",
                "cluster/pv.json",
            ),
            (
                item("clusterroles.rbac.authorization.k8s.io", None, "system:node"),
                "resources/clusterroles.rbac.authorization.k8s.io/",
                "cluster/system:node.json",
            ),
            // A namespace may have the name of a directory of the layout.
            (
                item("pods", Some("cluster"), "namespaces"),
                "resources/pods/",
                "namespaces/cluster/namespaces.json",
            ),
        ];
        for (item, start, end) in cases {
            let all = [
                (ItemCopy::Plain, plain_path(&item), format!("{start}{end}")),
                (
                    ItemCopy::Versioned {
                        version: "v1",
                        preferred: true,
                    },
                    versioned_path(&item, "v1", true),
                    format!("{start}v1-preferredversion/{end}"),
                ),
                (
                    ItemCopy::Versioned {
                        version: "v1beta1",
                        preferred: false,
                    },
                    versioned_path(&item, "v1beta1", false),
                    format!("{start}v1beta1/{end}"),
                ),
            ];
            for (copy, path, expected) in all {
                assert_eq!(path.unwrap(), expected);
                assert_eq!(parse_path(&expected), Member::Item(item, copy));
            }
        }
    }

    #[test]
    fn other_members_are_recognised_by_their_place() {
        let cases = [
            ("metadata/version", Member::FormatVersion),
            ("metadata/other", Member::Other),
            ("resourcesx/pods/cluster/a.json", Member::Other),
            ("resources", Member::Stray),
            ("resources/pods", Member::Stray),
            ("resources/pods/a.json", Member::Stray),
            ("resources/pods/cluster/a", Member::Stray),
            ("resources/pods/cluster/.json", Member::Stray),
            ("resources/pods/cluster/a/b.json", Member::Stray),
            ("resources/pods/namespaces/a.json", Member::Stray),
            ("resources/pods/namespaces//a.json", Member::Stray),
            ("resources/pods/namespaces/shop/a/b.json", Member::Stray),
            ("resources/pods/v1/a.json", Member::Stray),
            ("resources/pods/v1/other/a.json", Member::Stray),
            ("resources/pods/-preferredversion/cluster/a.json", Member::Stray),
        ];
        for (path, expected) in cases {
            assert_eq!(parse_path(path), expected, "{path}");
        }
    }

    #[test]
    fn names_that_escape_their_directory_are_refused_by_part() {
        for value in ["", ".", "..", "a/b", "/", "a\0"] {
            let cases = [
                ("resource", item(value, Some("ns"), "n"), "v1"),
                ("version", item("pods", Some("ns"), "n"), value),
                ("namespace", item("pods", Some(value), "n"), "v1"),
                ("name", item("pods", Some("ns"), value), "v1"),
            ];
            for (part, item, version) in cases {
                let expected = UnsafeName {
                    part,
                    value: value.to_owned(),
                };
                assert_eq!(versioned_path(&item, version, true), Err(expected.clone()));
                if part != "version" {
                    assert_eq!(plain_path(&item), Err(expected));
                }
            }
        }
    }
}
