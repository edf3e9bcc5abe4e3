//! The order in which the types of an archive are restored (spec restore 7.1, 7.2).

use std::collections::HashSet;
use std::str::FromStr;

use crate::cluster::discovery::GroupResource;

/// Restored before all others, in this order: types that others mount, refer to or need for admission. The list of 1.18.1;
/// `volumesnapshotclass…` is singular upstream too and is resolved like any other name.
pub const HIGH: [&str; 23] = [
    "customresourcedefinitions",
    "namespaces",
    "storageclasses",
    "volumesnapshotclass.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "volumesnapshots.snapshot.storage.k8s.io",
    "datauploads.velero.io",
    "persistentvolumes",
    "persistentvolumeclaims",
    "clusterroles",
    "roles",
    "serviceaccounts",
    "clusterrolebindings",
    "rolebindings",
    "secrets",
    "configmaps",
    "limitranges",
    "priorityclasses",
    "pods",
    "replicasets.apps",
    "clusterclasses.cluster.x-k8s.io",
    "endpoints",
    "services",
];

/// Restored after everything else, in this order (1.18.1).
pub const LOW: [&str; 5] = [
    "clusterbootstraps.run.tanzu.vmware.com",
    "clusters.cluster.x-k8s.io",
    "clusterresourcesets.addons.cluster.x-k8s.io",
    "apps.kappctrl.k14s.io",
    "packageinstalls.packaging.carvel.dev",
];

/// The type that is restored first, before any other name is resolved.
pub const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

const SEPARATOR: &str = "-";

/// Types that limit others. They come before these, or a controller could use up what the backup's objects need.
const LIMITS: [&str; 2] = ["limitranges", "resourcequotas"];

/// Pods, and the types that create pods.
const LIMITED: [&str; 8] = [
    "pods",
    "replicasets.apps",
    "replicationcontrollers",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "cronjobs.batch",
];

/// The two ends of the order; all other types are restored between them, alphabetically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priorities {
    /// Restored first, in this order.
    pub high: Vec<String>,
    /// Restored last, in this order.
    pub low: Vec<String>,
}

impl Default for Priorities {
    fn default() -> Self {
        Self {
            high: HIGH.map(String::from).to_vec(),
            low: LOW.map(String::from).to_vec(),
        }
    }
}

/// The value of `--restore-resource-priorities` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "parse resource priorities `{0}`: more than one `-`; use it once, between the types to restore first and those to restore last"
)]
pub struct TwoSeparators(String);

impl FromStr for Priorities {
    type Err = TwoSeparators;

    /// Reads the flag `--restore-resource-priorities`: a comma list with at most one `-` between high and low. An
    /// empty side keeps its default, as in 1.18.1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut sides = [Vec::new(), Vec::new()];
        let mut side = 0;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name != SEPARATOR {
                sides[side].push(name.to_owned());
            } else if side == 0 {
                side = 1;
            } else {
                return Err(TwoSeparators(text.to_owned()));
            }
        }
        let defaults = Self::default();
        let [high, low] = sides;
        Ok(Self {
            high: if high.is_empty() { defaults.high } else { high },
            low: if low.is_empty() { defaults.low } else { low },
        })
    }
}

