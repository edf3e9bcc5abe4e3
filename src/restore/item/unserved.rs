//! Items of types that are not served: what may still bring their type is waited for, and nothing else (decision 41).

use serde_json::Value;

use super::super::engine::{Run, World};
use super::super::ledger::State;
use super::super::priorities::CRDS;
use super::super::retry::RetryReason;
use super::super::retry_queue::Hold;
use super::{Subject, Told, unless_passing};
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::archive::spool::ItemRef;
use crate::cluster::discovery::{Discovery, GroupResource};

const API_SERVICES: &str = "apiservices.apiregistration.k8s.io";

/// The type of an item, as the item names it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) resource: &'a GroupResource,
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
}

impl Run<'_> {
    /// What becomes of an item whose type is not served in any version: it waits if something may bring the type, else it fails.
    pub(super) async fn unserved(
        &self,
        subject: &Subject<'_>,
        world: &World,
        named: Named<'_>,
        told: &mut Told,
    ) -> Result<State, Hold> {
        let error = format!("the API server does not serve {} of {}", named.kind, named.api_version);
        let key = format!("{} {}", named.api_version, named.resource);
        let known = self.prospects().get(&key).cloned();
        let hopeless = if let Some(known) = known {
            known
        } else {
            let mut hopeless = None;
            if !self.may_come(world, named).await? {
                let reason = self.reason_of_definition(named.resource);
                hopeless = Some(reason.unwrap_or_else(|| advice(&world.discovery, named)));
            }
            self.prospects().insert(key, hopeless.clone());
            hopeless
        };
        let Some(reason) = hopeless else {
            return Err(Hold::Error(RetryReason::Unserved, error));
        };
        let id = self.id_of(subject.item);
        told.error(subject, format!("error restoring {id}: {error}: {reason}"));
        Ok(State::Failed)
    }

    /// Whether a definition or an API service may bring the type: one of the backup that is restored, or one of the cluster.
    async fn may_come(&self, world: &World, named: Named<'_>) -> Result<bool, Hold> {
        let group = named.resource.group.as_str();
        let fails = |failed: &String| failed.rsplit_once('/').is_some_and(|(failed, _)| failed == group);
        if world.discovery.failed_groups().keys().any(fails) {
            return Ok(true);
        }
        let (definition, service) = (named.resource.to_string(), service_name(named.api_version));
        if let Some(item) = self.archived(CRDS, &definition)
            && self.is_to_come(item)
        {
            return Ok(true);
        }
        if let Some(item) = self.archived(API_SERVICES, &service)
            && self.is_to_come(item)
            && self.read_json(item).await.is_some_and(|object| is_elsewhere(&object))
        {
            return Ok(true);
        }
        Ok(self.live(world, CRDS, &definition).await?.is_some()
            || self
                .live(world, API_SERVICES, &service)
                .await?
                .is_some_and(|object| is_elsewhere(&object)))
    }

    fn archived(&self, group_resource: &str, name: &str) -> Option<ItemRef> {
        let path = ItemPath {
            group_resource,
            namespace: None,
            name,
        };
        self.request.archive.find(&path, ItemCopy::Plain)
    }

    /// Whether an item is in the cluster now, or will be tried.
    pub(super) fn is_to_come(&self, item: ItemRef) -> bool {
        let state = self.ledger().state(item);
        state.exists() || state == State::Pending && self.plan.contains(item)
    }

    /// An object of the cluster; none also where it cannot be read, because then nothing speaks for it.
    async fn live(&self, world: &World, group_resource: &str, name: &str) -> Result<Option<Value>, Hold> {
        let resource: GroupResource = group_resource.parse().unwrap_or_default();
        let Some(served) = world.discovery.preferred_version(&resource) else {
            return Ok(None);
        };
        let found = unless_passing(self.calls.get(served, None, name).await)?;
        Ok(found.ok().flatten())
    }

    /// Why the definition of a type was not restored, if it was to be.
    fn reason_of_definition(&self, resource: &GroupResource) -> Option<String> {
        let name = resource.to_string();
        let item = self.archived(CRDS, &name)?;
        let ledger = self.ledger();
        if !matches!(ledger.state(item), State::Failed | State::Unreadable) {
            return None;
        }
        let ours = format!("error restoring {CRDS}/{name}: ");
        let said = ledger
            .messages()
            .0
            .iter()
            .find_map(|message| message.text.strip_prefix(&ours));
        Some(match said {
            Some(said) => format!("its CustomResourceDefinition {name} could not be restored: {said}"),
            None => format!("its CustomResourceDefinition {name} could not be restored; see its error"),
        })
    }
}

/// The name of the API service of a group version.
fn service_name(api_version: &str) -> String {
    match api_version.rsplit_once('/') {
        Some((group, version)) => format!("{version}.{group}"),
        None => format!("{api_version}."),
    }
}

/// Whether an API service stands for a server of its own, which may not answer yet; the others only list what the API server
/// serves itself.
fn is_elsewhere(service: &Value) -> bool {
    service.pointer("/spec/service").is_some_and(Value::is_object)
}

/// What to check where nothing brings a type.
fn advice(discovery: &Discovery, named: Named<'_>) -> String {
    let mut elsewhere: Vec<String> = discovery
        .preferred()
        .iter()
        .filter(|served| served.kind == named.kind)
        .map(|served| format!("{} of {}", served.kind, served.api_version()))
        .collect();
    elsewhere.dedup();
    if !elsewhere.is_empty() {
        return format!(
            "it serves {}; check whether the object can be applied by hand in that form",
            elsewhere.join(", ")
        );
    }
    let group = named.resource.group.as_str();
    if discovery.all().iter().any(|served| served.group == group) {
        return format!(
            "it serves other types of {group}; check whether the version of Kubernetes or of its extension still has this one"
        );
    }
    let definition = named.resource.to_string();
    format!(
        "neither the restore nor the cluster has anything that brings it; check that the CustomResourceDefinition \
         {definition} or the API service {} is restored or installed first",
        service_name(named.api_version)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::testing::resource;

    #[test]
    fn the_advice_names_what_is_served_instead() {
        let discovery = Discovery::from_resources([
            crate::cluster::discovery::Resource {
                verbs: ["list", "create", "get", "delete"].map(String::from).to_vec(),
                ..resource("networking.k8s.io/v1", "ingresses", "Ingress", true, &[])
            },
            resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", true, &[]),
        ]);
        let table = [
            (
                "ingresses.extensions",
                "extensions/v1beta1",
                "Ingress",
                "it serves Ingress of networking.k8s.io/v1",
            ),
            (
                "podsecuritypolicies.policy",
                "policy/v1beta1",
                "PodSecurityPolicy",
                "it serves other types of policy",
            ),
            (
                "widgets.example.com",
                "example.com/v1",
                "Widget",
                "widgets.example.com or the API service v1.example.com",
            ),
        ];
        for (resource, api_version, kind, expected) in table {
            let named = Named {
                resource: &resource.parse().unwrap(),
                api_version,
                kind,
            };
            let said = advice(&discovery, named);
            assert!(said.contains(expected), "{resource}: {said}");
        }
    }

    #[test]
    fn only_an_api_service_with_a_server_of_its_own_may_bring_a_type() {
        assert!(is_elsewhere(&json!({"spec": {"service": {"name": "a"}}})));
        assert!(!is_elsewhere(&json!({"spec": {"service": null}})) && !is_elsewhere(&json!({})));
        assert_eq!(
            (service_name("a.b/v1").as_str(), service_name("v1").as_str()),
            ("v1.a.b", "v1.")
        );
    }
}
