//! The modules of the production code: what each defines, binds with `use`, and names by a path.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, tokens};

/// A crate: the name that others import it by, and its root file.
#[derive(Clone, Debug)]
pub struct Crate {
    pub name: String,
    pub root: String,
}

/// A name that a `use` brings into a module.
#[derive(Clone, Debug)]
pub struct Binding {
    /// `*` for all names.
    pub name: String,
    pub path: Vec<String>,
    pub is_public: bool,
}

pub struct Module {
    pub file: String,
    pub parent: Option<usize>,
    pub root: usize,
    /// Where the files of its children are.
    pub directory: String,
    pub children: BTreeMap<String, usize>,
    pub items: BTreeSet<String>,
    pub bindings: Vec<Binding>,
    pub paths: BTreeSet<Vec<String>>,
    /// Names that stand alone, as a type or a call.
    pub words: BTreeSet<String>,
}

/// All modules that are reached from the roots of the crates.
pub struct Tree<'a> {
    files: &'a BTreeMap<String, String>,
    pub modules: Vec<Module>,
    /// The roots of the crates by the name that others import them by.
    pub roots: BTreeMap<String, usize>,
    /// Files of production code.
    pub production: BTreeSet<String>,
    /// Files of test modules.
    pub tests: BTreeSet<String>,
}

impl<'a> Tree<'a> {
    /// Reads the crates; `files` are sources by path.
    pub fn read(crates: &[Crate], files: &'a BTreeMap<String, String>) -> Self {
        let mut tree = Self {
            files,
            modules: Vec::new(),
            roots: BTreeMap::new(),
            production: BTreeSet::new(),
            tests: BTreeSet::new(),
        };
        for krate in crates {
            let directory = krate.root.rsplit_once('/').map_or("", |(directory, _)| directory);
            let root = tree.add(&krate.root, None, directory.to_owned());
            tree.roots.insert(krate.name.clone(), root);
            tree.read_file(root);
        }
        tree
    }

