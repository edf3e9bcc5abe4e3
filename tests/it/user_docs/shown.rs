//! Whether a command printed what a page shows.

/// Compares line by line. In what is shown `...` stands for any text, and alone in a line for any number of lines. Empty lines and the
/// width of columns do not count.
pub fn is_like(shown: &[String], printed: &str) -> bool {
    let shown: Vec<String> = shown
        .iter()
        .map(|line| narrow(line))
        .filter(|l| !l.is_empty())
        .collect();
    let printed: Vec<String> = printed.lines().map(narrow).filter(|l| !l.is_empty()).collect();
    lines_match(&shown, &printed)
}

fn narrow(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others)),
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let parts: Vec<&str> = shown.split("...").collect();
    let [first, between @ .., last] = &parts[..] else {
        return shown == printed;
    };
    let Some(mut rest) = printed.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in between {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn dots_stand_for_any_text_and_any_lines() {
    for (shown, printed, expected) in [
        ("a b", "a    b\n", true),
        ("a b", "a c\n", false),
        ("a", "a\n\n", true),
        ("a", "a\nb\n", false),
        ("a\n...", "a\n", true),
        ("a\n...\nd", "a\nb\nc\nd\n", true),
        ("a\n...\nd", "a\nb\nc\n", false),
        ("...\nb\n...", "a\nb\nc\n", true),
        ("took ... s", "took 12.5 s\n", true),
        ("took ... s", "took 12.5\n", false),
        ("a ... b ... c", "a 1 b 2 c\n", true),
        ("a ... b ... c", "a 1 2 c\n", false),
        ("...", "", true),
        ("a", "", false),
    ] {
        let shown_lines: Vec<String> = shown.lines().map(str::to_owned).collect();
        assert_eq!(is_like(&shown_lines, printed), expected, "{shown:?} and {printed:?}");
    }
}
