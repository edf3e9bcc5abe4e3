//! Checks the rooms of the design: imports go downwards only, there is no circle of files, and a third-party crate is used in one
//! module. Links and citations of documents and comments lead somewhere.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and shows the server's output"
)]

mod circles;
mod citations;
mod documents;
mod house;
mod imports;
mod modules;
mod resolver;
mod shown_rows;
mod tokens;
mod wire_names;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use circles::{circles, shown};
use imports::{Crate, read};

/// The rooms by layer; a room may use rooms of lower layers.
const LAYERS: &[(&str, u8)] = &[
    ("cli", 5),
    ("controllers", 4),
    ("backup", 3),
    ("restore", 3),
    ("archive", 2),
    ("store", 2),
    ("plugin", 2),
    ("volume", 2),
    ("repository", 2),
    ("hook", 2),
    ("cluster", 1),
    ("select", 1),
    ("api", 0),
    ("telemetry", 0),
    // A crate of its own, `crates/runtime`.
    ("runtime", 0),
];

/// Imports within one layer that are allowed, each with its reason.
const SIDEWAYS: &[(&str, &str, &str)] = &[
    (
        "telemetry",
        "runtime",
        "Velero's metrics are registered beside the framework's, in its registry",
    ),
    (
        "select",
        "cluster",
        "resource policies are YAML: `cluster::yaml`, the home of that crate, finds the lines for their messages",
    ),
];

/// Crates that stop at one module (or room).
const HOMES: &[(&str, &[&str])] = &[
    ("object_store", &["src/store/"]),
    (
        "tonic",
        &[
            "src/plugin/",
            "src/telemetry/export.rs",
            "src/telemetry/otlp_metrics.rs",
        ],
    ),
    ("serde_yaml", &["src/cluster/yaml/"]),
    ("backoff", &["crates/runtime/src/backoff.rs"]),
    ("prometheus", &["crates/runtime/src/metrics/registry.rs"]),
    ("tar", &["src/archive/"]),
    ("anyhow", &["src/cli/", "src/bin/"]),
];

/// The files with this extension below a directory.
fn files(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    files(dir, "rs", found);
}

fn all_sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    sources(&root.join("crates/runtime/src"), &mut found);
    assert!(found.len() > 10, "the sources were not found");
    found
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(&path).expect("a readable source"))
        })
        .collect()
}

/// The lines of code, comments left out, with `use` trees flattened enough to find what follows `crate::`.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

fn words_after<'a>(text: &'a str, marker: &str) -> Vec<&'a str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code(text)
        .flat_map(|line| {
            line.match_indices(marker)
                .map(|(at, m)| &line[at + m.len()..])
                .collect::<Vec<_>>()
        })
        .map(|rest| &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())])
        .collect()
}

