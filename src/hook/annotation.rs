//! Hooks that a pod asks for by its annotations (spec api 8.5).

use std::collections::BTreeMap;

use super::command::{Hook, OnError, Phase, Source, timeout_of};
use crate::api::constants::HOOK_TIMEOUT;
use crate::api::{GoDuration, annotations as key};

/// The name in the log of a hook that has none.
const NAME: &str = "<from-annotation>";

/// The annotations of one hook.
struct Keys {
    command: &'static str,
    container: &'static str,
    on_error: &'static str,
    timeout: &'static str,
}

const PRE: Keys = Keys {
    command: key::PRE_BACKUP_COMMAND,
    container: key::PRE_BACKUP_CONTAINER,
    on_error: key::PRE_BACKUP_ON_ERROR,
    timeout: key::PRE_BACKUP_TIMEOUT,
};

/// The form of releases without post hooks.
const LEGACY: Keys = Keys {
    command: key::BACKUP_COMMAND,
    container: key::BACKUP_CONTAINER,
    on_error: key::BACKUP_ON_ERROR,
    timeout: key::BACKUP_TIMEOUT,
};

const POST: Keys = Keys {
    command: key::POST_BACKUP_COMMAND,
    container: key::POST_BACKUP_CONTAINER,
    on_error: key::POST_BACKUP_ON_ERROR,
    timeout: key::POST_BACKUP_TIMEOUT,
};

/// Whether a pod with these annotations asks for any hook.
pub fn asked(annotations: &BTreeMap<String, String>) -> bool {
    [PRE, LEGACY, POST]
        .iter()
        .any(|keys| command(annotations, keys).is_some())
}

/// The hook that these annotations ask for in a phase. Values that cannot be parsed are warnings.
pub(super) fn hook(annotations: &BTreeMap<String, String>, phase: Phase, warnings: &mut Vec<String>) -> Option<Hook> {
    let candidates: &[Keys] = match phase {
        Phase::Pre => &[PRE, LEGACY],
        Phase::Post => &[POST],
    };
    let (keys, text) = candidates
        .iter()
        .find_map(|keys| Some((keys, command(annotations, keys)?)))?;
    let given = |key: &str| annotations.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let on_error = match given(keys.on_error) {
        None => OnError::default(),
        Some("Continue") => OnError::Continue,
        Some("Fail") => OnError::Fail,
        Some(other) => {
            warnings.push(format!(
                "annotation {} is {other:?}, which is neither Fail nor Continue: Fail is used",
                keys.on_error
            ));
            OnError::Fail
        }
    };
    let timeout = given(keys.timeout).map_or(Ok(HOOK_TIMEOUT), |text| timeout_of(&GoDuration::from_text(text)));
    let timeout = timeout.unwrap_or_else(|error| {
        warnings.push(format!(
            "annotation {}: {error}: {HOOK_TIMEOUT:?} is used",
            keys.timeout
        ));
        HOOK_TIMEOUT
    });
    Some(Hook {
        source: Source::Annotation,
        name: NAME.to_owned(),
        phase,
        container: given(keys.container).unwrap_or_default().to_owned(),
        command: words(text).unwrap_or_else(|| {
            if is_meant_as_several(text) {
                warnings.push(format!(
                    "annotation {} is {text:?}, which is not a JSON list of strings: it is run as one program of that name, without arguments; write it as [\"program\", \"argument\"]",
                    keys.command
                ));
            }
            vec![text.to_owned()]
        }),
        on_error,
        timeout,
    })
}

fn command<'a>(annotations: &'a BTreeMap<String, String>, keys: &Keys) -> Option<&'a str> {
    annotations
        .get(keys.command)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
}

