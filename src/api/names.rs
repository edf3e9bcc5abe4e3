//! Names and label values (spec api 9).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The longest value a label can have, in bytes.
pub const LABEL_VALUE_LIMIT: usize = 63;

/// The value for a label that carries this name: the name itself up to 63 bytes, else its first 57 bytes and the first 6
/// hexadecimal digits of its SHA-256.
///
/// Upstream's servers find objects by these values, so the rule must hold to the byte. Upstream writes some labels with the
/// raw name (`schedule-name`, for one): look for both then.
pub fn label_value(name: &str) -> String {
    if name.len() <= LABEL_VALUE_LIMIT {
        return name.to_owned();
    }
    let mut cut = 57;
    // Names are ASCII. Should one not be, go back to a whole character instead of writing half a one.
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut value = name[..cut].to_owned();
    value.push_str(&sha256_hex(name)[..6]);
    value
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

/// The name of a repository. Since 1.10; older ones have generated names, so look them up by their labels.
pub fn repository(volume_namespace: &str, location: &str, repository_type: &str) -> String {
    format!("{volume_namespace}-{location}-{repository_type}")
}