#[test]
fn imports_go_downwards_only() {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        let Some(room) = name.strip_prefix("src/").and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        let Some(&from) = layers.get(room) else {
            assert!(
                matches!(room, "lib.rs" | "bin" | "testing"),
                "{name}: the room `{room}` has no layer; give it one in tests/layers/main.rs and docs/design.md"
            );
            continue;
        };
        for used in words_after(&text, "crate::") {
            assert_ne!(
                used, "",
                "{name}: write `use crate::room::…` with the room's name, not a brace"
            );
            let Some(&to) = layers.get(used) else { continue };
            let sideways = SIDEWAYS.iter().any(|(a, b, _)| *a == room && *b == used);
            if used != room && to >= from && !sideways {
                wrong.push(format!("{name}: `{room}` (layer {from}) uses `{used}` (layer {to})"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports must go downwards (docs/design.md section 2):\n{}",
        wrong.join("\n")
    );
}

/// The crates of production code: the library, its programs, and the members of `crates/`.
fn crates(files: &BTreeMap<String, String>) -> Vec<Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut crates = vec![Crate {
        name: "velero".to_owned(),
        root: "src/lib.rs".to_owned(),
    }];
    for file in files.keys() {
        if file.starts_with("src/bin/") {
            crates.push(Crate {
                name: file.clone(),
                root: file.clone(),
            });
        }
        let member = file
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/src/lib.rs"));
        if let Some(member) = member {
            let manifest = root.join("crates").join(member).join("Cargo.toml");
            let manifest = fs::read_to_string(manifest).expect("the member's Cargo.toml");
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
            crates.push(Crate {
                name: name.expect("the member's name").trim_matches('"').replace('-', "_"),
                root: file.clone(),
            });
        }
    }
    crates
}

/// The sources of all crates, by path.
fn production_sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = all_sources().into_iter().collect::<BTreeMap<_, _>>();
    let Ok(members) = fs::read_dir(root.join("crates")) else {
        return files;
    };
    for member in members {
        let mut found = Vec::new();
        sources(&member.expect("a member").path().join("src"), &mut found);
        for path in found {
            let name = path
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            files.insert(name, fs::read_to_string(&path).expect("a readable source"));
        }
    }
    files
}

/// Every text of the project that a person reads, but recorded data, the specification and this check itself.
fn all_text() -> Vec<(String, String)> {
    const KINDS: [&str; 8] = ["rs", "go", "md", "sh", "yaml", "yml", "toml", "mk"];
    // The specification is about upstream; the last two hold the list of the words.
    const LEFT_OUT: [&str; 4] = ["tests/data/", "docs/spec/", "tests/layers/house.rs", "CONTRIBUTING.md"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for dir in ["src", "crates", "crd-gen", "tests", "bench", "demo", "docs", ".github"] {
        for kind in KINDS {
            files(&root.join(dir), kind, &mut found);
        }
    }
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "Makefile",
        "Cargo.toml",
        "demo/run",
        "tests/run",
        "bench/run",
    ] {
        found.push(root.join(file));
    }
    found
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(&path).expect("a readable text"))
        })
        .filter(|(name, _)| !LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)))
        .collect()
}

#[test]
fn no_files_need_one_another() {
    let files = production_sources();
    let imports = read(&crates(&files), &files);
    let unread: Vec<_> = files
        .keys()
        .filter(|file| !imports.production.contains(*file) && !imports.tests.contains(*file))
        .collect();
    assert!(unread.is_empty(), "no module has these files: {unread:#?}");
    assert!(
        imports.production.len() > 200 && imports.edges.len() > 1000,
        "only {} imports of {} files were found",
        imports.edges.len(),
        imports.production.len()
    );
    let found = circles(&imports.edges);
    let shown: Vec<_> = found.iter().map(|circle| shown(circle, &imports.edges)).collect();
    assert!(
        shown.is_empty(),
        "files must not need one another: move what both need into a file of its own\n{}",
        shown.join("\n")
    );
}

#[test]
fn files_are_short_and_large_types_have_one_home() {
    let files = production_sources();
    let imports = read(&crates(&files), &files);
    let mut wrong = house::too_long(&files, &imports.production);
    wrong.extend(house::spread_types(&files, &imports.production));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_process_and_no_object_is_called_a_person() {
    let files = all_text();
    assert!(files.len() > 400, "only {} files were found", files.len());
    let found = house::persons(files.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    assert!(
        found.is_empty(),
        "name the type, the process or the object, or the operator where a person is meant\n{}",
        found.join("\n")
    );
}

#[test]
fn a_third_party_crate_stops_at_its_module() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for (krate, homes) in HOMES {
            let used = code(&text).any(|line| {
                line.starts_with(&format!("use {krate}::"))
                    || line.starts_with(&format!("pub use {krate}::"))
                    || line.match_indices(&format!("{krate}::")).any(|(at, _)| {
                        !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                    })
            });
            if used && !homes.iter().any(|home| name.starts_with(home)) {
                wrong.push(format!("{name}: uses `{krate}`, which belongs in {homes:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_framework_knows_nothing_of_velero() {
    let framework = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/runtime");
    let mut files = vec![framework.join("README.md"), framework.join("Cargo.toml")];
    sources(&framework, &mut files);
    let knows = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a readable file").to_lowercase();
        ["velero", "backup", "restore"].iter().any(|word| text.contains(word))
    };
    files.retain(knows);
    assert!(files.is_empty(), "crates/runtime is for every operator: {files:#?}");
}

#[test]
fn every_room_of_the_library_has_a_layer() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let rooms = words_after(&lib, "pub mod ");
    assert!(rooms.len() > 5);
    for room in rooms {
        assert!(
            room == "testing" || LAYERS.iter().any(|(name, _)| *name == room),
            "`{room}` has no layer"
        );
    }
}
