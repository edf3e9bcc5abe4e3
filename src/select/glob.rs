//! Wildcards as upstream's filters know them.

/// A compiled pattern: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[!a]`, `{a,b}`, `\` takes the next as it is.
///
/// There are no separators: `*` crosses dots and slashes (spec restore 7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern: {reason}")]
pub struct GlobError {
    /// As written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        Ok(Self {
            text: pattern.to_owned(),
        })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let _ = text;
        todo!("skeleton")
    }
}
