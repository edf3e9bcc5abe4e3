//! Tests of the resolver of imports with small sources: a resolver that reads nothing would find no circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::circles::circles;
use crate::imports::{Crate, Imports, read};

fn imports(files: &[(&str, &str)]) -> Imports {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(path, source)| ((*path).to_owned(), (*source).to_owned()))
        .collect();
    let mut crates = vec![Crate {
        name: "velero".to_owned(),
        root: "src/lib.rs".to_owned(),
    }];
    for root in ["src/bin/velero.rs", "crates/runtime/src/lib.rs"] {
        if files.contains_key(root) {
            let name = root.split('/').nth(1).unwrap_or_default();
            crates.push(Crate {
                name: name.to_owned(),
                root: root.to_owned(),
            });
        }
    }
    read(&crates, &files)
}

/// `a -> b: X, Y` for each import, with the names of files without `src/` and `.rs`.
fn edges(files: &[(&str, &str)]) -> Vec<String> {
    let short = |path: &str| path.trim_start_matches("src/").trim_end_matches(".rs").to_owned();
    imports(files)
        .edges
        .iter()
        .map(|((from, to), names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{} -> {}: {}", short(from), short(to), names.join(", "))
        })
        .collect()
}

/// The imports of `src/a/user.rs` with this source, in a house of a few files.
fn of_user(source: &str) -> Vec<String> {
    let found = edges(&[
        ("src/lib.rs", "pub mod a;\npub mod b;\npub mod wire;\n"),
        (
            "src/a/mod.rs",
            "mod user;\nmod peer;\npub use peer::Peer;\npub struct Own;\n",
        ),
        ("src/a/user.rs", source),
        (
            "src/a/peer.rs",
            "pub struct Peer;\npub struct Other;\npub fn peer() {}\n",
        ),
        (
            "src/b/mod.rs",
            "pub mod deep;\nmod hidden;\npub use hidden::{Hidden, run as start};\npub use deep::*;\nmod run;\npub use run::run;\n",
        ),
        ("src/b/hidden.rs", "pub struct Hidden;\npub fn run() {}\n"),
        (
            "src/b/deep/mod.rs",
            "pub mod end;\npub use self::end::End;\npub enum Depth { One }\n",
        ),
        (
            "src/b/deep/end.rs",
            "pub struct End;\npub const LIMIT: u8 = 1;\npub mod inner { pub struct Inner; }\n",
        ),
        ("src/b/run.rs", "pub fn run() {}\npub struct Run;\n"),
        ("src/wire.rs", "pub fn nil() {}\n"),
    ]);
    found
        .iter()
        .filter_map(|edge| edge.strip_prefix("a/user -> "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_path_leads_to_the_file_that_defines_its_name() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        ("use super::peer::Peer;", &["a/peer: Peer"]),
        ("use super::Own;", &["a/mod: Own"]),
        // through a facade: from the file that defines it, and from the facade unless that is a parent
        ("use super::Peer;", &["a/peer: Peer"]),
        ("use crate::b::Hidden;", &["b/hidden: Hidden", "b/mod: Hidden"]),
        ("use crate::b::start;", &["b/hidden: run", "b/mod: run"]),
        ("use crate::b::start as begin;", &["b/hidden: run", "b/mod: run"]),
        ("use crate::b::deep::End;", &["b/deep/end: End", "b/deep/mod: End"]),
        // through a facade's `*`, and one more facade
        (
            "use crate::b::End;",
            &["b/deep/end: End", "b/deep/mod: End", "b/mod: End"],
        ),
        ("use crate::b::{Depth};", &["b/deep/mod: Depth", "b/mod: Depth"]),
        // a module and a function of the same name
        ("use crate::b::run;", &["b/mod: run", "b/run: run"]),
        ("use crate::b::run::Run;", &["b/run: Run"]),
        // braces in braces
        (
            "use crate::{a::{peer::{self, Other}, Own}, b::deep::end::{End as Last, LIMIT}};",
            &["a/mod: Own", "a/peer: Other", "b/deep/end: End, LIMIT"],
        ),
        (
            "use crate::b::{\n    // why\n    Hidden,\n    deep::{Depth::{self, One}},\n};",
            &["b/deep/mod: Depth", "b/hidden: Hidden", "b/mod: Hidden"],
        ),
        // inline modules are of their file
        ("use crate::b::deep::end::inner::Inner;", &["b/deep/end: Inner"]),
        ("mod here { use super::super::peer::Peer; }", &["a/peer: Peer"]),
        (
            "mod here { pub struct Mine; }\nuse here::Mine;\nuse self::here::Mine as M;",
            &[],
        ),
        // without `use`
        (
            "fn f() -> super::Own { crate::b::start() }",
            &["a/mod: Own", "b/hidden: run", "b/mod: run"],
        ),
        ("fn f() { let all = 0..super::peer::peer(); }", &["a/peer: peer"]),
        (
            "fn f(x: &dyn Fn(crate::b::Hidden)) {}",
            &["b/hidden: Hidden", "b/mod: Hidden"],
        ),
        (
            "fn f() { crate::b::Depth::One.to_string(); }",
            &["b/deep/mod: Depth", "b/mod: Depth"],
        ),
        (
            "fn f() { use crate::b::Hidden; }",
            &["b/hidden: Hidden", "b/mod: Hidden"],
        ),
        (
            "impl From<super::Peer> for u8 { fn from(_: super::Own) -> u8 { 0 } }",
            &["a/mod: Own", "a/peer: Peer"],
        ),
        // a module alone is no import, its names are
        ("use super::peer;", &[]),
        ("use super::peer;\nfn f() { peer::peer() }", &["a/peer: peer"]),
        (
            "use crate::b as rules;\nfn f() -> rules::Hidden { rules::start() }",
            &["b/hidden: Hidden, run", "b/mod: Hidden, run"],
        ),
        ("use super::peer::*;", &["a/peer: *"]),
        // in attributes and macros
        (
            "#[serde(deserialize_with = \"crate::wire::nil\")]\nstruct A;",
            &["wire: nil"],
        ),
        ("#[arg(value_parser = super::peer::peer)]\nstruct A;", &["a/peer: peer"]),
        (
            "macro_rules! m { () => { $crate::b::Hidden } }",
            &["b/hidden: Hidden", "b/mod: Hidden"],
        ),
        // a name that a macro makes is taken from the module
        ("use crate::wire::made_by_a_macro;", &["wire: made_by_a_macro"]),
        // nothing of ours
        (
            "use std::fmt;\nuse kube::{Api, client::Body};\nfn f() { fmt::write(); x.peer::<u8>(); T::peer(); }",
            &[],
        ),
        // neither comments nor texts
        (
            "// use super::Peer;\n/* crate::b::Hidden /* nested */ super::Own */\n/// [`super::Peer`]\nstruct A;",
            &[],
        ),
        (
            "const A: &str = \"use super::Peer; \\\" super::Own\";\nconst B: &str = r#\"\"super::Own\"#;",
            &[],
        ),
        (
            "fn f<'a>(x: &'a u8) -> char { let _ = ('\"', b'\\'', '\\\"'); super::Own; 'x' }",
            &["a/mod: Own"],
        ),
        // `use<>` of a type begins no import
        (
            "fn f() -> impl Iterator + use<> { super::Own }\nuse super::Peer;",
            &["a/mod: Own", "a/peer: Peer"],
        ),
        // what is left to tests
        (
            "#[cfg(test)]\nmod tests { use super::super::Own; }\nuse super::Peer;",
            &["a/peer: Peer"],
        ),
        (
            "#[cfg(test)]\nuse super::{Own, Peer};\nuse crate::b::Hidden;",
            &["b/hidden: Hidden", "b/mod: Hidden"],
        ),
        (
            "#[cfg(test)]\npub(super) fn f<A, B>(a: super::Own) -> u8 { super::peer::peer() }\nuse super::Peer;",
            &["a/peer: Peer"],
        ),
        (
            "#[cfg(test)]\n#[allow(unused)]\nimpl A<B, super::Own> { }\nuse super::Peer;",
            &["a/peer: Peer"],
        ),
        (
            "struct A { #[cfg(test)] b: super::Own, c: super::Peer }",
            &["a/peer: Peer"],
        ),
        (
            "fn f() { #[cfg(test)] super::peer::peer(); let x = super::Own; }",
            &["a/mod: Own"],
        ),
        (
            "#[cfg(test)]\nconst A: [u8; 1] = { super::Own };\nuse super::Peer;",
            &["a/peer: Peer"],
        ),
        (
            "#[cfg(not(test))]\nuse super::Peer;\n#[cfg(any(test, feature = \"testing\"))]\nuse super::Own;",
            &["a/peer: Peer"],
        ),
    ];
    for (source, expected) in table {
        assert_eq!(of_user(source), *expected, "{source}");
    }
}

#[test]
fn a_parent_that_only_passes_names_on_does_not_import_them() {
    let of = |parent: &str| {
        edges(&[
            ("src/lib.rs", "pub mod a;"),
            ("src/a/mod.rs", parent),
            (
                "src/a/child.rs",
                "use super::Shared;\npub struct Child;\npub fn make() {}",
            ),
            ("src/a/beside.rs", "pub struct Beside;"),
        ])
    };
    let up = "a/child -> a/mod: Shared";
    for (parent, expected) in [
        (
            "mod child;\nmod beside;\npub struct Shared;\npub use child::Child;",
            vec![up],
        ),
        (
            "mod child;\nmod beside;\npub struct Shared;\npub(crate) use self::child::{Child, make};",
            vec![up],
        ),
        // it uses what it passes on
        (
            "mod child;\nmod beside;\npub struct Shared;\npub use child::Child;\nfn f(x: Child) {}",
            vec![up, "a/mod -> a/child: Child"],
        ),
        (
            "mod child;\nmod beside;\npub struct Shared;\npub use child::make;\nfn f() { make() }",
            vec![up, "a/mod -> a/child: make"],
        ),
        // a field and a method of that name are others
        (
            "mod child;\nmod beside;\npub struct Shared { make: u8 }\npub use child::make;\nfn f() { x.make() }",
            vec![up],
        ),
        (
            "mod child;\nmod beside;\npub struct Shared;\nuse child::Child;",
            vec![up, "a/mod -> a/child: Child"],
        ),
        // through a facade to its neighbour
        (
            "mod child;\nmod beside;\npub use beside::Beside as Shared;",
            vec!["a/child -> a/beside: Beside"],
        ),
    ] {
        assert_eq!(of(parent), expected, "{parent}");
    }
}

#[test]
fn crates_import_one_another_by_name() {
    let found = edges(&[
        ("src/lib.rs", "pub use runtime as framework;\npub mod a;\npub mod cli;"),
        ("src/a.rs", "use crate::framework::Manager;\nuse runtime::clock::now;"),
        ("src/cli.rs", "pub fn main() {}"),
        ("src/bin/velero.rs", "fn main() { velero::cli::main() }"),
        (
            "crates/runtime/src/lib.rs",
            "pub mod clock;\nmod manager;\npub use manager::Manager;",
        ),
        ("crates/runtime/src/clock.rs", "pub fn now() {}"),
        (
            "crates/runtime/src/manager.rs",
            "pub struct Manager;\nfn f() { crate::clock::now() }",
        ),
    ]);
    assert_eq!(
        found,
        [
            "crates/runtime/src/manager -> crates/runtime/src/clock: now",
            "a -> crates/runtime/src/clock: now",
            "a -> crates/runtime/src/lib: Manager",
            "a -> crates/runtime/src/manager: Manager",
            "bin/velero -> cli: main",
        ]
    );
}

#[test]
fn files_of_test_modules_are_no_production_code() {
    let read = imports(&[
        ("src/lib.rs", "mod a;\n#[cfg(test)]\npub(crate) mod testing;"),
        ("src/a.rs", "#[cfg(test)]\nmod tests;\nmod b { mod c; }"),
        ("src/a/tests.rs", "use super::*;"),
        ("src/a/tests/more.rs", ""),
        ("src/a/b/c.rs", ""),
        ("src/testing/mod.rs", ""),
        ("src/nowhere.rs", ""),
    ]);
    let set = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(read.production, set(&["src/a.rs", "src/a/b/c.rs", "src/lib.rs"]));
    assert_eq!(
        read.tests,
        set(&["src/a/tests.rs", "src/a/tests/more.rs", "src/testing/mod.rs"])
    );
}

#[test]
fn files_that_reach_one_another_are_a_circle() {
    for (arrows, expected) in [
        ("ab bc cd", ""),
        ("ab ac bd cd", ""),
        ("ab ba", "ab"),
        ("ab bc ca cd", "abc"),
        ("ab ba bc cd dc", "ab cd"),
        ("ab bc cb ca", "abc"),
        ("ab bc cd db", "bcd"),
    ] {
        let edges = arrows
            .split(' ')
            .map(|arrow| ((arrow[..1].to_owned(), arrow[1..].to_owned()), BTreeSet::new()))
            .collect();
        let found: Vec<String> = circles(&edges)
            .into_iter()
            .map(|circle| circle.into_iter().collect())
            .collect();
        assert_eq!(found.join(" "), expected, "{arrows}");
    }
}
