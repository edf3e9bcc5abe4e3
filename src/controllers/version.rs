//! What this server calls itself.

/// The release of Velero whose behaviour this one follows; Go clients warn when the server's differs from theirs.
pub const COMPATIBLE_WITH: &str = "v1.18.1";

/// `v1.18.1+rs.0.1.0`: a build of our own of that release (decision 27).
pub fn server() -> &'static str {
    concat!("v1.18.1+rs.", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_begins_with_the_release_it_is_compatible_with() {
        assert!(server().starts_with(COMPATIBLE_WITH));
    }
}
