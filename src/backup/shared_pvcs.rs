//! Running pods that label selectors exclude although they mount a claim of the backup. They are saved too, as upstream does
//! (spec backup 8): the copy of a claim is inconsistent if one pod writes to it while the other one is frozen. Pure.

use std::collections::{BTreeSet, HashSet};

use super::done::Key;
use super::facts::PodFacts;
use super::prepared::Prepared;
use super::staging::Related;
use super::types::KnownType;
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::RawObject;

/// The claims of the backup, and the pods that are part of it already.
#[derive(Debug, Default)]
pub(super) struct SharedPvcs {
    claims: HashSet<Key>,
    pods: HashSet<Key>,
    namespaces: BTreeSet<String>,
}

impl SharedPvcs {
    /// `None` unless labels decide which objects are collected: otherwise no pod that shares a claim with a collected one is
    /// excluded.
    pub(super) fn of(prepared: &Prepared<'_>) -> Option<Self> {
        let by_labels = prepared.selectors.iter().all(Option::is_some);
        let claims = prepared.types.get(&claims()).is_some_and(|claims| claims.included);
        (by_labels && claims).then(Self::default)
    }

    /// Notes a staged object that will be saved.
    pub(super) fn saw(&mut self, known: KnownType, object: &RawObject, key: Key, related: &Related) {
        let claims: &[Key] = match known {
            KnownType::Pod => {
                self.pods.insert(key);
                &related.with
            }
            KnownType::Claim => &[key],
            _ => &[],
        };
        if !claims.is_empty() {
            self.claims.extend(claims);
            self.namespaces.extend(object.head.namespace.clone());
        }
    }

    /// The namespaces with a claim of the backup.
    pub(super) fn namespaces(&self) -> BTreeSet<String> {
        self.namespaces.clone()
    }

    /// Whether a pod mounts a claim of the backup and is still missing.
    pub(super) fn misses(&self, pod: &RawObject) -> bool {
        let (namespace, claims) = (pod.head.namespace.as_deref(), claims());
        let key = Key::new(&GroupResource::new("", "pods"), namespace, &pod.head.name);
        let shares = |facts: &PodFacts| {
            let mut mounted = facts.claims().map(|name| Key::new(&claims, namespace, name));
            facts.is_running() && mounted.any(|claim| self.claims.contains(&claim))
        };
        !self.pods.contains(&key) && serde_json::from_slice(&pod.json).is_ok_and(|facts| shares(&facts))
    }
}

fn claims() -> GroupResource {
    GroupResource::new("", "persistentvolumeclaims")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::backup::related::related;

    fn object(kind: &str, namespace: &str, name: &str, rest: &Value) -> RawObject {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}});
        json_patch::merge(&mut object, rest);
        RawObject::parse(object.to_string().into()).unwrap()
    }

    fn pod(namespace: &str, name: &str, phase: &str, claims: &[&str]) -> RawObject {
        let volume = |claim: &&str| json!({"persistentVolumeClaim": {"claimName": claim}});
        let volumes: Vec<Value> = claims.iter().map(volume).collect();
        let rest = json!({"spec": {"volumes": volumes}, "status": {"phase": phase}});
        object("Pod", namespace, name, &rest)
    }

    fn saw(shared: &mut SharedPvcs, known: KnownType, object: &RawObject) {
        let plural = if known == KnownType::Pod {
            GroupResource::new("", "pods")
        } else {
            claims()
        };
        let key = Key::new(&plural, object.head.namespace.as_deref(), &object.head.name);
        shared.saw(known, object, key, &related(known, object, "").unwrap());
    }

    #[test]
    fn a_running_pod_that_shares_a_claim_is_missing() {
        let mut shared = SharedPvcs::default();
        saw(&mut shared, KnownType::Pod, &pod("shop", "db", "Running", &["data"]));
        saw(&mut shared, KnownType::Pod, &pod("idle", "web", "Running", &[]));
        saw(
            &mut shared,
            KnownType::Claim,
            &object("PersistentVolumeClaim", "files", "scans", &json!({})),
        );
        assert_eq!(shared.namespaces().into_iter().collect::<Vec<_>>(), ["files", "shop"]);
        for (found, missing) in [
            (pod("shop", "copy", "Running", &["logs", "data"]), true),
            (pod("shop", "db", "Running", &["data"]), false),
            (pod("shop", "ended", "Succeeded", &["data"]), false),
            (pod("shop", "other", "Running", &["logs"]), false),
            (pod("test", "copy", "Running", &["data"]), false),
            (pod("files", "scan", "Running", &["scans"]), true),
        ] {
            assert_eq!(shared.misses(&found), missing, "{}", found.head.name);
        }
    }

    #[test]
    fn the_claims_of_a_staged_pod_are_shared_too() {
        let mut shared = SharedPvcs::default();
        let third = pod("shop", "third", "Running", &["logs"]);
        saw(&mut shared, KnownType::Pod, &pod("shop", "first", "Running", &["data"]));
        assert!(!shared.misses(&third));
        saw(
            &mut shared,
            KnownType::Pod,
            &pod("shop", "second", "Running", &["data", "logs"]),
        );
        assert!(shared.misses(&third));
    }
}
