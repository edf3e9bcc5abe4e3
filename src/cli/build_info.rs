//! The version of this program.

use std::env::consts::{ARCH, OS};

use crate::controllers::version;

/// The commit the program was built from, set by the build in `VELERO_GIT_COMMIT`; `-` if unset.
pub const GIT_COMMIT: &str = match option_env!("VELERO_GIT_COMMIT") {
    Some(commit) => commit,
    None => "-",
};

/// The user agent for API servers: `velero/v1.18.1 (linux/amd64) 0123abc` (spec server-cli 1.5).
pub fn user_agent(program: &str) -> String {
    let os = if OS == "macos" { "darwin" } else { OS };
    let arch = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    };
    format!("{program}/{} ({os}/{arch}) {GIT_COMMIT}", version::server())
}

/// Major and minor version of a text like `v1.18.1`, if it is one.
pub fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split(['.', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_major_and_minor() {
        for (text, want) in [
            ("v1.18.1", Some((1, 18))),
            (version::server(), Some((1, 18))),
            ("main", None),
            ("v2", None),
        ] {
            assert_eq!(major_minor(text), want, "{text}");
        }
    }
}