    fn add(&mut self, file: &str, parent: Option<usize>, directory: String) -> usize {
        let at = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            root: parent.map_or(at, |parent| self.modules[parent].root),
            directory,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            bindings: Vec::new(),
            paths: BTreeSet::new(),
            words: BTreeSet::new(),
        });
        at
    }

    fn read_file(&mut self, module: usize) {
        let file = self.modules[module].file.clone();
        let Some(source) = self.files.get(&file) else {
            panic!("{file}: no such source file");
        };
        self.production.insert(file);
        self.read_tokens(module, &tokens(source), true);
    }

    /// Reads the items of a module. `at_top` is off within functions and the like: no path from outside names their items.
    fn read_tokens(&mut self, module: usize, tokens: &[Token], at_top: bool) {
        let mut at = 0;
        let mut is_public = false;
        while at < tokens.len() {
            let word = tokens[at].word().unwrap_or_default();
            match (&tokens[at], tokens.get(at + 1)) {
                (mark, Some(open)) if mark.is('#') && (open.is('[') || open.is('!')) => {
                    let start = if open.is('!') { at + 2 } else { at + 1 };
                    let end = block_end(tokens, start);
                    let attribute = &tokens[start..end];
                    at = end;
                    if open.is('[') && is_test(attribute) {
                        at = self.skip_test(module, tokens, at);
                    } else {
                        self.read_attribute(module, attribute);
                    }
                }
                (Token::Word(_), Some(Token::Word(name))) if word == "mod" => {
                    at = self.read_child(module, name, tokens, at + 2);
                    is_public = false;
                }
                // Not the `use<…>` of a type.
                (Token::Word(_), Some(next)) if word == "use" && !next.is('<') => {
                    let end = until(tokens, at, ';');
                    self.read_use(module, &tokens[at + 1..end], is_public);
                    at = end;
                    is_public = false;
                }
                (Token::Word(_), next) if word == "pub" => {
                    is_public = true;
                    at += 1;
                    if next.is_some_and(|next| next.is('(')) {
                        at = block_end(tokens, at);
                    }
                }
                (Token::Word(_), Some(mark)) if word == "macro_rules" && mark.is('!') => {
                    let name = tokens.get(at + 2).and_then(Token::word);
                    self.modules[module].items.extend(name.map(str::to_owned));
                    at += 3;
                }
                (Token::Word(_), Some(Token::Word(name))) if ITEMS.contains(&word) => {
                    // `const fn f` and `static mut S` have their name one word later.
                    if !ITEMS.contains(&name.as_str()) && name != "mut" {
                        if at_top {
                            self.modules[module].items.insert(name.clone());
                        }
                        at += 1;
                    }
                    at += 1;
                    is_public = false;
                }
                (Token::Mark('{'), _) => {
                    let end = block_end(tokens, at);
                    self.read_tokens(module, &tokens[at + 1..end - 1], false);
                    at = end;
                    is_public = false;
                }
                (Token::Word(_), _) => at = self.read_path(module, tokens, at),
                _ => at += 1,
            }
        }
    }

    /// `mod name;` or `mod name { … }`, from behind the name.
    fn read_child(&mut self, module: usize, name: &str, tokens: &[Token], at: usize) -> usize {
        let directory = format!("{}/{name}", self.modules[module].directory);
        if tokens.get(at).is_some_and(|open| open.is('{')) {
            let file = self.modules[module].file.clone();
            let child = self.add(&file, Some(module), directory);
            self.modules[module].children.insert(name.to_owned(), child);
            let end = block_end(tokens, at);
            self.read_tokens(child, &tokens[at + 1..end - 1], true);
            return end;
        }
        let file = self.child_file(module, name);
        let child = self.add(&file, Some(module), directory);
        self.modules[module].children.insert(name.to_owned(), child);
        self.read_file(child);
        at
    }

    fn child_file(&self, module: usize, name: &str) -> String {
        let directory = &self.modules[module].directory;
        let alone = format!("{directory}/{name}.rs");
        if self.files.contains_key(&alone) {
            alone
        } else {
            format!("{directory}/{name}/mod.rs")
        }
    }

    /// Passes over what an attribute makes a test. A module's files are noted.
    fn skip_test(&mut self, module: usize, tokens: &[Token], at: usize) -> usize {
        let end = part_end(tokens, at);
        let part = &tokens[at..end];
        let module_at = part.iter().position(|token| token.is_word("mod"));
        let is_file = part.last().is_some_and(|token| token.is(';')) && part.len() < 9;
        if let (Some(module_at), true) = (module_at, is_file)
            && let Some(name) = part.get(module_at + 1).and_then(Token::word)
        {
            let file = self.child_file(module, name);
            let below = format!("{}/{name}/", self.modules[module].directory);
            let files = self
                .files
                .keys()
                .filter(|path| **path == file || path.starts_with(&below));
            self.tests.extend(files.cloned());
        }
        end
    }

    /// Paths in the texts of an attribute are used as well: `deserialize_with = "super::nil"`.
    fn read_attribute(&mut self, module: usize, attribute: &[Token]) {
        for token in attribute {
            let Token::Text(text) = token else { continue };
            let words: Vec<&str> = text.split("::").collect();
            let is_path = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
            if words.len() > 1 && words.iter().all(is_path) {
                let path = words.into_iter().map(str::to_owned).collect();
                self.modules[module].paths.insert(path);
            }
        }
        let mut at = 0;
        while at < attribute.len() {
            at = if attribute[at].word().is_some() {
                self.read_path(module, attribute, at)
            } else {
                at + 1
            };
        }
    }

    fn read_use(&mut self, module: usize, tree: &[Token], is_public: bool) {
        let mut found = Vec::new();
        flatten(tree, &[], &mut found);
        let bindings = found.into_iter().map(|(name, path)| Binding { name, path, is_public });
        self.modules[module].bindings.extend(bindings);
    }

    /// A path or a word, from its first word on; gives the place behind it.
    fn read_path(&mut self, module: usize, tokens: &[Token], at: usize) -> usize {
        let mut path = Vec::new();
        let mut end = at;
        while let Some(Token::Word(word)) = tokens.get(end) {
            path.push(word.clone());
            end += 1;
            if tokens.get(end) != Some(&Token::Path) {
                break;
            }
            end += 1;
        }
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let is_field = before.is_some_and(|token| token.is('.') || *token == Token::Path);
        // Behind two dots of a range or of a struct's rest there is a name again.
        let is_rest = at > 1 && tokens[at - 1].is('.') && tokens[at - 2].is('.');
        if is_field && !is_rest {
            return end;
        }
        if path.len() > 1 {
            self.modules[module].paths.insert(path);
        } else if let Some(word) = path.pop() {
            let is_called = tokens.get(end).is_some_and(|next| next.is('(') || next.is('!'));
            if is_called || word.starts_with(char::is_uppercase) {
                self.modules[module].words.insert(word);
            }
        }
        end
    }

    /// Whether a module is this one or within it.
    pub fn is_within(&self, module: usize, outer: usize) -> bool {
        let mut above = Some(module);
        while let Some(at) = above {
            if at == outer {
                return true;
            }
            above = self.modules[at].parent;
        }
        false
    }
}

