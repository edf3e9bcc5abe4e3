//! Whether an object's status is restored (spec restore 12).

use serde_json::Value;

use super::metadata;
use crate::api::annotations::RESTORE_STATUS;

/// Whether the status is written after the creation, and the annotation's value if it is invalid (then the spec decides).
pub fn is_wanted(object: &Value, by_spec: bool) -> (bool, Option<&str>) {
    let annotation = metadata::annotation(object, RESTORE_STATUS);
    match annotation.map(str::trim) {
        None | Some("") => (by_spec, None),
        Some(value) if value.eq_ignore_ascii_case("true") => (true, None),
        Some(value) if value.eq_ignore_ascii_case("false") => (false, None),
        Some(_) => (by_spec, annotation),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_annotation_wins_over_the_spec() {
        let table = [
            (None, false, false, None),
            (None, true, true, None),
            (Some("true"), false, true, None),
            (Some(" TRUE "), false, true, None),
            (Some("False"), true, false, None),
            (Some("yes"), true, true, Some("yes")),
            (Some("yes"), false, false, Some("yes")),
            (Some(""), true, true, None),
        ];
        for (annotation, by_spec, wanted, unreadable) in table {
            let object = match annotation {
                Some(value) => json!({"metadata": {"annotations": {"velero.io/restore-status": value}}}),
                None => json!({"metadata": {}}),
            };
            assert_eq!(
                is_wanted(&object, by_spec),
                (wanted, unreadable),
                "{annotation:?} {by_spec}"
            );
        }
    }
}
