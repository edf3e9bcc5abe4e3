//! ClusterRoles that another one aggregates: a controller writes its rules from theirs, so it is empty without them.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use super::{ActionContext, ActionError};
use crate::cluster::discovery::GroupResource;
use crate::cluster::list::{ListEvent, ListRequest};
use crate::select::labels::Selector;

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";

/// The label of the API server's own roles, which every cluster has.
const BOOTSTRAPPING: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");

/// The aggregation rules of the cluster's roles.
#[derive(Debug, Default)]
pub(super) struct Roles {
    by_name: BTreeMap<String, Role>,
}

#[derive(Debug)]
struct Role {
    labels: BTreeMap<String, String>,
    aggregates: Vec<Selector>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterRole {
    #[serde(default)]
    aggregation_rule: Option<AggregationRule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregationRule {
    #[serde(default)]
    cluster_role_selectors: Option<Vec<LabelSelector>>,
}

impl Roles {
    /// The roles that the cluster has.
    pub(super) async fn list(context: &ActionContext<'_>) -> Result<Self, ActionError> {
        let mut roles = Self::default();
        let group_resource = GroupResource::new(RBAC, "clusterroles");
        let Some(resource) = context.discovery.preferred_version(&group_resource) else {
            return Ok(roles);
        };
        let mut list = pin!(context.reader.list(ListRequest::all(resource.clone())));
        while let Some(event) = list.next().await {
            match event? {
                ListEvent::Item(object) => {
                    let role = serde_json::from_slice(&object.json)?;
                    roles.add(&object.head.name, object.head.labels.clone(), role);
                }
                // The roles seen before come again.
                ListEvent::Restarted => roles = Self::default(),
                ListEvent::Unreadable { .. } | ListEvent::FirstPage { .. } => {}
            }
        }
        Ok(roles)
    }

    fn add(&mut self, name: &str, labels: BTreeMap<String, String>, role: ClusterRole) {
        let selectors = role.aggregation_rule.and_then(|rule| rule.cluster_role_selectors);
        // the API server refuses a role that cannot be read
        let aggregates = selectors.iter().flatten().filter_map(|one| Selector::new(one).ok());
        let aggregates = aggregates.collect();
        self.by_name.insert(name.to_owned(), Role { labels, aggregates });
    }

    /// The roles that these aggregate, directly or through others, without themselves and the default ones.
    pub(super) fn aggregated_by<'a>(&'a self, roles: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut open: Vec<&str> = roles.into_iter().collect();
        let mut seen: BTreeSet<&str> = open.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(name) = open.pop() {
            let Some(role) = self.by_name.get(name) else { continue };
            for (chosen, other) in &self.by_name {
                let is_chosen = role.aggregates.iter().any(|selector| selector.matches(&other.labels));
                if is_chosen && seen.insert(chosen) {
                    open.push(chosen);
                    if other.labels.get(BOOTSTRAPPING.0).map(String::as_str) != Some(BOOTSTRAPPING.1) {
                        found.push(chosen.as_str());
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn aggregated_roles_are_found_through_others_and_cycles() {
        let mut roles = Roles::default();
        let select =
            |label: &str| json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {(label): "true"}}]}});
        let rows: [(&str, &[&str], Value); 8] = [
            ("top", &[], select("to-top")),
            ("middle", &["to-top"], select("to-middle")),
            ("leaf", &["to-middle"], json!({"rules": []})),
            ("circle", &["to-middle"], select("to-top")),
            ("other", &["to-nothing"], json!({"aggregationRule": null})),
            ("default", &["to-top", "default"], select("to-default")),
            ("mine", &["to-default"], json!({"aggregationRule": {}})),
            ("plain", &[], json!({"aggregationRule": {"clusterRoleSelectors": null}})),
        ];
        for (name, labels, role) in rows {
            let label = |label: &&str| match *label {
                "default" => (BOOTSTRAPPING.0.to_owned(), BOOTSTRAPPING.1.to_owned()),
                label => (label.to_owned(), "true".to_owned()),
            };
            roles.add(name, labels.iter().map(label).collect(), from_value(role).unwrap());
        }
        let table: [(&[&str], &[&str]); 5] = [
            (&["top"], &["circle", "leaf", "middle", "mine"]),
            (&["middle"], &["circle", "leaf", "mine"]),
            (&["plain", "leaf", "absent"], &[]),
            (&["default"], &["mine"]),
            (&[], &[]),
        ];
        for (of, expected) in table {
            assert_eq!(roles.aggregated_by(of.iter().copied()), expected, "{of:?}");
        }
    }
}
