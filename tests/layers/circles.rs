//! Circles of imports: no file of a circle can be understood, moved or tested without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::imports::Edges;

/// The circles: sets of files, each of which is reached from each other one along its imports. Sorted.
pub fn circles(edges: &Edges) -> BTreeSet<BTreeSet<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|from| (*from, reach(from, &next))).collect();
    let in_both_ways = |from: &str, to: &str| reached.get(to).is_some_and(|back| back.contains(from));
    reached
        .iter()
        .filter(|(from, there)| there.contains(*from))
        .map(|(from, there)| {
            let circle = there.iter().filter(|to| in_both_ways(from, to));
            circle.map(|file| (*file).to_owned()).collect()
        })
        .collect()
}

fn reach<'a>(from: &str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = next.get(from).cloned().unwrap_or_default();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(next.get(file).into_iter().flatten());
        }
    }
    reached
}

/// A circle as text: `file -> file: names`, one import a line.
pub fn shown(circle: &BTreeSet<String>, edges: &Edges) -> String {
    let mut text = format!("a circle of {} files:\n", circle.len());
    for ((from, to), names) in edges {
        if circle.contains(from) && circle.contains(to) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let _ = writeln!(text, "  {from} -> {to}: {}", names.join(", "));
        }
    }
    text
}