/// A JSON list of strings. Any other text is one word: it is not split, as no shell is involved.
fn words(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Whether a text that is not a list seems to be more than the name of a program.
fn is_meant_as_several(text: &str) -> bool {
    text.contains(char::is_whitespace) || text.starts_with(['[', '{'])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// From prefix, key and value.
    fn annotations(given: &[(&str, &str, &str)]) -> BTreeMap<String, String> {
        given
            .iter()
            .map(|(prefix, key, value)| (format!("{prefix}hook.backup.velero.io/{key}"), (*value).to_owned()))
            .collect()
    }

    fn pre(given: &[(&str, &str, &str)]) -> (Option<Hook>, Vec<String>) {
        let mut warnings = Vec::new();
        let hook = hook(&annotations(given), Phase::Pre, &mut warnings);
        (hook, warnings)
    }

    #[test]
    fn a_command_is_a_json_list_or_one_word() {
        for (text, words) in [
            ("sync", vec!["sync"]),
            ("fsfreeze -f /data", vec!["fsfreeze -f /data"]),
            (
                r#"["/bin/sh", "-c", "sync; true"]"#,
                vec!["/bin/sh", "-c", "sync; true"],
            ),
            ("[]", vec![]),
            ("[sync]", vec!["[sync]"]),
            (r#"["sync", 1]"#, vec![r#"["sync", 1]"#]),
            (r#" ["sync"]"#, vec![r#" ["sync"]"#]),
            ("{}", vec!["{}"]),
        ] {
            assert_eq!(pre(&[("pre.", "command", text)]).0.unwrap().command, words, "{text}");
        }
    }

    #[test]
    fn a_command_of_several_words_that_is_not_a_list_is_a_warning() {
        for (text, warned) in [
            ("sync", false),
            ("/bin/sync", false),
            (r#"["/bin/echo", "hello"]"#, false),
            ("[]", false),
            ("/bin/echo hello", true),
            ("/bin/echo\thello", true),
            ("[sync]", true),
            (r#"["sync", 1]"#, true),
            (r#" ["sync"]"#, true),
            (r#"{"command": "sync"}"#, true),
        ] {
            let (_, warnings) = pre(&[("pre.", "command", text)]);
            assert_eq!(warnings.len(), usize::from(warned), "{text}: {warnings:?}");
        }
        let (_, warnings) = pre(&[("pre.", "command", "/bin/echo hello")]);
        assert!(
            warnings[0].starts_with(
                r#"annotation pre.hook.backup.velero.io/command is "/bin/echo hello", which is not a JSON list"#
            ),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_command_alone_has_the_default_container_timeout_and_mode() {
        let (hook, warnings) = pre(&[("pre.", "command", "sync")]);
        let hook = hook.unwrap();
        assert_eq!((hook.container.as_str(), hook.timeout.as_secs()), ("", 30));
        assert_eq!(hook.on_error, OnError::Fail);
        assert_eq!(
            (hook.name.as_str(), hook.source),
            ("<from-annotation>", Source::Annotation)
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn valid_annotations_apply_and_invalid_ones_are_warnings() {
        // container, on-error, timeout -> the same, warnings
        let cases = [
            (("db", "Continue", "90s"), ("db", OnError::Continue, 90), 0),
            (("db", "Fail", "1m"), ("db", OnError::Fail, 60), 0),
            (("", "", ""), ("", OnError::Fail, 30), 0),
            (("", "", "0s"), ("", OnError::Fail, 30), 0),
            (("", "continue", "5"), ("", OnError::Fail, 30), 2),
            (("", "Stop", "-1s"), ("", OnError::Fail, 30), 2),
        ];
        for ((container, on_error, timeout), expected, warned) in cases {
            let (hook, warnings) = pre(&[
                ("pre.", "command", "sync"),
                ("pre.", "container", container),
                ("pre.", "on-error", on_error),
                ("pre.", "timeout", timeout),
            ]);
            let hook = hook.unwrap();
            assert_eq!(
                (hook.container.as_str(), hook.on_error, hook.timeout),
                (expected.0, expected.1, Duration::from_secs(expected.2))
            );
            assert_eq!(warnings.len(), warned, "{on_error} {timeout}: {warnings:?}");
        }
    }

    #[test]
    fn the_legacy_form_counts_where_there_is_no_pre_command() {
        let legacy = [("", "command", "old"), ("", "container", "side")];
        assert_eq!(pre(&legacy).0.unwrap().container, "side");
        let both = [legacy[0], legacy[1], ("pre.", "command", "new")];
        let hook = pre(&both).0.unwrap();
        assert_eq!((hook.command, hook.container.as_str()), (vec!["new".to_owned()], ""));
        let mut warnings = Vec::new();
        assert_eq!(super::hook(&annotations(&legacy), Phase::Post, &mut warnings), None);
    }

    #[test]
    fn without_a_command_there_is_no_hook() {
        for pairs in [&[][..], &[("pre.", "container", "c")], &[("pre.", "command", "")]] {
            assert_eq!(pre(pairs).0, None);
            assert!(!asked(&annotations(pairs)));
        }
        for phase in ["pre.", "post.", ""] {
            assert!(asked(&annotations(&[(phase, "command", "sync")])));
        }
    }
}
