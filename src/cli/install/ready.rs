//! Waits for the server after an installation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

use crate::cli::terminal;

/// How long to wait for the Deployment.
const TIMEOUT: Duration = Duration::from_mins(3);
/// The label of the server's pods.
const PODS: &str = "deploy=velero";

/// Waits until all pods of the server's Deployment are ready, at most three minutes. The problem of a pod is printed at once: it may
/// be transient, but most often the user has to fix it.
pub(super) async fn deployment_is_available(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let mut waiting = Waiting::default();
    match tokio::time::timeout(TIMEOUT, waiting.watch(client, namespace)).await {
        Ok(result) => result,
        Err(_) => bail!(
            "the deployment was not ready within {} s: {}; check `kubectl describe pods -n {namespace} -l {PODS}`",
            TIMEOUT.as_secs(),
            waiting.why()
        ),
    }
    .context("error waiting for deployment to be ready")
}

/// The latest state.
#[derive(Default)]
struct Waiting {
    deployment: Option<Deployment>,
    /// The problems of pods, by name.
    problems: BTreeMap<String, String>,
    /// The lines that were printed already, as [`dedup_key`].
    printed: BTreeSet<String>,
}

impl Waiting {
    async fn watch(&mut self, client: &Client, namespace: &str) -> anyhow::Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let mut changes = watcher::watch_object(deployments, "velero").default_backoff().boxed();
        let ours = watcher::Config::default().labels(PODS);
        let mut pods = watcher::watcher(pods, ours).default_backoff().boxed();
        loop {
            // A failed watch is restarted by its backoff.
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(Some(deployment))) if is_available(&deployment) => return Ok(()),
                    Some(Ok(latest)) => {
                        if let Some(failure) = latest.as_ref().and_then(failure) {
                            self.print_once(&format!("Deployment velero: {failure}"))?;
                        }
                        self.deployment = latest;
                    }
                    Some(Err(_)) => {}
                    None => bail!("the watch of the deployment ended"),
                },
                event = pods.next() => match event {
                    Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) => self.observe(&pod)?,
                    Some(Ok(Event::Delete(pod))) => drop(self.problems.remove(&pod.name_any())),
                    Some(Ok(Event::Init | Event::InitDone) | Err(_)) => {}
                    None => bail!("the watch of the pods ended"),
                },
            }
        }
    }

    fn observe(&mut self, pod: &Pod) -> std::io::Result<()> {
        let name = pod.name_any();
        match problem(pod) {
            None => drop(self.problems.remove(&name)),
            Some(problem) => {
                self.print_once(&format!("Pod {name}: {problem}"))?;
                self.problems.insert(name, problem);
            }
        }
        Ok(())
    }

    /// Prints a line unless it was printed before. A pod alternates between its problems, so all printed lines are kept.
    fn print_once(&mut self, line: &str) -> std::io::Result<()> {
        if self.printed.insert(dedup_key(line)) {
            terminal::println(line)?;
        }
        Ok(())
    }

    fn why(&self) -> String {
        let problems: Vec<String> = self
            .problems
            .iter()
            .map(|(pod, problem)| format!("pod {pod:?}: {problem}"))
            .collect();
        if problems.is_empty() {
            self.deployment
                .as_ref()
                .map_or_else(|| "the deployment does not exist".to_owned(), why_not)
        } else {
            problems.join("; ")
        }
    }
}

/// Whether all pods are of the newest template and ready.
fn is_available(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let seen = status.observed_generation >= deployment.metadata.generation;
    seen && status.updated_replicas.unwrap_or(0) >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
        && status.unavailable_replicas.unwrap_or(0) == 0
}

/// The condition that is true when a Deployment cannot create its pods.
const FAILURE: &str = "ReplicaFailure";

/// The reason why a Deployment cannot create its pods, such as admission or a quota.
fn failure(deployment: &Deployment) -> Option<String> {
    let status = deployment.status.as_ref()?;
    // The condition of an older template does not apply to this one.
    if status.observed_generation < deployment.metadata.generation {
        return None;
    }
    let failing = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == FAILURE && condition.status == "True")?;
    Some(reason_and_message(
        failing.reason.as_deref(),
        failing.message.as_deref(),
    ))
}

/// A line without its digits (ports, seconds, back-offs) and the names of refused pods: these differ at each attempt.
fn dedup_key(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| !word.starts_with("\"velero-"));
    let words: Vec<String> = words
        .map(|word| word.chars().filter(|c| !c.is_ascii_digit()).collect())
        .collect();
    words.join(" ")
}

fn why_not(deployment: &Deployment) -> String {
    let conditions = deployment
        .status
        .as_ref()
        .and_then(|status| status.conditions.clone())
        .unwrap_or_default();
    if let Some(failure) = failure(deployment) {
        return failure;
    }
    let unmet: Vec<String> = conditions
        .into_iter()
        .filter(|condition| condition.status != "True" && condition.type_ != FAILURE)
        .map(|condition| condition.message.or(condition.reason).unwrap_or(condition.type_))
        .collect();
    if unmet.is_empty() {
        "its pods are not ready".to_owned()
    } else {
        unmet.join("; ")
    }
}

