//! Which changes are reasons for a pass.

use std::fmt;
use std::ops::Not;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::object::AnyKind;
use crate::watch::{Change, SharedWatch};

/// Separates the changes that matter from those that do not. It runs for every change and must be quick and pure.
///
/// It saves passes and guarantees nothing: after a start, after the watch fell behind and at each resync there is a pass anyway. The
/// given predicates decide about updates only; an object that is new, gone or another one under the same name always leads to a pass.
///
/// ```
/// # use k8s_openapi::api::apps::v1::Deployment;
/// use kube_manager::Predicate;
/// # fn example() -> Predicate<Deployment> {
/// // Not when only the status was written, as this controller does itself.
/// Predicate::generation_changed().or(Predicate::labels_changed())
/// # }
/// ```
pub struct Predicate<K: AnyKind>(Arc<Holds<K>>);

type Holds<K> = dyn Fn(&Change<K>) -> bool + Send + Sync;

impl<K: AnyKind> Predicate<K> {
    /// The result of this function for a change.
    pub fn new(holds: impl Fn(&Change<K>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// The spec may have changed: `metadata.generation` did. For a kind without generation, such as ConfigMap,
    /// each new resource version counts.
    pub fn generation_changed() -> Self {
        Self::update(|before, after| match after.generation {
            Some(_) => before.generation != after.generation,
            None => before.resource_version != after.resource_version,
        })
    }

    /// Anything changed: `metadata.resourceVersion` did. Leaves out objects that a list repeats.
    pub fn resource_version_changed() -> Self {
        Self::update(|before, after| before.resource_version != after.resource_version)
    }

    /// The labels changed.
    pub fn labels_changed() -> Self {
        Self::update(|before, after| before.labels != after.labels)
    }

    /// The annotations changed.
    pub fn annotations_changed() -> Self {
        Self::update(|before, after| before.annotations != after.annotations)
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move |change| self.holds(change) && other.holds(change))
    }

    /// At least one holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(move |change| self.holds(change) || other.holds(change))
    }

    /// Whether this change is a reason for a pass.
    pub fn holds(&self, change: &Change<K>) -> bool {
        (self.0)(change)
    }

    fn update(differs: impl Fn(&ObjectMeta, &ObjectMeta) -> bool + Send + Sync + 'static) -> Self {
        Self::new(move |change| match (&change.before, &change.after) {
            (Some(before), Some(after)) if before.meta().uid == after.meta().uid => {
                differs(before.meta(), after.meta())
            }
            _ => true,
        })
    }
}

/// The opposite, also for objects that are new or gone.
impl<K: AnyKind> Not for Predicate<K> {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(move |change| !self.holds(change))
    }
}

impl<K: AnyKind> Clone for Predicate<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: AnyKind> fmt::Debug for Predicate<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predicate").finish_non_exhaustive()
    }
}

/// The changes of a watch that are reasons for a pass: all of them, or [those that a predicate selects](SharedWatch::when).
#[derive(Debug, Clone)]
pub struct Changes<K: AnyKind> {
    pub(crate) watch: SharedWatch<K>,
    pub(crate) predicate: Option<Predicate<K>>,
}

impl<K: AnyKind> From<&SharedWatch<K>> for Changes<K> {
    fn from(watch: &SharedWatch<K>) -> Self {
        Self {
            watch: watch.clone(),
            predicate: None,
        }
    }
}

impl<K: AnyKind> SharedWatch<K> {
    /// Only the changes for which this holds, for [`Controller::on`](crate::Controller::on) and
    /// [`Controller::owns`](crate::Controller::owns).
    pub fn when(&self, predicate: Predicate<K>) -> Changes<K> {
        Changes {
            watch: self.clone(),
            predicate: Some(predicate),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::fixture::{key, labelled, object};

    fn change(before: Option<ConfigMap>, after: Option<ConfigMap>) -> Change<ConfigMap> {
        Change {
            key: key("a"),
            before: before.map(Arc::new),
            after: after.map(Arc::new),
        }
    }

    fn generation(generation: i64, version: u64) -> ConfigMap {
        let mut object = object("a", "1", version);
        object.metadata.generation = Some(generation);
        object
    }

    fn annotated(value: &str) -> ConfigMap {
        let mut object = object("a", "1", 2);
        object.metadata.annotations = Some([("note".to_owned(), value.to_owned())].into());
        object
    }

    #[test]
    fn what_each_predicate_lets_through() {
        let plain = || object("a", "1", 1);
        for (case, before, after, expected) in [
            ("created", None, Some(plain()), [true; 4]),
            ("deleted", Some(plain()), None, [true; 4]),
            ("recreated", Some(plain()), Some(object("a", "2", 1)), [true; 4]),
            ("listed again", Some(plain()), Some(plain()), [false; 4]),
            (
                "written without a generation",
                Some(plain()),
                Some(object("a", "1", 2)),
                [true, true, false, false],
            ),
            (
                "spec written",
                Some(generation(1, 1)),
                Some(generation(2, 2)),
                [true, true, false, false],
            ),
            (
                "status written",
                Some(generation(1, 1)),
                Some(generation(1, 2)),
                [false, true, false, false],
            ),
            (
                "labelled",
                Some(object("a", "1", 2)),
                Some(labelled(object("a", "1", 2), "k", "v")),
                [false, false, true, false],
            ),
            (
                "annotated",
                Some(annotated("old")),
                Some(annotated("new")),
                [false, false, false, true],
            ),
        ] {
            let change = change(before, after);
            let holds = [
                Predicate::generation_changed(),
                Predicate::resource_version_changed(),
                Predicate::labels_changed(),
                Predicate::annotations_changed(),
            ]
            .map(|predicate| predicate.holds(&change));
            assert_eq!(holds, expected, "{case}");
        }
    }

    #[test]
    fn predicates_are_combined() {
        let change = change(Some(object("a", "1", 1)), Some(object("a", "1", 2)));
        let yes = || Predicate::new(|_| true);
        let no = || Predicate::new(|_| false);
        for (case, predicate, expected) in [
            ("and", yes().and(yes()), true),
            ("and not", yes().and(no()), false),
            ("or", no().or(yes()), true),
            ("neither", no().or(no()), false),
            ("not", !no(), true),
            ("not that", !yes(), false),
        ] {
            assert_eq!(predicate.holds(&change), expected, "{case}");
        }
    }
}