impl Priorities {
    /// The types to restore, each once: the high list, the archive's other types by their names' bytes, the low list.
    ///
    /// `resolve` turns a user's name into the canonical one. An unknown name is taken literally, so that its items fail with an
    /// error and are not ignored. A type of the archive counts as named by a list only by its literal name (spec restore 7.2):
    /// an alias in the low list stays in the middle.
    ///
    /// Types that limit others and are in no list come right before the first type that they limit (decision 41). They do not come
    /// before all others, because the backed-up objects may exceed the limit.
    pub fn order<'a>(
        &self,
        archived: impl IntoIterator<Item = &'a GroupResource>,
        resolve: impl Fn(&str) -> Option<GroupResource>,
    ) -> Vec<GroupResource> {
        let named: HashSet<&str> = self.high.iter().chain(&self.low).map(String::as_str).collect();
        let mut middle: Vec<String> = archived.into_iter().map(ToString::to_string).collect();
        middle.retain(|name| !named.contains(name.as_str()));
        middle.sort_unstable();
        let (limits, middle): (Vec<String>, Vec<String>) =
            middle.into_iter().partition(|name| LIMITS.contains(&name.as_str()));
        let is_limited = |name: &String| {
            let resolved = resolve(name).map(|resource| resource.to_string());
            LIMITED.contains(&resolved.as_ref().unwrap_or(name).as_str())
        };
        let at = self.high.iter().position(is_limited).unwrap_or(self.high.len());
        let (before, after) = self.high.split_at(at);
        let mut seen = HashSet::new();
        before
            .iter()
            .chain(&limits)
            .chain(after)
            .chain(&middle)
            .chain(&self.low)
            .filter_map(|name| resolve(name).or_else(|| name.parse().ok()))
            .filter(|resource| seen.insert(resource.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gr(text: &str) -> GroupResource {
        text.parse().unwrap()
    }

    fn parsed(text: &str) -> Priorities {
        text.parse().unwrap()
    }

    #[test]
    fn the_flag_keeps_the_default_of_an_empty_side() {
        let default = Priorities::default();
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let table: [(&str, Vec<String>, Vec<String>); 7] = [
            ("", default.high.clone(), default.low.clone()),
            ("-", default.high.clone(), default.low.clone()),
            ("a,b", strings(&["a", "b"]), default.low.clone()),
            ("a,b,-", strings(&["a", "b"]), default.low.clone()),
            ("-,x", default.high.clone(), strings(&["x"])),
            ("a,-,x,y", strings(&["a"]), strings(&["x", "y"])),
            (" a , b ,-, x ", strings(&["a", "b"]), strings(&["x"])),
        ];
        for (flag, high, low) in table {
            assert_eq!(parsed(flag), Priorities { high, low }, "{flag:?}");
        }
    }

    #[test]
    fn two_separators_are_refused() {
        let error = "a,-,b,-".parse::<Priorities>().unwrap_err();
        assert!(error.to_string().contains("more than one `-`"), "{error}");
    }

    #[test]
    fn the_middle_is_alphabetical_and_each_type_comes_once() {
        let archived = [
            "pods",
            "widgets.example.com",
            "deployments.apps",
            "clusters.x",
            "persistentvolumes",
        ]
        .map(gr);
        let priorities = parsed("persistentvolumes,pv,pods,-,clusters.x");
        let resolve = |name: &str| match name {
            "pv" | "persistentvolumes" => Some(gr("persistentvolumes")),
            "pods" => Some(gr("pods")),
            _ => None,
        };
        let order: Vec<String> = priorities
            .order(&archived, resolve)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            order,
            [
                "persistentvolumes",
                "pods",
                "deployments.apps",
                "widgets.example.com",
                "clusters.x"
            ]
        );
    }

    #[test]
    fn an_alias_in_the_low_list_stays_in_the_middle() {
        let archived = ["apples.x", "clusters.x", "zebras.x"].map(gr);
        let order = parsed("pods,-,cluster.x").order(&archived, |name| (name == "cluster.x").then(|| gr("clusters.x")));
        let order: Vec<String> = order.iter().map(ToString::to_string).collect();
        assert_eq!(order, ["pods", "apples.x", "clusters.x", "zebras.x"]);
    }

    #[test]
    fn quotas_and_limit_ranges_come_before_what_they_limit() {
        let archived = [
            "resourcequotas",
            "limitranges",
            "pods",
            "jobs.batch",
            "secrets",
            "apples.x",
        ]
        .map(gr);
        let default = Priorities::default();
        let table = [
            (
                "secrets,po,-",
                "secrets limitranges resourcequotas pods apples.x jobs.batch",
            ),
            (
                "secrets,-",
                "secrets limitranges resourcequotas apples.x jobs.batch pods",
            ),
            (
                "pods,limitranges,-",
                "resourcequotas pods limitranges apples.x jobs.batch secrets",
            ),
            (
                "pods,-,resourcequotas",
                "limitranges pods apples.x jobs.batch secrets resourcequotas",
            ),
        ];
        for (flag, expected) in table {
            let mut priorities = parsed(flag);
            priorities.low.retain(|name| !default.low.contains(name));
            let order = priorities.order(&archived, |name| match name {
                "po" => Some(gr("pods")),
                other => archived.contains(&gr(other)).then(|| gr(other)),
            });
            let order: Vec<String> = order.iter().map(ToString::to_string).collect();
            assert_eq!(order.join(" "), expected, "{flag}");
        }
        let order = default.order(&archived, |_| None);
        let at = |name: &str| order.iter().position(|other| other.to_string() == name).unwrap();
        assert!(at("limitranges") < at("pods") && at("resourcequotas") < at("pods"));
        assert!(
            at("secrets") < at("resourcequotas"),
            "what stands before pods is not limited"
        );
    }

    #[test]
    fn token_secrets_come_after_their_service_accounts_by_default() {
        let high = Priorities::default().high;
        let at = |name: &str| high.iter().position(|other| other == name).unwrap();
        assert!(at("serviceaccounts") < at("secrets") && at("secrets") < at("pods"));
        assert!(at("persistentvolumes") < at("persistentvolumeclaims") && at("endpoints") < at("services"));
    }
}
