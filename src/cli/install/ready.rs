//! Waiting for the server after an installation.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

/// How long the Deployment may take.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Waits until the server's Deployment has all its pods ready, at most three minutes.
pub(super) async fn deployment_is_available(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let mut changes = watcher::watch_object(api, "velero").default_backoff().boxed();
    let mut latest = None;
    let available = async {
        while let Some(change) = changes.next().await {
            // A watch that fails is begun anew by its backoff.
            if let Ok(Some(deployment)) = change {
                if is_available(&deployment) {
                    return Ok(());
                }
                latest = Some(deployment);
            }
        }
        bail!("the watch of the deployment ended")
    };
    match tokio::time::timeout(TIMEOUT, available).await {
        Ok(result) => result,
        Err(_) => bail!(
            "the deployment was not ready within {} s: {}; look at `kubectl describe pods -n {namespace} -l deploy=velero`",
            TIMEOUT.as_secs(),
            latest.as_ref().map_or_else(|| "it does not exist".to_owned(), why_not)
        ),
    }
    .context("error waiting for deployment to be ready")
}

/// All pods are of the newest template, and ready: the readiness probe answers only when the server works.
fn is_available(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let seen = status.observed_generation >= deployment.metadata.generation;
    seen && status.updated_replicas.unwrap_or(0) >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
        && status.unavailable_replicas.unwrap_or(0) == 0
}

fn why_not(deployment: &Deployment) -> String {
    let conditions = deployment
        .status
        .as_ref()
        .and_then(|status| status.conditions.clone())
        .unwrap_or_default();
    let unmet: Vec<String> = conditions
        .into_iter()
        .filter(|condition| condition.status != "True")
        .map(|condition| condition.message.or(condition.reason).unwrap_or(condition.type_))
        .collect();
    if unmet.is_empty() {
        "its pods are not ready".to_owned()
    } else {
        unmet.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: &serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "velero", "generation": 2},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn old_pods_do_not_count() {
        let cases = [
            (
                json!({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1}),
                true,
            ),
            (
                json!({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}),
                false,
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 0, "availableReplicas": 1}),
                false,
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1, "unavailableReplicas": 1}),
                false,
            ),
            (json!({}), false),
        ];
        for (status, want) in cases {
            assert_eq!(is_available(&deployment(&status)), want, "{status}");
        }
    }

    #[test]
    fn the_reason_names_what_the_deployment_says() {
        let waiting = deployment(&json!({"conditions": [
            {"type": "Available", "status": "False", "message": "no minimum availability"},
            {"type": "Progressing", "status": "True"},
        ]}));
        assert_eq!(why_not(&waiting), "no minimum availability");
        assert_eq!(why_not(&deployment(&json!({}))), "its pods are not ready");
    }
}
