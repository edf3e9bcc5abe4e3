//! The documents of the repository: their links, and the files that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The path below the root.
pub fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The documents of the repository.
pub fn documents() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).expect("the root");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    for directory in ["docs", "crates", "tests"] {
        files(&root().join(directory), "md", &mut found);
    }
    assert!(found.len() > 60, "only {} documents were found", found.len());
    found
}

/// The Rust files of the repository.
pub fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["src", "crates", "tests", "bench", "crd-gen"] {
        files(&root().join(directory), "rs", &mut found);
    }
    // This file is full of examples.
    found.retain(|file| !file.ends_with("tests/layers/citations.rs"));
    found
}

/// The lines of a document outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// A line with its `code` taken out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The headings of a document.
pub fn headings(text: &str) -> impl Iterator<Item = &str> {
    prose(text).filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len())
            .then(|| heading.strip_prefix(' '))
            .flatten()
    })
}

/// The anchors of a document; the second heading of one text gets `-1`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let mut found = BTreeSet::new();
    for heading in headings(text) {
        let anchor = anchor(heading);
        let count: &mut usize = seen.entry(anchor.clone()).or_default();
        found.insert(if *count == 0 {
            anchor
        } else {
            format!("{anchor}-{count}")
        });
        *count += 1;
    }
    found
}

/// The targets of the links of a document.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            let target = &line[at + 2..];
            if let Some(end) = target.find(')') {
                found.push(target[..end].to_owned());
            }
        }
    }
    found
}

/// What is wrong with a link of this document.
fn broken(document: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (file, wanted) = target.split_once('#').map_or((target, None), |(f, a)| (f, Some(a)));
    let path = match file {
        "" => document.to_owned(),
        file => document.parent().unwrap_or(root()).join(file),
    };
    let path = path.canonicalize().ok().filter(|path| path.starts_with(root()));
    let Some(path) = path else {
        return Some(format!("{}: no such file: {target}", short(document)));
    };
    let wanted = wanted?;
    let is_there = path.extension().is_some_and(|e| e == "md") && anchors(&read(&path)).contains(wanted);
    (!is_there).then(|| format!("{}: no such heading: {target}", short(document)))
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let readme = root().join("README.md");
    for (target, expected) in [
        ("docs/spec/README.md", false),
        ("docs/spec", false),
        ("#where-to-look", false),
        ("docs/spec/backup.md#214-valid-label-value", false),
        ("https://example.com/nowhere", false),
        ("docs/nowhere.md", true),
        ("docs/spec/backup.md#22-nowhere", true),
        ("src/lib.rs#nowhere", true),
        ("../outside.md", true),
    ] {
        assert_eq!(broken(&readme, target).is_some(), expected, "{target}");
    }
    let text = "[a](b.md) `[code](c.md)` [d](e.md#f)\n```\n[block](g.md)\n```\n[h](i)";
    assert_eq!(links(text), ["b.md", "e.md#f", "i"]);
    let text = "# A `b`, c\n## 2.1 D [+]\n# A `b`, c\n```\n# code\n```\n#tag";
    let expected = ["a-b-c", "a-b-c-1", "21-d-"].map(str::to_owned);
    assert_eq!(anchors(text), BTreeSet::from(expected));
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        for target in links(&read(&document)) {
            count += 1;
            wrong.extend(broken(&document, &target));
        }
    }
    assert!(count > 300, "only {count} links were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The paths of this repository in the `code` of a document, without the name of a test behind them.
fn paths(text: &str) -> Vec<&str> {
    const TOP: [&str; 7] = ["src/", "tests/", "crates/", "docs/", "bench/", "demo/", "manifests/"];
    prose(text)
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| TOP.iter().any(|top| code.starts_with(top)))
        .filter(|code| !code.contains(['<', '*', '{', '…']))
        .map(|code| code.split([':', ' ', ',', '#']).next().unwrap_or(code))
        .collect()
}

#[test]
fn every_path_in_a_document_is_there() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        for path in paths(&text) {
            count += 1;
            if !root().join(path).exists() {
                wrong.push(format!("{}: {path}", short(&document)));
            }
        }
    }
    assert!(count > 200, "only {count} paths were found");
    assert!(wrong.is_empty(), "no such files: {wrong:#?}");
}
