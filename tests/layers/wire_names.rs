//! Names that leave the process: labels, annotations, objects, reasons and metrics. Those of our own stand in
//! `docs/decisions/0049-names-on-the-wire.md`, Velero's in `docs/spec`.

use std::collections::BTreeSet;

use crate::documents::{read, root, short};
use crate::files;

/// A source without its tests.
fn production(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or(source)
}

/// The keys `velero.io/…` and `*.velero.io/…` that a text names.
fn keys(text: &str) -> BTreeSet<&str> {
    const DOMAIN: &str = "velero.io/";
    let is_domain = |c: char| c.is_ascii_lowercase() || c == '.';
    let is_name = |c: char| c.is_ascii_alphanumeric() || "./-_".contains(c);
    text.match_indices(DOMAIN)
        .map(|(at, _)| {
            let start = text[..at].trim_end_matches(is_domain).len();
            let end = at + text[at..].find(|c| !is_name(c)).unwrap_or(text.len() - at);
            text[start..end].trim_matches(['.', '/'])
        })
        .collect()
}

/// The names `velero-…` at the beginning of a text or of a part of a path, up to what is filled in.
fn own_names(source: &str) -> BTreeSet<&str> {
    let source = production(source);
    source
        .match_indices("velero-")
        .filter(|(at, _)| source[..*at].ends_with(['"', '/']))
        .map(|(at, _)| &source[at..])
        .filter_map(|text| text.split(['"', '{', '/', ':', ' ']).next())
        .collect()
}

/// The reasons of failures that a source declares.
fn reasons(source: &str) -> Vec<&str> {
    production(source)
        .match_indices("reasons!(")
        .filter_map(|(at, marker)| source[at + marker.len()..].split(')').next())
        .flat_map(|list| list.split(','))
        .map(|reason| reason.split('=').next_back().unwrap_or(reason).trim().trim_matches('"'))
        .filter(|reason| !reason.is_empty())
        .collect()
}

/// The metrics that a source names.
fn metrics(source: &str) -> Vec<&str> {
    let source = production(source);
    source
        .match_indices("\"velero_")
        .filter_map(|(at, _)| source[at + 1..].split('"').next())
        .collect()
}

#[test]
fn every_name_on_the_wire_is_written_down() {
    let decision = read(&root().join("docs/decisions/0049-names-on-the-wire.md"));
    let mut texts = Vec::new();
    files(&root().join("docs/spec"), "md", &mut texts);
    let specification: String = texts.iter().map(|file| read(file)).collect();
    let known = format!("{decision}\n{specification}");
    let known_keys = keys(&known);
    let mut sources = Vec::new();
    files(&root().join("src"), "rs", &mut sources);
    sources.retain(|file| {
        let name = short(file);
        !name.contains("/tests") && !name.contains("/testing")
    });
    let mut wrong = Vec::new();
    let mut counts = [0; 4];
    for file in sources {
        let source = read(&file);
        // A version of the API, and the beginning of all keys.
        let is_no_key = |key: &str| matches!(key, "velero.io" | "velero.io/v1" | "velero.io/v2alpha1");
        let found = [
            keys(production(&source))
                .into_iter()
                .filter(|key| !is_no_key(key))
                .collect(),
            own_names(&source).into_iter().collect(),
            reasons(&source),
            metrics(&source),
        ];
        for (count, names) in counts.iter_mut().zip(&found) {
            *count += names.len();
        }
        let [keys, names, reasons, metrics] = found;
        let new = keys.into_iter().filter(|key| !known_keys.contains(key));
        let new = new.chain(names.into_iter().filter(|name| !known.contains(name)));
        let new = new.chain(
            reasons
                .into_iter()
                .filter(|reason| !decision.contains(&format!("`{reason}`"))),
        );
        let new = new.chain(metrics.into_iter().filter(|metric| !known.contains(metric)));
        wrong.extend(new.map(|name| format!("{}: {name}", short(&file))));
    }
    let at_least = [90, 12, 25, 25];
    assert!(
        counts.iter().zip(at_least).all(|(count, least)| *count >= least),
        "only {counts:?} keys, names, reasons and metrics were found"
    );
    assert!(
        wrong.is_empty(),
        "put these into docs/decisions/0049-names-on-the-wire.md first: {wrong:#?}"
    );
}
