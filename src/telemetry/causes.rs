//! The text of an error with its causes, in one line.

use std::error::Error;

/// The error and its sources, outermost first. A source is left out if its text is part of the text before it: many libraries
/// repeat their source in their own text.
pub fn in_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn each_cause_is_named_once() {
        for (text, whole) in [
            ("tcp connect error", "tcp connect error: connection refused"),
            ("connect: connection refused", "connect: connection refused"),
        ] {
            let source = io::Error::other("connection refused");
            assert_eq!(in_line(&Outer { text, source }), whole);
        }
    }
}
