//! What an error of a store must not show.

/// Hides the signature parameters that Azure's errors repeat from the request (spec backup 20 step 5).
pub(super) fn redact(text: &str) -> String {
    const SECRETS: [&str; 10] = ["sig", "se", "st", "sp", "spr", "sv", "sr", "sip", "srt", "ss"];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, from) = rest.split_at(at + 1);
        out.push_str(before);
        let end = from.find(['&', ' ', '"', '\'', '\n']).unwrap_or(from.len());
        match from[..end].split_once('=') {
            Some((key, _)) if SECRETS.contains(&key) => {
                out.push_str(key);
                out.push_str("=***REDACTED***");
            }
            _ => out.push_str(&from[..end]),
        }
        rest = &from[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_in_a_store_s_error_are_not_shown() {
        for (text, expected) in [
            (
                "GET https://x/y?sv=2020&sig=abc%2F&comp=list: 403",
                "GET https://x/y?sv=***REDACTED***&sig=***REDACTED***&comp=list: 403",
            ),
            (
                "GET https://x/y?sig=abc failed",
                "GET https://x/y?sig=***REDACTED*** failed",
            ),
            ("what? no & yes", "what? no & yes"),
            ("signature=1", "signature=1"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
