//! Rules of the house that a program can hold: sizes, and words.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, tokens};

/// The longest file of production code, in lines.
const MAX_LINES: usize = 500;

/// A type with more fields has its methods in one file.
const MAX_FIELDS: usize = 10;

/// Words for people, which no text may use for a process or an object.
const PERSONS: [&str; 10] = [
    "who",
    "whom",
    "whoever",
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "someone",
    "anyone",
    "everyone",
];

/// Words for people after which `who` is allowed.
const PEOPLE: [&str; 6] = ["user", "users", "people", "operator", "operators", "administrator"];

/// Files of production code that are too long.
pub fn too_long(files: &BTreeMap<String, String>, production: &BTreeSet<String>) -> Vec<String> {
    production
        .iter()
        .filter_map(|file| {
            let lines = files.get(file)?.lines().count();
            (lines > MAX_LINES).then(|| format!("{file}: {lines} lines"))
        })
        .collect()
}

/// Types of many fields whose methods are in several files. A file that defines a type of the same name is about that one.
pub fn spread_types(files: &BTreeMap<String, String>, production: &BTreeSet<String>) -> Vec<String> {
    let mut large: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut defined: BTreeSet<(String, String)> = BTreeSet::new();
    for file in production {
        let Some(text) = files.get(file) else { continue };
        let tokens = tokens(text);
        for (at, pair) in tokens.windows(2).enumerate() {
            let [Token::Word(keyword), next] = pair else { continue };
            if matches!(keyword.as_str(), "enum" | "trait" | "type" | "struct")
                && let Token::Word(name) = next
            {
                defined.insert((name.clone(), file.clone()));
            }
            if keyword == "struct"
                && let Token::Word(name) = next
            {
                let fields = fields(&tokens[at + 2..]);
                if fields > MAX_FIELDS {
                    large.insert(name.clone(), (file.clone(), fields));
                }
            }
            if keyword == "impl"
                && let Some(name) = inherent(&tokens[at + 1..])
            {
                methods.entry(name).or_default().insert(file.clone());
            }
        }
    }
    large
        .into_iter()
        .filter_map(|(name, (file, fields))| {
            let is_about_another =
                |home: &&String| **home != file && defined.contains(&(name.clone(), (*home).clone()));
            let homes: Vec<_> = methods
                .get(&name)?
                .iter()
                .filter(|home| !is_about_another(home))
                .collect();
            (homes.len() > 1).then(|| format!("{file}: `{name}` has {fields} fields and methods in {homes:?}"))
        })
        .collect()
}

/// The number of named fields of a struct, from behind its name.
fn fields(tokens: &[Token]) -> usize {
    let mut generics = 0_i32;
    let mut at = 0;
    // Over generics and bounds to the braces; a tuple struct has none.
    loop {
        match tokens.get(at) {
            Some(token) if token.is('<') => generics += 1,
            Some(token) if token.is('>') => generics -= 1,
            Some(token) if token.is('{') && generics <= 0 => break,
            Some(token) if !(token.is(';') || token.is('(') && generics <= 0) => {}
            _ => return 0,
        }
        at += 1;
    }
    let (mut depth, mut count) = (0_i32, 0);
    for pair in tokens[at..].windows(3) {
        if pair[0].is('{') || pair[0].is('(') || pair[0].is('[') {
            depth += 1;
        } else if pair[0].is('}') || pair[0].is(')') || pair[0].is(']') {
            depth -= 1;
            if depth == 0 {
                break;
            }
        } else if depth == 1 && pair[0].word().is_some() && pair[1].is(':') && !pair[2].is(':') {
            // Not the second half of a path.
            count += 1;
        }
    }
    count
}

/// The type of an inherent `impl`, from behind the keyword; nothing for one of a trait.
fn inherent(tokens: &[Token]) -> Option<String> {
    let mut generics = 0_i32;
    let mut name = None;
    for token in tokens {
        if token.is('<') {
            generics += 1;
        } else if token.is('>') {
            generics -= 1;
        } else if generics == 0 {
            match token.word() {
                Some("for") => return None,
                Some("where") => break,
                Some(word) => name = Some(word.to_owned()),
                None if token.is('{') => break,
                None => {}
            }
        }
    }
    name
}

/// Lines with a word for people.
pub fn persons<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files {
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<String> = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect();
            let is_wrong = |at: usize| {
                PERSONS.contains(&words[at].as_str()) && (at == 0 || !PEOPLE.contains(&words[at - 1].as_str()))
            };
            if (0..words.len()).any(is_wrong) {
                found.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &[(&str, &str)]) -> (BTreeMap<String, String>, BTreeSet<String>) {
        let files: BTreeMap<String, String> = text.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect();
        let production = files.keys().cloned().collect();
        (files, production)
    }

    #[test]
    fn a_large_type_with_methods_in_two_files_is_found() {
        let fields = |count| "pub f: std::sync::Arc<u8>, ".repeat(count);
        let (many, few) = (fields(11), fields(10));
        for (fields, second, expected) in [
            (&many, "impl<T: Clone> Big<T> { fn b() {} }", 1),
            (&many, "impl std::fmt::Debug for Big { }", 0),
            (&many, "enum Big {} impl Big { fn b() {} }", 0),
            (&few, "impl Big { fn b() {} }", 0),
        ] {
            let first = format!("struct Big<T = u8> where T: Clone {{ {fields} }} impl Big {{ fn a() {{}} }}");
            let (files, production) = files(&[("a.rs", &first), ("b.rs", second)]);
            assert_eq!(spread_types(&files, &production).len(), expected, "{second}");
        }
    }

    #[test]
    fn persons_are_words_and_not_parts_of_words() {
        let text = "whole\n// Whoever comes\n/// nobody's\n whose\n let who_is = 1;\n a user who may read";
        let found = persons([("a.rs", text)]);
        assert_eq!(found, ["a.rs:2: // Whoever comes", "a.rs:3: /// nobody's"]);
    }

    #[test]
    fn a_file_may_have_500_lines() {
        let (files, production) = files(&[("a.rs", &"\n".repeat(500)), ("b.rs", &"\n".repeat(501))]);
        assert_eq!(too_long(&files, &production), ["b.rs: 501 lines"]);
    }
}
