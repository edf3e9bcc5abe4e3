//! Why a file that was asked for is not there, in one sentence: a client of another release shows nothing else.

use super::file::Artifact;

/// A link that is missing between a name and its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// There is no such restore.
    #[error("restore \"{0}\" is not there; check `velero restore get`")]
    Restore(String),
    /// There is no such backup.
    #[error("backup \"{0}\" is not there; check `velero backup get`")]
    Backup(String),
    /// The backup's location is not there.
    #[error("storage location \"{location}\" of backup \"{backup}\" is not there; check `velero backup-location get`")]
    Location {
        /// The location's name.
        location: String,
        /// The backup's name.
        backup: String,
    },
}

/// How far a run is that may have a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Its phase; empty where it was not looked at yet.
    pub phase: String,
    /// What was wrong with its spec.
    pub validation_errors: Vec<String>,
}

/// The sentence. `course` is that of the run itself, if there is one; `missing` what lies between it and its files.
pub fn why(artifact: &Artifact, course: Option<&Course>, missing: Option<&Missing>) -> String {
    let (run, name) = match artifact {
        Artifact::Backup(_, name) => ("backup", name),
        Artifact::Restore(_, name) => ("restore", name),
    };
    let phase = course.map(|course| course.phase.as_str());
    // A backup gets its location when it is prepared.
    let missing =
        missing.filter(|missing| !matches!(missing, Missing::Location { location, .. } if location.is_empty()));
    match (phase, course, missing) {
        (Some("FailedValidation"), Some(course), _) => format!(
            "{run} \"{name}\" failed validation and has no files: {}; correct its spec and create it anew",
            course.validation_errors.join("; ")
        ),
        (_, _, Some(missing)) => missing.to_string(),
        (Some("" | "New" | "Queued" | "ReadyToStart"), ..) => {
            format!("{run} \"{name}\" has not begun and has no files yet; check `velero {run} get {name}`")
        }
        (Some("InProgress"), ..) => {
            format!("{run} \"{name}\" is in progress and its files are not stored yet; ask again when it has ended")
        }
        _ => format!(
            "the storage location holds no file `{}`; check whether the {run} is of a release that writes it",
            artifact.key()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_has_a_reason() {
        let log = |kind: &str| Artifact::of(kind, "n").unwrap();
        let course = |phase: &str| {
            Some(Course {
                phase: phase.to_owned(),
                validation_errors: vec!["a".to_owned(), "b".to_owned()],
            })
        };
        let gone = Missing::Location {
            location: "l".to_owned(),
            backup: "n".to_owned(),
        };
        let not_chosen = Missing::Location {
            location: String::new(),
            backup: "n".to_owned(),
        };
        for (kind, course, missing, want) in [
            (
                "BackupLog",
                None,
                Some(Missing::Backup("n".to_owned())),
                "backup \"n\" is not there",
            ),
            (
                "RestoreLog",
                None,
                Some(Missing::Restore("n".to_owned())),
                "restore \"n\" is not there",
            ),
            (
                "BackupLog",
                course("Completed"),
                Some(gone.clone()),
                "storage location \"l\" of backup \"n\"",
            ),
            (
                "BackupLog",
                course("FailedValidation"),
                Some(gone.clone()),
                "failed validation and has no files: a; b",
            ),
            (
                "RestoreLog",
                course("FailedValidation"),
                None,
                "failed validation and has no files: a; b",
            ),
            ("BackupLog", course("Queued"), None, "has not begun"),
            ("BackupLog", course("New"), Some(not_chosen), "has not begun"),
            ("RestoreLog", course(""), None, "restore \"n\" has not begun"),
            ("BackupResults", course("InProgress"), None, "in progress"),
            (
                "BackupResults",
                course("Completed"),
                None,
                "no file `backups/n/n-results.gz`",
            ),
            ("BackupResults", None, None, "no file `backups/n/n-results.gz`"),
        ] {
            let text = why(&log(kind), course.as_ref(), missing.as_ref());
            assert!(text.contains(want), "{kind} {course:?} {missing:?}: {text}");
        }
    }
}
