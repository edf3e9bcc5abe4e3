//! What objects ask for by annotation and this release does not do yet (decision 22): one warning an object.

use std::collections::BTreeMap;

/// The annotation that asks for the files of volumes, by their names in the pod.
const VOLUMES: &str = "backup.velero.io/backup-volumes";

/// The warning for a pod with these annotations, if it asks for anything.
pub(super) fn asked_of_pod(annotations: &BTreeMap<String, String>) -> Option<String> {
    let volumes = annotations.get(VOLUMES).filter(|names| !names.is_empty())?;
    Some(format!(
        "The pod's annotations ask for what this release does not do yet: the data of volumes {volumes} ({VOLUMES}); only the object was saved"
    ))
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
        assert_eq!(asked_of_pod(&annotations(&[("a", "b")])), None);
        assert_eq!(asked_of_pod(&annotations(&[(VOLUMES, "")])), None);
        let warning = asked_of_pod(&annotations(&[(VOLUMES, "data,logs")])).unwrap();
        assert!(warning.contains("data,logs"), "{warning}");
    }
}
