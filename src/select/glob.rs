//! The wildcards of upstream's filters.

use std::fmt::Write;

use regex::{Regex, RegexBuilder};

/// A compiled pattern: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[!a]`, `{a,b}`, and `\` takes the next character as
/// it is.
///
/// There are no separators: `*` crosses dots and slashes (spec restore 7.4). Matching takes linear time for every pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    pattern: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Everything,
    Literal,
    Regex(Regex),
}

/// An invalid pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a valid pattern: {reason}")]
pub struct GlobError {
    /// As written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Whether a name of a list is a pattern rather than the name of one thing.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{', '\\'])
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let error = |reason| GlobError {
            pattern: pattern.to_owned(),
            reason,
        };
        let matcher = if pattern == "*" {
            Matcher::Everything
        } else if is_pattern(pattern) {
            let regex = to_regex(pattern).map_err(error)?;
            let built = RegexBuilder::new(&regex)
                .dot_matches_new_line(true)
                .size_limit(1 << 20)
                .build();
            Matcher::Regex(built.map_err(|_| error("it is too long"))?)
        } else {
            Matcher::Literal
        };
        Ok(Self {
            pattern: pattern.to_owned(),
            matcher,
        })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Everything => true,
            Matcher::Literal => self.pattern == text,
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Glob {}

fn to_regex(pattern: &str) -> Result<String, &'static str> {
    let mut regex = String::from("^(?:");
    let mut braces = 0_usize;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => class(&mut chars, &mut regex)?,
            '{' => {
                braces += 1;
                regex.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                regex.push(')');
            }
            ',' if braces > 0 => regex.push('|'),
            '\\' => push_literal(&mut regex, chars.next().ok_or("a backslash has nothing after it")?),
            literal => push_literal(&mut regex, literal),
        }
    }
    if braces > 0 {
        return Err("a brace is not closed");
    }
    regex.push_str(")$");
    Ok(regex)
}

/// The part after `[`, including the closing bracket.
fn class(chars: &mut std::str::Chars<'_>, regex: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a bracket is not closed";
    let mut members: Vec<(char, bool)> = Vec::new(); // with whether it was escaped
    let mut negated = false;
    let mut first = true;
    loop {
        match chars.next().ok_or(OPEN)? {
            ']' => break,
            '!' if first => negated = true,
            '\\' => members.push((chars.next().ok_or(OPEN)?, true)),
            member => members.push((member, false)),
        }
        first = false;
    }
    if members.is_empty() {
        return Err("brackets are empty");
    }
    regex.push_str(if negated { "[^" } else { "[" });
    let mut rest = members.as_slice();
    while let [(low, _), after @ ..] = rest {
        if let [('-', false), (high, _), beyond @ ..] = after {
            if low > high {
                return Err("a range runs backwards");
            }
            push_literal(regex, *low);
            regex.push('-');
            push_literal(regex, *high);
            rest = beyond;
        } else {
            push_literal(regex, *low);
            rest = after;
        }
    }
    regex.push(']');
    Ok(())
}

fn push_literal(regex: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        regex.push(c);
    } else {
        // Writing into a string cannot fail.
        let _ = write!(regex, r"\x{{{:x}}}", u32::from(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_the_whole_name() {
        let table = [
            ("pods", "pods", true),
            ("pods", "pod", false),
            ("pods", "podss", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything.at.all/even-this", true),
            ("*.velero.io", "backups.velero.io", true),
            ("*.velero.io", "velero.io", false),
            ("*velero*", "a.velero.b", true),
            ("**", "a.b", true),
            ("ns-?", "ns-1", true),
            ("ns-?", "ns-", false),
            ("ns-?", "ns-12", false),
            ("ns-[12]", "ns-2", true),
            ("ns-[12]", "ns-3", false),
            ("ns-[a-c]", "ns-b", true),
            ("ns-[a-c]", "ns-d", false),
            ("ns-[a-c0-9]", "ns-7", true),
            ("ns-[!a-c]", "ns-d", true),
            ("ns-[!a-c]", "ns-a", false),
            ("ns-[a-]", "ns--", true),
            ("ns-[^a]", "ns-^", true),
            ("{a,b*}.apps", "bcd.apps", true),
            ("{a,b*}.apps", "c.apps", false),
            ("{a,{b,c}}", "c", true),
            ("a,b", "a,b", true),
            ("a}", "a}", true),
            ("a]", "a]", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("a.b", "axb", false),
            ("a+(b|c)", "a+(b|c)", true),
            ("*+(b|c)", "a+(b|c)", true),
            ("Pods", "pods", false),
            ("ü?", "üä", true),
            ("a*", "a\nb", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(
                Glob::new(pattern).unwrap().matches(name),
                expected,
                "{pattern} against {name}"
            );
        }
    }

    #[test]
    fn an_invalid_pattern_has_its_reason() {
        for (pattern, reason) in [
            ("[", "a bracket is not closed"),
            ("[a", "a bracket is not closed"),
            ("[]", "brackets are empty"),
            ("[!]", "brackets are empty"),
            ("[z-a]", "a range runs backwards"),
            ("{a,b", "a brace is not closed"),
            (r"a\", "a backslash has nothing after it"),
        ] {
            assert_eq!(Glob::new(pattern).unwrap_err().reason, reason, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_compiled(pattern in ".{0,40}", text in ".{0,40}") {
            if let Ok(glob) = Glob::new(&pattern) {
                glob.matches(&text);
            }
        }

        #[test]
        fn an_escaped_name_matches_itself_only(name in "[ -~]{0,12}", other in "[ -~]{0,12}") {
            let escaped: String = name.chars().flat_map(|c| ['\\', c]).collect();
            let glob = Glob::new(&escaped).unwrap();
            prop_assert!(glob.matches(&name));
            prop_assert_eq!(glob.matches(&other), name == other);
        }

        #[test]
        fn a_star_stands_for_any_run(before in "[a-z.]{0,5}", run in "[a-z./-]{0,9}", after in "[a-z.]{0,5}") {
            let (pattern, text) = (format!("{before}*{after}"), format!("{before}{run}{after}"));
            prop_assert!(Glob::new(&pattern).unwrap().matches(&text));
        }
    }
}
