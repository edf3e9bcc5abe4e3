//! The rows of tables that CONTRIBUTING.md shows as examples are rows of these tables.

use std::fs;
use std::path::Path;

/// Without what rustfmt adds to break a row into lines.
fn compact(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",)", ")")
        .replace(",]", "]")
        .trim_end_matches(',')
        .to_owned()
}

/// The first `code` of a cell.
fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

/// The examples: a Rust file, and a row of a table in it.
fn examples(document: &str) -> Vec<(&str, &str)> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .filter_map(|line| {
            let mut cells = line.split(" | ").skip(1);
            let (file, row) = (code(cells.next()?)?, code(cells.next()?)?);
            let is_rust = Path::new(file).extension().is_some_and(|e| e == "rs");
            is_rust.then_some((file, row))
        })
        .collect()
}

#[test]
fn the_rows_that_contributors_are_shown_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let document = read("CONTRIBUTING.md");
    let examples = examples(&document);
    assert!(examples.len() >= 6, "only {} examples were found", examples.len());
    for (file, row) in examples {
        assert!(
            compact(&read(file)).contains(&compact(row)),
            "CONTRIBUTING.md shows `{row}`, which is not in {file}"
        );
    }
}
