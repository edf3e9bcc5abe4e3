//! Whether an object matches its path in the archive. The filters and the target use the path, so an object with other names must
//! not be restored under it.

use serde_json::Value;

use super::metadata;
use crate::archive::layout::ItemPath;

/// How an object differs from its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// No `apiVersion`, `kind` or `metadata`.
    #[error("it is not a Kubernetes object")]
    NoObject,
    /// The name, or the namespace, is another one.
    #[error("the object is named `{0}`")]
    Name(String),
    /// The API group is another one.
    #[error("the object has API version `{0}`")]
    Group(String),
    /// The kind is not that of the type.
    #[error("the object is a `{0}`")]
    Kind(String),
}

/// Checks an object against its path; `kind` is that of the path's type, if the cluster serves it.
pub fn check(object: &Value, path: &ItemPath<'_>, kind: Option<&str>) -> Result<(), Mismatch> {
    let text = |key| object.get(key).and_then(Value::as_str);
    let (Some(api_version), Some(own_kind)) = (text("apiVersion"), text("kind")) else {
        return Err(Mismatch::NoObject);
    };
    if !object.get("metadata").is_some_and(Value::is_object) {
        return Err(Mismatch::NoObject);
    }
    let name = metadata::field(object, "name").unwrap_or_default();
    let namespace = metadata::field(object, "namespace").filter(|namespace| !namespace.is_empty());
    if name != path.name || namespace != path.namespace {
        let full = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        return Err(Mismatch::Name(full));
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let path_group = path.group_resource.split_once('.').map_or("", |(_, group)| group);
    if group != path_group {
        return Err(Mismatch::Group(api_version.to_owned()));
    }
    if kind.is_some_and(|kind| kind != own_kind) {
        return Err(Mismatch::Kind(own_kind.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_must_be_what_its_path_says() {
        let path = ItemPath {
            group_resource: "deployments.apps",
            namespace: Some("shop"),
            name: "web",
        };
        let object = |version: &str, kind: &str, namespace: &str, name: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        let table = [
            (
                object("apps/v1", "Deployment", "shop", "web"),
                Some("Deployment"),
                Ok(()),
            ),
            (object("apps/v1", "Deployment", "shop", "web"), None, Ok(())),
            (
                object("apps/v1beta1", "Deployment", "shop", "web"),
                Some("Deployment"),
                Ok(()),
            ),
            (
                object("apps/v1", "Deployment", "kube-system", "web"),
                None,
                Err(Mismatch::Name("kube-system/web".to_owned())),
            ),
            (
                object("apps/v1", "Deployment", "", "web"),
                None,
                Err(Mismatch::Name("web".to_owned())),
            ),
            (
                object("apps/v1", "Deployment", "shop", "db"),
                None,
                Err(Mismatch::Name("shop/db".to_owned())),
            ),
            (
                object("v1", "Secret", "shop", "web"),
                None,
                Err(Mismatch::Group("v1".to_owned())),
            ),
            (
                object("apps/v1", "DaemonSet", "shop", "web"),
                Some("Deployment"),
                Err(Mismatch::Kind("DaemonSet".to_owned())),
            ),
            (json!({"kind": "Deployment"}), None, Err(Mismatch::NoObject)),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": null}),
                None,
                Err(Mismatch::NoObject),
            ),
            (json!(["odd"]), None, Err(Mismatch::NoObject)),
        ];
        for (object, kind, expected) in table {
            assert_eq!(check(&object, &path, kind), expected, "{object}");
        }
    }

    #[test]
    fn a_cluster_scoped_object_has_no_namespace() {
        let path = ItemPath {
            group_resource: "nodes",
            namespace: None,
            name: "n",
        };
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
        assert_eq!(check(&node, &path, Some("Node")), Ok(()));
        let odd = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "namespace": "a"}});
        assert_eq!(check(&odd, &path, Some("Node")), Err(Mismatch::Name("a/n".to_owned())));
    }
}
