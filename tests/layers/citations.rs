//! What comments and documents cite is there.
//!
//! ```text
//!   `spec restore 25.2`, `decision 14`           in Rust files and documents
//!   the names of tests                           in tests/checklist.md and docs/faults.md
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::documents::{documents, headings, read, root, rust_files, short};
use crate::files;

/// Words that introduce numbers of rows, steps or invariants behind a section.
const PARTS: [&str; 6] = ["row", "rows", "step", "steps", "invariant", "invariants"];

/// Words between the sections of one citation.
const BETWEEN: [&str; 4] = ["and", "to", "section", "sections"];

/// The documents of the specification, with the numbers of their sections.
fn specification() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = Vec::new();
    files(&root().join("docs/spec"), "md", &mut found);
    let sections = |text: &str| {
        headings(text)
            .filter_map(|heading| heading.split(' ').next())
            .map(|number| number.trim_end_matches('.'))
            .filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    };
    found
        .iter()
        .filter(|file| !file.ends_with("README.md"))
        .filter_map(|file| Some((file.file_stem()?.to_str()?.to_owned(), sections(&read(file)))))
        .collect()
}

/// The text in one line: a citation may be broken between two lines of a comment.
fn flat(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches(['/', '!', '#', '*']).trim());
    lines.collect::<Vec<_>>().join(" ")
}

/// A number at the beginning of a text, with one more behind a dot, and the text behind it.
fn number(text: &str) -> Option<(&str, &str)> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut end = digits(text);
    if end == 0 {
        return None;
    }
    if let Some(more) = text[end..].strip_prefix('.') {
        let more = digits(more);
        end += if more == 0 { 0 } else { more + 1 };
    }
    Some((&text[..end], &text[end..]))
}

fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_lowercase() && c != '-')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// What a text cites of the specification: `spec NAME SECTIONS`, also `spec/NAME`.
fn cited(text: &str, names: &BTreeSet<&str>) -> Vec<(String, Option<String>)> {
    let text = flat(text);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("spec") {
        let is_a_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_./\"'-`&$".contains(c));
        let rest = &text[at + "spec".len()..];
        let (Some(rest), true) = (rest.strip_prefix([' ', '/']), is_a_word) else {
            continue;
        };
        let (name, behind) = word(rest);
        let behind = behind.strip_prefix(".md").unwrap_or(behind);
        let is_numbered = behind.strip_prefix(' ').is_some_and(|rest| number(rest).is_some());
        if names.contains(name) || (is_numbered && !BETWEEN.contains(&name) && name != "of") {
            sections(name, behind, names, &mut found);
        }
    }
    found
}

/// What follows the label of a row behind a section: `22-C7`, `22 C7`.
fn without_label(text: &str) -> &str {
    text.trim_start_matches(['-', ' '])
        .strip_prefix(|c: char| c.is_ascii_uppercase())
        .and_then(number)
        .map_or(text, |(_, behind)| behind)
}

/// The sections behind the name of a document.
fn sections(name: &str, text: &str, names: &BTreeSet<&str>, found: &mut Vec<(String, Option<String>)>) {
    let (mut name, mut rest) = (name, text);
    let mut is_part = false;
    found.push((name.to_owned(), None));
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some((section, behind)) = number(rest) {
            is_part &= !section.contains('.');
            if !is_part {
                found.push((name.to_owned(), Some(section.to_owned())));
            }
            rest = without_label(behind);
            continue;
        }
        if let Some(behind) = rest.strip_prefix('#') {
            (is_part, rest) = (true, behind);
            continue;
        }
        let (next, behind) = word(rest);
        if PARTS.contains(&next) {
            is_part = true;
        } else if names.contains(next) && behind.strip_prefix(' ').is_some_and(|text| number(text).is_some()) {
            (name, is_part) = (next, false);
        } else if !BETWEEN.contains(&next) {
            return;
        }
        rest = behind;
    }
}

#[test]
fn citations_are_read_as_they_are_written() {
    let names = BTreeSet::from(["api", "backup", "restore", "server-cli"]);
    let table: &[(&str, &str)] = &[
        ("(spec backup 17)", "backup 17"),
        (
            "(spec backup 16.1 and 16.2, restore 21).",
            "backup 16.1, backup 16.2, restore 21",
        ),
        (
            "//! all of it (spec\n//! server-cli 1.1 to 1.3).",
            "server-cli 1.1, server-cli 1.3",
        ),
        ("(spec api 7.1 row 11, 7.2 row 3)", "api 7.1, api 7.2"),
        ("(spec restore 9.1, 9 step 14)", "restore 9.1, restore 9"),
        ("(spec restore 25.2, invariants 1 to 11 and 19).", "restore 25.2"),
        ("(spec backup 22-C10). The empty", "backup 22"),
        ("spec backup 3, 22 A2 and A3", "backup 3, backup 22"),
        ("(spec restore 26 #4)", "restore 26"),
        ("spec api 8. Without a release", "api 8"),
        ("(spec restore 14.3, the form of 1.18.1)", "restore 14.3"),
        ("(spec backup 4, spec api 7.1). Pure.", "backup 4, api 7.1"),
        ("Backups (spec/backup.md section 23)", "backup 23"),
        ("spec backup 20, decision 23", "backup 20"),
        ("spec elsewhere 2.1", "elsewhere 2.1"),
        (
            "item.pointer(\"/spec/backup 3\"), self.spec.backup, the spec of 3 items, a spec",
            "",
        ),
    ];
    for (text, expected) in table {
        let found: Vec<_> = cited(text, &names)
            .into_iter()
            .filter_map(|(name, section)| section.map(|section| format!("{name} {section}")))
            .collect();
        assert_eq!(found.join(", "), *expected, "{text}");
    }
}