/// The words before the name of an item.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

/// The names that a `use` binds, each with its path.
fn flatten(tree: &[Token], before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let mut path = before.to_vec();
    let mut at = 0;
    while at < tree.len() {
        match &tree[at] {
            Token::Word(word) if word == "as" => {
                let name = tree.get(at + 1).and_then(Token::word).unwrap_or("_");
                found.push((name.to_owned(), path));
                return;
            }
            Token::Word(word) if word == "self" && !path.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            Token::Mark('*') => {
                found.push(("*".to_owned(), path));
                return;
            }
            Token::Mark('{') => {
                let inner = &tree[at + 1..block_end(tree, at) - 1];
                let mut start = 0;
                while start < inner.len() {
                    let end = until(inner, start, ',');
                    flatten(&inner[start..end], &path, found);
                    start = end + 1;
                }
                return;
            }
            _ => {}
        }
        at += 1;
    }
    if let Some(name) = path.last().cloned() {
        found.push((name, path));
    }
}

/// Whether an attribute leaves what follows to tests: this crate's, or others' by the feature `testing`.
fn is_test(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    matches!(
        words[..],
        ["cfg", "test"] | ["cfg", "all", "test", ..] | ["cfg", "any", "test", "feature"] | ["test"]
    )
}

/// The place behind the bracket that closes the one at `at`.
fn block_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (end, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return end + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The place of the next mark outside of brackets.
fn until(tokens: &[Token], mut at: usize, mark: char) -> usize {
    while at < tokens.len() && !tokens[at].is(mark) {
        at = match tokens[at] {
            Token::Mark('(' | '[' | '{') => block_end(tokens, at),
            _ => at + 1,
        };
    }
    at
}

/// The end of the item, statement, field or arm that begins at `at`.
fn part_end(tokens: &[Token], mut at: usize) -> usize {
    // Further attributes belong to it.
    while tokens.get(at).is_some_and(|token| token.is('#')) {
        at = block_end(tokens, at + 1);
    }
    let mut words = tokens[at..].iter().filter_map(Token::word);
    let first = words.find(|word| !matches!(*word, "pub" | "crate" | "super" | "in" | "async" | "unsafe" | "extern"));
    let ends_with_semicolon = matches!(first, Some("use" | "const" | "static" | "type" | "let"));
    let is_constant_function = first == Some("const") && words.next() == Some("fn");
    let is_item = matches!(
        first,
        Some("fn" | "mod" | "impl" | "struct" | "enum" | "trait" | "macro_rules")
    );
    while at < tokens.len() {
        match tokens[at] {
            Token::Mark(';') => return at + 1,
            Token::Mark(')' | ']' | '}') => return at,
            Token::Mark(',') if !is_item && !ends_with_semicolon => return at + 1,
            Token::Mark('{') if !ends_with_semicolon || is_constant_function => return block_end(tokens, at),
            Token::Mark('(' | '[' | '{') => at = block_end(tokens, at),
            _ => at += 1,
        }
    }
    at
}
