//! Which keys are valid.
//!
//! The rules are those of the strictest provider, so that a location can move to another one: a key names a file below a directory, nothing else.

use super::error::{Class, Failure};

/// Longest key in bytes: S3's limit.
const LONGEST: usize = 1024;

/// Longest part between slashes in bytes: that of file systems.
const LONGEST_SEGMENT: usize = 255;

/// Checks a key.
pub(super) fn check(key: &str) -> Result<(), Failure> {
    let problem = if key.len() > LONGEST {
        "it is too long"
    } else if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        "it is empty, begins or ends with a slash, or has empty or dot segments"
    } else if key.split('/').any(|segment| segment.len() > LONGEST_SEGMENT) {
        "a part of it between slashes is too long"
    } else if key.contains(|c: char| c.is_ascii_control()) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(Failure::new(
        Class::Invalid,
        format!("the key cannot be used: {problem}"),
    ))
}

/// Checks what a listing begins with: empty, or a key and a slash.
pub(super) fn check_prefix(prefix: &str) -> Result<(), Failure> {
    if prefix.is_empty() {
        return Ok(());
    }
    let dir = prefix.strip_suffix('/');
    check(dir.ok_or_else(|| Failure::new(Class::Invalid, "the prefix must end with a slash"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_file_below_a_directory_and_nothing_else() {
        let long_segment = "x".repeat(256);
        let long = vec!["x".repeat(200); 6].join("/");
        for good in [
            "a",
            "a/b",
            "backups/b/b.tar.gz",
            "a/.b",
            "a/..b",
            "a/b..",
            "a b/ä:?#%+",
            "...",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/..",
            "a/./b",
            "a\0",
            "a\n",
            &long,
            &long_segment,
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["", "a/", "a/b/"] {
            assert_eq!(check_prefix(good), Ok(()), "{good}");
        }
        for bad in ["/", "a", "a//", "../"] {
            assert!(check_prefix(bad).is_err(), "{bad:?}");
        }
    }
}