#[test]
fn every_cited_section_of_the_specification_is_there() {
    let specification = specification();
    let names = specification.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in rust_files().into_iter().chain(documents()) {
        for (name, section) in cited(&read(&file), &names) {
            count += usize::from(section.is_some());
            let is_there = specification
                .get(&name)
                .is_some_and(|sections| section.as_ref().is_none_or(|section| sections.contains(section)));
            if !is_there {
                wrong.push(format!("{}: spec {name} {}", short(&file), section.unwrap_or_default()));
            }
        }
    }
    assert!(count > 150, "only {count} citations were found");
    assert!(wrong.is_empty(), "no such sections in docs/spec: {wrong:#?}");
}

/// The numbers of decisions that a text cites.
fn cited_decisions(text: &str) -> Vec<String> {
    let text = flat(text).to_lowercase();
    let mut found = Vec::new();
    for (at, marker) in text.match_indices("decision") {
        let mut rest = &text[at + marker.len()..];
        rest = rest.strip_prefix('s').unwrap_or(rest);
        while let Some((cited, behind)) = rest.strip_prefix(' ').and_then(number) {
            found.push(cited.to_owned());
            rest = [",", " and", " to"]
                .iter()
                .find_map(|between| behind.strip_prefix(between))
                .unwrap_or_default();
        }
    }
    found
}

#[test]
fn decisions_are_read_as_they_are_cited() {
    for (text, expected) in [
        ("(decision 14)", "14"),
        ("Decision 21: ", "21"),
        ("decisions 8, 23, 24).", "8 23 24"),
        ("decisions 14 to 16", "14 16"),
        ("(decisions\n//! 20 and 37): what", "20 37"),
        ("decision 14; a decision; decisions", "14"),
        ("decision_4, decision4", ""),
    ] {
        assert_eq!(cited_decisions(text).join(" "), expected, "{text}");
    }
}

#[test]
fn every_decision_that_is_cited_has_a_file_and_stands_in_the_index() {
    let directory = root().join("docs/decisions");
    let mut found = Vec::new();
    files(&directory, "md", &mut found);
    let names: Vec<_> = found.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    let index = read(&directory.join("README.md"));
    let mut numbers = BTreeSet::new();
    for name in names.iter().filter(|name| **name != "README.md") {
        let (number, _) = name.split_once('-').expect("NNNN-short-name.md");
        let number = number.trim_start_matches('0');
        assert!(numbers.insert(number.to_owned()), "decision {number} has two files");
        let text = read(&directory.join(name));
        assert!(
            text.starts_with(&format!("# Decision {number}: ")),
            "{name}: begin with its number and title"
        );
        for part in ["## Context", "## Decision", "## Consequences", "## Tests"] {
            assert!(text.contains(part), "{name}: `{part}` is missing");
        }
        let count = index.matches(&format!("({name})")).count();
        assert_eq!(count, 2, "{name}: put it into both lists of docs/decisions/README.md");
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in rust_files().into_iter().chain(documents()) {
        for number in cited_decisions(&read(&file)) {
            count += 1;
            if !numbers.contains(&number) {
                wrong.push(format!("{}: decision {number}", short(&file)));
            }
        }
    }
    assert!(count > 150, "only {count} citations were found");
    assert!(wrong.is_empty(), "no such decisions: {wrong:#?}");
}

/// The names of tests that a document names: alone, or behind their module or file.
fn named_tests(text: &str) -> Vec<&str> {
    // Tests have sentences for names; what else looks like a name is a field, a file or a flag.
    let is_a_sentence = |word: &&str| {
        word.matches('_').count() > 2
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    text.split(|c: char| c.is_whitespace() || "`|,;()".contains(c))
        .filter_map(|word| word.rsplit("::").next())
        .filter(is_a_sentence)
        .collect()
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut sources = Vec::new();
    for directory in ["src", "crates", "tests"] {
        files(&root().join(directory), "rs", &mut sources);
    }
    let code: String = sources.iter().map(|file| read(file)).collect();
    for (document, at_least) in [("tests/checklist.md", 80), ("docs/faults.md", 60)] {
        let text = read(&root().join(document));
        let named = named_tests(&text);
        assert!(
            named.len() > at_least,
            "{document}: only {} names were found",
            named.len()
        );
        let missing: Vec<_> = named
            .into_iter()
            .filter(|name| !code.contains(&format!("fn {name}(")))
            .collect();
        assert!(missing.is_empty(), "{document}: no such tests: {missing:#?}");
    }
}
