//! What objects ask for by annotation and this release does not do yet (decision 22): one warning an object.

use std::collections::BTreeMap;

/// Annotations that ask for a command around the backup of a pod.
const HOOKS: [&str; 3] = [
    "pre.hook.backup.velero.io/command",
    "hook.backup.velero.io/command",
    "post.hook.backup.velero.io/command",
];

/// The warning for a pod with these annotations, if it asks for anything.
pub(super) fn asked_of_pod(annotations: &BTreeMap<String, String>) -> Option<String> {
    let asked: Vec<String> = HOOKS
        .into_iter()
        .filter(|key| annotations.contains_key(*key))
        .map(|key| format!("a hook ({key})"))
        .collect();
    (!asked.is_empty()).then(|| {
        format!(
            "The pod's annotations ask for what this release does not do yet: {}; only the object was saved",
            asked.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_asks_gets_one_warning_with_all_it_asks_for() {
        let annotations = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        assert_eq!(
            asked_of_pod(&annotations(&[
                ("a", "b"),
                ("pre.hook.backup.velero.io/container", "c")
            ])),
            None
        );
        let warning = asked_of_pod(&annotations(&[(HOOKS[0], "[\"true\"]"), (HOOKS[2], "true")])).unwrap();
        for asked in [
            "pre.hook.backup.velero.io/command",
            "post.hook.backup.velero.io/command",
        ] {
            assert!(warning.contains(asked), "{warning}");
        }
    }
}
