//! Asking the server for its discovery documents.

use futures::{StreamExt, stream};

use super::documents::{ResourceList, Root};
use super::{DiscoveryError, Group, GroupVersion};
use crate::cluster::request::Request;
use crate::cluster::{ApiError, Cluster};

/// Aggregated, else the older documents: the server answers with the first form that it knows.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";

/// Group versions asked for at once, of older servers.
const AT_ONCE: usize = 16;

/// All groups, core first, as the server orders them.
pub(super) async fn groups(cluster: &Cluster) -> Result<Vec<Group>, DiscoveryError> {
    let (core, others) = futures::try_join!(root(cluster, "/api"), root(cluster, "/apis"))?;
    let mut groups = Vec::new();
    for root in [core, others] {
        match root {
            Root::Aggregated(aggregated) => groups.extend(aggregated.into_groups()),
            Root::Groups(list) => groups.extend(one_by_one(cluster, list.into_versions()).await),
            Root::CoreVersions(core) => {
                groups.extend(one_by_one(cluster, vec![(String::new(), core.versions)]).await);
            }
        }
    }
    Ok(groups)
}

async fn root(cluster: &Cluster, path: &'static str) -> Result<Root, DiscoveryError> {
    let request = Request::get(path, format!("read `{path}`")).accepting(ACCEPT);
    let answer = request.send(cluster).await?;
    serde_json::from_slice(&answer).map_err(|e| DiscoveryError::Document {
        path,
        reason: e.to_string(),
    })
}

async fn one_by_one(cluster: &Cluster, groups: Vec<(String, Vec<String>)>) -> Vec<Group> {
    let mut found: Vec<Group> = groups
        .iter()
        .map(|(name, _)| Group {
            name: name.clone(),
            versions: Vec::new(),
        })
        .collect();
    let versions = groups.into_iter().enumerate();
    let versions = versions.flat_map(|(at, (name, versions))| versions.into_iter().map(move |v| (at, name.clone(), v)));
    let mut answers = stream::iter(versions)
        .map(|(at, group, version)| async move {
            let resources = resources(cluster, &group, &version).await.map_err(|e| e.message);
            (at, GroupVersion { version, resources })
        })
        .buffered(AT_ONCE); // keeps the order
    while let Some((at, version)) = answers.next().await {
        found[at].versions.push(version);
    }
    found
}

async fn resources(cluster: &Cluster, group: &str, version: &str) -> Result<Vec<super::Resource>, ApiError> {
    let path = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    };
    let request = Request::get(path.as_str(), format!("read `{path}`"));
    let answer = request.send(cluster).await?;
    let list: ResourceList = serde_json::from_slice(&answer).map_err(|e| request.unreadable(&e))?;
    Ok(list.into_resources(group, version))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Response, StatusCode};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::discovery::Discovery;

    /// A server that answers by path.
    fn server(answer: impl Fn(&str) -> (u16, Value) + Clone + Send + 'static) -> Cluster {
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (code, body) = answer(request.uri().path());
            async move {
                let mut response = Response::new(Body::from(body.to_string().into_bytes()));
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        Cluster::from_client(Client::new(service, "default"))
    }

    fn names(discovery: &Discovery) -> Vec<String> {
        discovery
            .all()
            .iter()
            .map(|r| format!("{}/{}", r.api_version(), r.plural))
            .collect()
    }

    #[tokio::test]
    async fn an_older_server_is_read_version_by_version() {
        let cluster = server(|path| match path {
            "/api" => (200, json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => (
                200,
                json!({"kind": "APIGroupList", "groups": [
                    {"name": "apps", "versions": [{"version": "v1beta1"}, {"version": "v1"}], "preferredVersion": {"version": "v1"}},
                    {"name": "metrics.k8s.io", "versions": [{"version": "v1beta1"}]},
                ]}),
            ),
            "/api/v1" => (
                200,
                json!({"resources": [{"name": "pods", "kind": "Pod", "namespaced": true}]}),
            ),
            "/apis/apps/v1" | "/apis/apps/v1beta1" => (
                200,
                json!({"resources": [{"name": "deployments", "kind": "Deployment"}]}),
            ),
            "/apis/metrics.k8s.io/v1beta1" => (503, json!({"kind": "Status", "message": "no endpoints"})),
            other => panic!("{other}"),
        });
        let discovery = Discovery::read(&cluster).await.unwrap();
        assert_eq!(
            names(&discovery),
            ["v1/pods", "apps/v1/deployments", "apps/v1beta1/deployments"]
        );
        let failed: Vec<_> = discovery.failed_groups().iter().collect();
        assert_eq!(
            failed,
            [(&"metrics.k8s.io/v1beta1".to_owned(), &"no endpoints".to_owned())]
        );
    }

    #[tokio::test]
    async fn a_kind_is_found_in_another_version_if_the_preferred_fails() {
        let document = |version: &str, freshness: &str| {
            json!({"version": version, "freshness": freshness, "resources": [
                {"resource": "things", "responseKind": {"kind": "Thing"}, "verbs": ["list", "create", "get", "delete"]},
            ]})
        };
        let list = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "example.org"}, "versions": [document("v2", "Stale"), document("v1", "Current")]},
        ]});
        let cluster = server(move |path| match path {
            "/api" => (200, json!({"kind": "APIGroupDiscoveryList", "items": []})),
            _ => (200, list.clone()),
        });
        let discovery = Discovery::read(&cluster).await.unwrap();
        assert_eq!(discovery.preferred()[0].version, "v1");
        assert!(discovery.failed_groups()["example.org/v2"].contains("stale"));
    }

    #[tokio::test]
    async fn a_refusal_or_another_kind_of_server_is_an_error() {
        let refusing = server(|_| (403, json!({"message": "no", "reason": "Forbidden"})));
        let error = Discovery::read(&refusing).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "discover what the API server serves: read `/api`: no"
        );
        let other = server(|_| (200, json!({"hello": "world"})));
        let error = Discovery::read(&other).await.unwrap_err().to_string();
        assert!(
            error.contains("the answer of `/api` is not a discovery document"),
            "{error}"
        );
    }
}
