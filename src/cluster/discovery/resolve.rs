//! Resolves the names of types that users write, as client-go's REST mapper with short names does.

use super::{Discovery, GroupResource, Resource};

impl Discovery {
    /// The type of a user's name for it: plural, singular or short name, with or without the group or the beginning of it
    /// (`deploy`, `deployments.apps`, `storageclass.storage`). In the version the server prefers.
    ///
    /// Of several types of that name the one of the first group wins. A whole group comes before the beginning of one, and
    /// a full name before a short one.
    pub fn resolve(&self, name: &str) -> Option<&Resource> {
        let wanted: GroupResource = match name.to_lowercase().parse() {
            Ok(wanted) => wanted,
            Err(never) => match never {},
        };
        if wanted.resource.is_empty() {
            return None;
        }
        let in_group = |resource: &Resource| wanted.group.is_empty() || resource.group == wanted.group;
        let in_groups_like = |resource: &Resource| resource.group.starts_with(&wanted.group);
        let find = |fits: &dyn Fn(&Resource) -> bool| self.all().iter().find(|resource| fits(resource));
        find(&|r| in_group(r) && is_called(r, &wanted.resource))
            .or_else(|| find(&|r| in_group(r) && is_called_for_short(r, &wanted.resource)))
            .or_else(|| find(&|r| in_groups_like(r) && is_called(r, &wanted.resource)))
            .or_else(|| find(&|r| in_groups_like(r) && is_called_for_short(r, &wanted.resource)))
    }
}

fn is_called(resource: &Resource, name: &str) -> bool {
    // Old servers do not say the singular; it is the kind then.
    let singular = if resource.singular.is_empty() {
        resource.kind.to_lowercase()
    } else {
        resource.singular.clone()
    };
    resource.plural == name || singular == name
}

fn is_called_for_short(resource: &Resource, name: &str) -> bool {
    resource.short_names.iter().any(|short| short == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::discovery::tests::resource;

    #[test]
    fn users_may_write_any_name_of_a_type() {
        let mut old = resource("old.example.org/v1", "elders", "Elder", &[]);
        old.singular = String::new();
        let discovery = Discovery::from_resources([
            resource("v1", "pods", "Pod", &["po"]),
            resource("v1", "services", "Service", &["svc"]),
            resource("v1", "events", "Event", &["ev"]),
            resource("apps/v1", "deployments", "Deployment", &["deploy"]),
            resource("events.k8s.io/v1", "events", "Event", &["ev"]),
            resource("storage.k8s.io/v1", "storageclasses", "StorageClass", &["sc"]),
            resource("storage.k8s.io/v1beta1", "storageclasses", "StorageClass", &["sc"]),
            resource("metrics.k8s.io/v1beta1", "pods", "PodMetrics", &[]),
            resource("serving.example.org/v1", "services", "Service", &["ksvc"]),
            // A short name that is another type's full name.
            resource("mesh.example.org/v1", "portals", "Portal", &["pod", "svc"]),
            old,
        ]);
        let table = [
            ("pods", Some("v1 pods")),
            ("pod", Some("v1 pods")),
            ("po", Some("v1 pods")),
            ("Pods", Some("v1 pods")),
            ("pods.metrics.k8s.io", Some("metrics.k8s.io/v1beta1 pods")),
            ("podmetrics", Some("metrics.k8s.io/v1beta1 pods")),
            ("pods.metrics", Some("metrics.k8s.io/v1beta1 pods")),
            ("svc", Some("v1 services")),
            ("services.serving.example.org", Some("serving.example.org/v1 services")),
            ("service.serving", Some("serving.example.org/v1 services")),
            ("pod.mesh.example.org", Some("mesh.example.org/v1 portals")),
            ("svc.mesh", Some("mesh.example.org/v1 portals")),
            ("ksvc", Some("serving.example.org/v1 services")),
            ("deploy", Some("apps/v1 deployments")),
            ("deploy.apps", Some("apps/v1 deployments")),
            ("deployments.apps", Some("apps/v1 deployments")),
            ("deployments.app", Some("apps/v1 deployments")),
            ("deployments.extensions", None),
            ("events", Some("v1 events")),
            ("events.events", Some("events.k8s.io/v1 events")),
            ("sc", Some("storage.k8s.io/v1 storageclasses")),
            ("storageclass.storage", Some("storage.k8s.io/v1 storageclasses")),
            ("elder", Some("old.example.org/v1 elders")),
            ("unknown", None),
            ("*", None),
            ("", None),
            (".apps", None),
        ];
        for (typed, expected) in table {
            let found = discovery
                .resolve(typed)
                .map(|found| format!("{} {}", found.api_version(), found.plural));
            assert_eq!(found.as_deref(), expected, "{typed}");
        }
    }
}
