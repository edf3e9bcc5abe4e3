//! Names and label values (spec api 9).

use std::fmt::Write as _;

use k8s_openapi::jiff::civil::DateTime;
use sha2::{Digest, Sha256};

/// The longest value a label can have, in bytes.
pub const LABEL_VALUE_LIMIT: usize = 63;

/// The value for a label that carries this name: the name itself up to 63 bytes, else its first 57 bytes and the first 6
/// hexadecimal digits of its SHA-256.
///
/// Upstream's servers find objects by these values, so the rule must be exact. Upstream writes some labels with the raw
/// name (`schedule-name`): searches then use both.
pub fn label_value(name: &str) -> String {
    if name.len() <= LABEL_VALUE_LIMIT {
        return name.to_owned();
    }
    let mut cut = 57;
    // Names are ASCII. If one is not, the cut moves back to a character boundary.
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut value = name[..cut].to_owned();
    value.push_str(&sha256_hex(name)[..6]);
    value
}

/// Whether an object of ours, a ConfigMap or a Secret can have this name: at most 253 letters in lower case, digits, `-` and
/// `.`, with a letter or digit at both ends. A name that a user gives is checked before a request: kube writes it unchanged into
/// the request's path.
pub fn is_object_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= 253
        && name.bytes().next().is_some_and(inner)
        && name.bytes().last().is_some_and(inner)
        && name.bytes().all(|b| inner(b) || matches!(b, b'-' | b'.'))
}

/// The 64 hexadecimal digits of a text's SHA-256.
pub fn sha256_hex(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The operation id (and label value) of a DataUpload. Since 1.12.
pub fn data_upload_operation(backup_uid: &str, pvc_uid: &str) -> String {
    label_value(&format!("du-{backup_uid}.{pvc_uid}"))
}

/// The operation id (and label value) of a DataDownload. Since 1.12.
pub fn data_download_operation(restore_uid: &str, pvc_uid: &str) -> String {
    label_value(&format!("dd-{restore_uid}.{pvc_uid}"))
}

/// The name of a VolumeSnapshot, and of its content, made by a restore. Since 1.14.
pub fn restored_volume_snapshot(restore_uid: &str, volume_snapshot: &str) -> String {
    sha256_hex(&format!("{restore_uid}/{volume_snapshot}"))
}

/// A name with a time at its end, `<base>-20060102150405`: of a schedule's backups and of objects that the command line
/// creates. The time zone is the server's, or the client's.
pub fn timestamped(base: &str, moment: DateTime) -> String {
    format!("{base}-{}", moment.strftime("%Y%m%d%H%M%S"))
}

/// The ConfigMap that outlives a DataUpload, so that its snapshot can be deleted. Since 1.12.
pub fn data_upload_info(data_upload: &str) -> String {
    format!("{data_upload}-info")
}

/// The name of a repository. Since 1.10; older ones have generated names, so they are found by their labels.
pub fn repository(volume_namespace: &str, location: &str, repository_type: &str) -> String {
    format!("{volume_namespace}-{location}-{repository_type}")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_name_is_a_domain_name() {
        for (name, legal) in [
            ("b", true),
            ("nightly-1.2", true),
            ("", false),
            ("a b", false),
            ("a ", false),
            ("a/b", false),
            ("a?x=y", false),
            ("-a", false),
            ("A", false),
            ("\u{fc}", false),
        ] {
            assert_eq!(is_object_name(name), legal, "{name:?}");
        }
        assert!(is_object_name(&"a".repeat(253)) && !is_object_name(&"a".repeat(254)));
    }

    #[test]
    fn a_short_name_is_its_own_label_value() {
        for name in ["", "a", &"x".repeat(63)] {
            assert_eq!(label_value(name), name);
        }
    }

    #[test]
    fn a_long_name_is_cut_and_ends_with_its_digest() {
        let name = "this-is-a-label-value-that-is-longer-than-what-a-kubernetes-label-value-may-have";
        let value = label_value(name);
        assert_eq!(value, format!("{}{}", &name[..57], &sha256_hex(name)[..6]));
        assert_eq!(value.len(), 63);
        assert_eq!(label_value(&"a".repeat(64)), format!("{}ffe054", "a".repeat(57)));
    }

    #[test]
    fn operation_ids_are_always_cut() {
        let uid = "615cbe75-0e83-4ee8-a148-02aa96e238bd";
        let id = data_upload_operation(uid, uid);
        assert_eq!(id.len(), 63);
        assert!(id.starts_with("du-615cbe75-0e83-4ee8-a148-02aa96e238bd.615cbe75-0e83-4ee"));
        assert!(data_download_operation(uid, uid).starts_with("dd-"));
    }

    #[test]
    fn names_are_put_together_as_upstream_does() {
        assert_eq!(
            timestamped("daily", date(2026, 1, 2).at(3, 4, 5, 6)),
            "daily-20260102030405"
        );
        assert_eq!(repository("shop", "default", "kopia"), "shop-default-kopia");
        assert_eq!(data_upload_info("b-x7z"), "b-x7z-info");
        assert_eq!(restored_volume_snapshot("uid", "vs"), sha256_hex("uid/vs"));
        assert_eq!(
            sha256_hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn a_label_value_fits_and_is_the_same_when_made_twice(name in "\\PC{0,200}") {
            let value = label_value(&name);
            prop_assert!(value.len() <= LABEL_VALUE_LIMIT);
            prop_assert_eq!(label_value(&value), value);
        }
    }
}
