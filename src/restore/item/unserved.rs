//! Items of types that are not served: they wait only if a CRD or an API service may bring their type (decision 41).

use std::ops::ControlFlow;

use serde_json::Value;

use super::context::ItemRestore;
use crate::cluster::discovery::{Discovery, GroupResource, Resource};
use crate::restore::ledger::State;
use crate::restore::priorities::CRDS;
use crate::restore::processed::{End, Step, done, unless_transient, wait};
use crate::restore::retry_reason::RetryReason;
use crate::restore::types::{Outlook, ServedTypes};
use crate::restore::wait_reason::WaitReason;

const API_SERVICES: &str = "apiservices.apiregistration.k8s.io";

/// The type of an item, as the item names it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) resource: &'a GroupResource,
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
}

/// How the cluster serves the type of an item.
pub(super) enum Serving {
    /// In the version the item has.
    As(Resource),
    /// In other versions only; this is the preferred one.
    Otherwise(String),
    /// Not at all, now.
    Not,
}

/// How the type of an item is served. A type with the same kind and another plural is not the saved one, unless an action has
/// `converted` the item.
pub(super) fn serving(discovery: &Discovery, named: Named<'_>, converted: bool) -> Serving {
    let found = discovery.by_kind(named.api_version, named.kind);
    if let Some(found) = found.filter(|found| converted || found.group_resource() == *named.resource) {
        return Serving::As(found.clone());
    }
    match discovery.preferred_version(named.resource) {
        Some(other) => Serving::Otherwise(other.api_version()),
        None => Serving::Not,
    }
}

impl ItemRestore<'_> {
    /// An item of a type that is not served in any version waits if the type may be served later, else it fails.
    pub(super) async fn unserved(&mut self, types: &ServedTypes, named: Named<'_>) -> End {
        let error = format!("the API server does not serve {} of {}", named.kind, named.api_version);
        match self.outlook(types, named).await? {
            Outlook::MayCome => wait(WaitReason::Error(RetryReason::Unserved, error)),
            Outlook::Never(reason) => {
                let text = format!("error restoring {}: {error}: {reason}", self.id());
                self.messages.error(text);
                done(State::Failed)
            }
        }
    }

    async fn outlook(&self, types: &ServedTypes, named: Named<'_>) -> Step<Outlook> {
        let known = &self.ctx.parts.types;
        let key = format!("{} {}", named.api_version, named.resource);
        if let Some(outlook) = known.outlook(&key) {
            return ControlFlow::Continue(outlook);
        }
        let outlook = if self.may_come(types, named).await? {
            Outlook::MayCome
        } else {
            let reason = self.reason_of_crd(named.resource);
            Outlook::Never(reason.unwrap_or_else(|| advice(&types.discovery, named)))
        };
        known.set_outlook(key, outlook.clone());
        ControlFlow::Continue(outlook)
    }

    /// Whether a CRD or an API service may bring the type: one of the backup that is restored, or one of the cluster.
    async fn may_come(&self, types: &ServedTypes, named: Named<'_>) -> Step<bool> {
        let archived = &self.ctx.parts.archived;
        let group = named.resource.group.as_str();
        let fails = |failed: &String| failed.rsplit_once('/').is_some_and(|(failed, _)| failed == group);
        if types.discovery.failed_groups().keys().any(fails) {
            return ControlFlow::Continue(true);
        }
        let (crd, service) = (named.resource.to_string(), service_name(named.api_version));
        if let Some(item) = archived.find_cluster_scoped(CRDS, &crd)
            && self.ctx.is_to_come(item)
        {
            return ControlFlow::Continue(true);
        }
        if let Some(item) = archived.find_cluster_scoped(API_SERVICES, &service)
            && self.ctx.is_to_come(item)
            && archived.json(item).await.is_some_and(|object| is_elsewhere(&object))
        {
            return ControlFlow::Continue(true);
        }
        if self.live(types, CRDS, &crd).await?.is_some() {
            return ControlFlow::Continue(true);
        }
        let service = self.live(types, API_SERVICES, &service).await?;
        ControlFlow::Continue(service.is_some_and(|object| is_elsewhere(&object)))
    }

    /// An object of the cluster; none if it does not exist or cannot be read.
    async fn live(&self, types: &ServedTypes, group_resource: &str, name: &str) -> Step<Option<Value>> {
        let resource: GroupResource = group_resource.parse().unwrap_or_default();
        let Some(served) = types.discovery.preferred_version(&resource) else {
            return ControlFlow::Continue(None);
        };
        let found = unless_transient(self.ctx.parts.client.get(served, None, name).await)?;
        ControlFlow::Continue(found.ok().flatten())
    }

    /// Why the CRD of a type was not restored, if it was to be.
    fn reason_of_crd(&self, resource: &GroupResource) -> Option<String> {
        let parts = self.ctx.parts;
        let name = resource.to_string();
        let item = parts.archived.find_cluster_scoped(CRDS, &name)?;
        parts.tracker.journal.read(|ledger| {
            if !matches!(ledger.state(item), State::Failed | State::Unreadable) {
                return None;
            }
            let ours = format!("error restoring {CRDS}/{name}: ");
            let mut messages = ledger.messages().0.iter();
            Some(match messages.find_map(|message| message.text.strip_prefix(&ours)) {
                Some(error) => format!("its CustomResourceDefinition {name} could not be restored: {error}"),
                None => format!("its CustomResourceDefinition {name} could not be restored; see its error"),
            })
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

/// Whether an API service has a server of its own, which may not answer yet; the others only list what the API server serves
/// itself.
fn is_elsewhere(service: &Value) -> bool {
    service.pointer("/spec/service").is_some_and(Value::is_object)
}

/// What to check if a type will not be served.
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
    let crd = named.resource.to_string();
    format!(
        "neither the restore nor the cluster provides it; check that the CustomResourceDefinition \
         {crd} or the API service {} is restored or installed first",
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
            let phrase = advice(&discovery, named);
            assert!(phrase.contains(expected), "{resource}: {phrase}");
        }
    }

    #[test]
    fn only_an_api_service_with_its_own_server_may_bring_a_type() {
        assert!(is_elsewhere(&json!({"spec": {"service": {"name": "a"}}})));
        assert!(!is_elsewhere(&json!({"spec": {"service": null}})) && !is_elsewhere(&json!({})));
        assert_eq!(
            (service_name("a.b/v1").as_str(), service_name("v1").as_str()),
            ("v1.a.b", "v1.")
        );
    }
}
