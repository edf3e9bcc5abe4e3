//! Which production file takes which names from which other one.
//!
//! ```text
//!   tokens -> modules (what each defines, binds with `use`, and names by a path) -> every path to the file that defines it
//! ```
//!
//! A file is production code if it is reached from the root of its crate without a test module. A `mod child;` and a
//! `pub use child::Name` are no import of the parent's. A name that a facade re-exports is taken from the file that defines it
//! and from the facade's file. The parents of a file are no facades to it.

use std::collections::{BTreeMap, BTreeSet};

pub use crate::modules::Crate;
use crate::modules::Tree;

/// From each file to each that it takes names from, with those names.
pub type Edges = BTreeMap<(String, String), BTreeSet<String>>;

/// What was read.
pub struct Imports {
    pub edges: Edges,
    /// Files of production code.
    pub production: BTreeSet<String>,
    /// Files of test modules.
    pub tests: BTreeSet<String>,
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq)]
enum Target {
    Module(usize),
    Item { module: usize, name: String },
}

/// How a path was followed.
#[derive(Default)]
struct Trail {
    /// Names that are being looked up: a `use` may lead back to itself.
    open: BTreeSet<(usize, String)>,
    /// Modules that pass the name on.
    through: BTreeSet<usize>,
}

/// Reads the crates; `files` are sources by path.
pub fn read(crates: &[Crate], files: &BTreeMap<String, String>) -> Imports {
    let tree = Tree::read(crates, files);
    let edges = Resolver { tree: &tree }.edges();
    Imports {
        edges,
        production: tree.production,
        tests: tree.tests,
    }
}

struct Resolver<'a> {
    tree: &'a Tree<'a>,
}

impl Resolver<'_> {
    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (at, module) in self.tree.modules.iter().enumerate() {
            for binding in &module.bindings {
                let mut trail = Trail::default();
                let target = self.resolve(at, &binding.path, &mut trail);
                let is_reexport = binding.is_public && self.is_below(at, target.as_ref());
                if !is_reexport || module.words.contains(&binding.name) {
                    let target = match target {
                        // Its names are found where they are used.
                        Some(Target::Module(_)) if binding.name != "*" => None,
                        Some(Target::Module(module)) => Some(Target::Item {
                            module,
                            name: "*".to_owned(),
                        }),
                        target => target,
                    };
                    self.import(at, target, &trail, &mut edges);
                }
            }
            for path in &module.paths {
                let mut trail = Trail::default();
                let target = self.resolve(at, path, &mut trail);
                self.import(at, target, &trail, &mut edges);
            }
        }
        edges
    }

    /// Adds the import of an item: from the file that defines it, and from the facades it comes through. A module's own parents
    /// are no facades to it.
    fn import(&self, from: usize, target: Option<Target>, trail: &Trail, edges: &mut Edges) {
        let Some(Target::Item { module: to, name }) = target else {
            return;
        };
        let facades = trail
            .through
            .iter()
            .copied()
            .filter(|facade| !self.tree.is_within(from, *facade));
        for to in facades.chain([to]) {
            let (from, to) = (&self.tree.modules[from].file, &self.tree.modules[to].file);
            if from != to {
                edges
                    .entry((from.clone(), to.clone()))
                    .or_default()
                    .insert(name.clone());
            }
        }
    }

    fn is_below(&self, module: usize, target: Option<&Target>) -> bool {
        match target {
            Some(Target::Module(to) | Target::Item { module: to, .. }) => self.tree.is_within(*to, module),
            None => false,
        }
    }

    /// What a path leads to from within a module; nothing for other crates and for what is no path to an item.
    fn resolve(&self, module: usize, path: &[String], trail: &mut Trail) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let from = match first.as_str() {
            "crate" => Target::Module(self.tree.modules[module].root),
            "self" => Target::Module(module),
            "super" => {
                let mut target = self.tree.modules[module].parent?;
                let ups = rest.iter().take_while(|word| *word == "super").count();
                for _ in 0..ups {
                    target = self.tree.modules[target].parent?;
                }
                return self.walk(Target::Module(target), &rest[ups..], trail);
            }
            name => {
                let local = self.lookup(module, name, rest.is_empty(), trail);
                local.or_else(|| self.tree.roots.get(name).map(|root| Target::Module(*root)))?
            }
        };
        self.walk(from, rest, trail)
    }

    fn walk(&self, from: Target, path: &[String], trail: &mut Trail) -> Option<Target> {
        let Target::Module(module) = from else {
            return Some(from);
        };
        let Some((name, rest)) = path.split_first() else {
            return Some(from);
        };
        match self.lookup(module, name, rest.is_empty(), trail) {
            Some(next) => self.walk(next, rest, trail),
            // A name that a macro makes there, or one of another crate that the module passes on.
            None => Some(Target::Item {
                module,
                name: name.clone(),
            }),
        }
    }

    /// A name in a module. Where a module and an item have the same name, the end of a path means the item.
    fn lookup(&self, module: usize, name: &str, is_end: bool, trail: &mut Trail) -> Option<Target> {
        let here = &self.tree.modules[module];
        let child = here.children.get(name).map(|child| Target::Module(*child));
        if child.is_some() && !is_end {
            return child;
        }
        if here.items.contains(name) {
            return Some(Target::Item {
                module,
                name: name.to_owned(),
            });
        }
        if !trail.open.insert((module, name.to_owned())) {
            return child;
        }
        let mut named = here.bindings.iter().filter(|binding| binding.name == name);
        let bound = named.find_map(|binding| self.resolve(module, &binding.path, trail));
        let globs = || {
            let mut globs = here.bindings.iter().filter(|binding| binding.name == "*");
            globs.find_map(|glob| match self.resolve(module, &glob.path, trail)? {
                Target::Module(all) => self.lookup(all, name, is_end, trail),
                Target::Item { .. } => None,
            })
        };
        let found = bound.or_else(globs);
        if found.is_some() {
            trail.through.insert(module);
        }
        trail.open.remove(&(module, name.to_owned()));
        found.or(child)
    }
}