/// The reason why a pod does not run, from the scheduler or the kubelet.
fn problem(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        return Some(reason_and_message(
            condition.reason.as_deref(),
            condition.message.as_deref(),
        ));
    }
    let containers = [&status.init_container_statuses, &status.container_statuses];
    containers.into_iter().flatten().flatten().find_map(waiting_reason)
}

fn waiting_reason(container: &ContainerStatus) -> Option<String> {
    /// The reasons of a container that starts.
    const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    if STARTING.contains(&reason) {
        return None;
    }
    let mut text = reason_and_message(waiting.reason.as_deref(), waiting.message.as_deref());
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    if let Some(last) = last {
        text = format!("{text} (last exit code {})", last.exit_code);
    }
    Some(text)
}

fn reason_and_message(reason: Option<&str>, message: Option<&str>) -> String {
    let parts = [reason, message].into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(status: &Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "velero", "generation": 2},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn pods_of_an_old_template_do_not_count() {
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
    fn the_reason_is_the_message_of_the_deployment() {
        let waiting = deployment(&json!({"conditions": [
            {"type": "Available", "status": "False", "message": "no minimum availability"},
            {"type": "Progressing", "status": "True"},
        ]}));
        assert_eq!(why_not(&waiting), "no minimum availability");
        assert_eq!(why_not(&deployment(&json!({}))), "its pods are not ready");
    }

    #[test]
    fn a_deployment_that_cannot_create_pods_has_the_reason() {
        let refusal = "pods \"velero-1\" is forbidden: violates PodSecurity \"restricted:latest\"";
        let failing = |status: &str, observed: i64| {
            deployment(&json!({"observedGeneration": observed, "conditions": [
                {"type": "Available", "status": "False", "message": "no minimum availability"},
                {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": refusal},
            ]}))
        };
        let reason = format!("FailedCreate: {refusal}");
        assert_eq!(failure(&failing("True", 2)), Some(reason.clone()));
        assert_eq!(why_not(&failing("True", 2)), reason);
        for (status, observed) in [("False", 2), ("Unknown", 2), ("True", 1)] {
            assert_eq!(failure(&failing(status, observed)), None, "{status} {observed}");
            assert_eq!(why_not(&failing(status, observed)), "no minimum availability");
        }
        assert_eq!(failure(&Deployment::default()), None);
    }

    #[test]
    fn alternating_problems_are_printed_once_each() {
        let mut waiting = Waiting::default();
        for second in [10, 20, 40] {
            for (reason, message) in [
                ("ErrImagePull", format!("dial tcp 10.0.0.1:4711{second}: no route")),
                ("ImagePullBackOff", format!("back-off {second}s pulling")),
            ] {
                let state = json!({"waiting": {"reason": reason, "message": message}});
                waiting
                    .observe(&pod(&json!({"containerStatuses": [container(&state)]})))
                    .unwrap();
            }
        }
        assert_eq!(waiting.printed.len(), 2, "{:?}", waiting.printed);
        assert!(
            waiting.why().contains("back-off 40s"),
            "the latest counts: {}",
            waiting.why()
        );
        let refused = |pod: &str| format!("Deployment velero: FailedCreate: pods \"velero-{pod}\" is forbidden: quota");
        assert_eq!(dedup_key(&refused("665b-kzx9k")), dedup_key(&refused("77c-abcde")));
        assert_ne!(dedup_key("Pod velero-a: x"), dedup_key("Pod velero-b: x"));
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "velero-1"}, "status": status})).unwrap()
    }

    #[test]
    fn the_problem_of_a_pod_is_the_message_of_the_cluster() {
        let cases = [
            (json!({}), None),
            (
                json!({"conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"},
                ]}),
                Some("Unschedulable: 0/1 nodes are available"),
            ),
            (
                json!({"containerStatuses": [container(&json!({"waiting": {"reason": "ContainerCreating"}}))]}),
                None,
            ),
            (
                json!({"containerStatuses": [container(&json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}}))]}),
                Some("ErrImagePull: not found"),
            ),
            (json!({"containerStatuses": [container(&json!({"running": {}}))]}), None),
        ];
        for (status, want) in cases {
            assert_eq!(problem(&pod(&status)).as_deref(), want, "{status}");
        }
    }

    #[test]
    fn a_crashing_container_has_its_exit_code() {
        let mut crashing = container(&json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        crashing["lastState"] = json!({"terminated": {"exitCode": 1}});
        let crashing = pod(&json!({"containerStatuses": [crashing]}));
        assert_eq!(
            problem(&crashing).as_deref(),
            Some("CrashLoopBackOff (last exit code 1)")
        );
    }

    fn container(state: &Value) -> Value {
        json!({
            "name": "velero", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        })
    }
}
