//! A server that dies during a run: the next one resumes it and reaches the same end (decisions 14 to 16). In
//! `controllers::tests` every write is a kill point; here the real process is killed, against a real API server.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::harness::{Plane, Server, archive, files, text, within};

/// Objects to back up and restore, and how long their runs may take.
const MANY: usize = 5000;
const FEW: usize = 1200;
const LIMIT: Duration = Duration::from_mins(5);

/// How many creations are under way at once.
const WRITERS: usize = 8;

/// A backup's files in the bucket.
const FILES: [&str; 9] = [
    "b-itemoperations.json.gz",
    "b-logs.gz",
    "b-podvolumebackups.json.gz",
    "b-resource-list.json.gz",
    "b-results.gz",
    "b-volumeinfo.json.gz",
    "b-volumesnapshots.json.gz",
    "b.tar.gz",
    "velero-backup.json",
];

/// How slow a server is that is to be met in the middle of something.
const SLOW: [&str; 2] = ["--client-qps=20", "--client-burst=1"];

fn is_long() -> bool {
    std::env::var_os("VELERO_TEST_LONG").is_some()
}

/// A namespace with so many ConfigMaps.
pub fn fill(plane: &Plane, namespace: &str, objects: usize) {
    plane.apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n"
    ));
    let share = objects.div_ceil(WRITERS);
    std::thread::scope(|scope| {
        for first in (0..objects).step_by(share) {
            scope.spawn(move || {
                let mut yaml = String::new();
                for number in first..(first + share).min(objects) {
                    let _ = write!(
                        yaml,
                        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: {namespace}}}\ndata: {{n: \"{number}\"}}\n"
                    );
                }
                plane.create(&yaml);
            });
        }
    });
}

/// Waits, without pauses, until there is a file with this prefix.
#[track_caller]
pub fn meet(bucket: &Path, begins: &str) {
    let start = Instant::now();
    // Staging files come and go while they are looked at.
    while !walk(bucket).iter().any(|file| file.starts_with(begins)) {
        assert!(start.elapsed() < LIMIT, "waited without success for {begins}");
        std::thread::yield_now();
    }
}

fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if let Ok(relative) = path.strip_prefix(root) {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}

fn json(path: &Path) -> Value {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_reader(MultiGzDecoder::new(file)).expect("JSON")
}

/// A backup `b` of so many objects is whole, and nothing else is in its bucket.
pub fn assert_whole(server: &Server<'_>, objects: usize) {
    let backup = server.object("backup", "b");
    assert_eq!(text(&backup, "/status/phase"), "Completed", "{backup:#}");
    for field in ["itemsBackedUp", "totalItems"] {
        let count = text(&backup, &format!("/status/progress/{field}"));
        assert_eq!(count, (objects + 1).to_string(), "{field}: {backup:#}");
    }
    server.until_no_records();
    let mut expected: Vec<_> = FILES.map(|file| format!("backups/b/{file}")).to_vec();
    expected.push("metadata/store-id".to_owned());
    assert_eq!(files(&server.bucket()), expected);

    let directory = server.bucket().join("backups/b");
    let mut members = archive::paths(&directory.join("b.tar.gz"));
    members.sort();
    let mut once = members.clone();
    once.dedup();
    assert_eq!(once.len(), members.len(), "a member is there twice");
    let maps = members
        .iter()
        .filter(|path| path.starts_with("resources/configmaps/namespaces/"));
    assert_eq!(maps.count(), objects);
    let listed = json(&directory.join("b-resource-list.json.gz"));
    assert_eq!(listed["v1/ConfigMap"].as_array().map(Vec::len), Some(objects));
    let sealed = std::fs::read_to_string(directory.join("velero-backup.json")).expect("it is sealed");
    let sealed: Value = serde_json::from_str(&sealed).expect("JSON");
    assert_eq!(sealed["status"]["progress"], backup["status"]["progress"]);
    assert_eq!(sealed["metadata"]["uid"], backup["metadata"]["uid"]);
}

/// A restore `r` of that backup into `copy` has the result of an undisturbed one.
pub fn assert_restored(server: &Server<'_>, objects: usize) {
    assert_restored_to(server, "r", "copy", objects);
}

/// The same for a restore of this name into this namespace.
fn assert_restored_to(server: &Server<'_>, name: &str, namespace: &str, objects: usize) {
    let restore = server.object("restore", name);
    assert_eq!(text(&restore, "/status/phase"), "Completed", "{restore:#}");
    for field in ["warnings", "errors", "failureReason"] {
        assert_eq!(text(&restore, &format!("/status/{field}")), "", "{restore:#}");
    }
    let count = text(&restore, "/status/progress/itemsRestored");
    assert_eq!(count, (objects + 1).to_string(), "{restore:#}");
    assert_eq!(server.plane.list(namespace, "configmaps").len(), objects);
    server.until_no_records();

    let directory = server.bucket().join(format!("restores/{name}"));
    let listed = json(&directory.join(format!("restore-{name}-resource-list.json.gz")));
    assert_eq!(
        listed["v1/Namespace"],
        serde_json::json!([format!("{namespace}(created)")])
    );
    let maps = listed["v1/ConfigMap"].as_array().expect("a list");
    assert_eq!(maps.len(), objects);
    let odd: Vec<_> = maps
        .iter()
        .filter(|entry| !entry.as_str().is_some_and(|text| text.ends_with("(created)")))
        .collect();
    assert!(odd.is_empty(), "not created by us: {odd:?}");
    let results = json(&directory.join(format!("restore-{name}-results.gz")));
    assert_eq!(results, serde_json::json!({"errors": {}, "warnings": {}}));
    assert_eq!(files(&directory).len(), 5, "{:?}", files(&directory));
    assert!(!server.bucket().join(".velero-uploads").exists());
}

fn ended(server: &Server<'_>, kind: &str, name: &str) {
    within(LIMIT, &format!("the end of {kind} {name}"), || {
        let phase = text(&server.object(kind, name), "/status/phase");
        ["Completed", "PartiallyFailed", "Failed"]
            .contains(&phase.as_str())
            .then_some(())
    });
}

/// Kills the server at each of these moments, one after another in one run.
fn kill_at(server: &mut Server<'_>, moments: &[&str]) {
    for moment in moments {
        meet(&server.bucket(), moment);
        server.restart();
    }
}

const BACKUP: [&str; 3] = ["backup", "create", "b"];
const RESTORE: [&str; 7] = [
    "restore",
    "create",
    "r",
    "--from-backup",
    "b",
    "--namespace-mappings",
    "many:copy",
];

#[test]
fn runs_of_a_killed_server_end_as_undisturbed_ones() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    let objects = if is_long() { MANY } else { FEW };
    fill(&plane, "many", objects);

    server.velero(&[&BACKUP[..], &["--include-namespaces", "many"]].concat());
    let moments = [
        "backups/b/velero-claim.json",
        ".velero-uploads/",
        "backups/b/b.tar.gz",
        "backups/b/b-resource-list",
        "backups/b/b-logs",
        "backups/b/velero-backup.json",
    ];
    kill_at(&mut server, &moments);
    ended(&server, "backup", "b");
    assert_whole(&server, objects);

    server.velero(&RESTORE);
    for counted in [1, objects / 4, objects / 2] {
        within(LIMIT, "the restore to get on", || {
            let restore = server.object("restore", "r");
            let count: usize = text(&restore, "/status/progress/itemsRestored")
                .parse()
                .unwrap_or_default();
            (count >= counted || !text(&restore, "/status/completionTimestamp").is_empty()).then_some(())
        });
        server.restart();
    }
    let moments = ["restores/r/restore-r-results", "restores/r/restore-r-logs"];
    kill_at(&mut server, &moments);
    ended(&server, "restore", "r");
    assert_restored(&server, objects);
}

/// The same, at many moments of many runs; each run is killed once.
#[test]
#[ignore = "minutes long: `make test-long` runs it"]
fn whenever_the_server_is_killed_a_run_of_5000_objects_ends_equal() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    fill(&plane, "many", MANY);
    let start = Instant::now();
    server.velero(&[&BACKUP[..], &["--include-namespaces", "many"]].concat());
    ended(&server, "backup", "b");
    let took = start.elapsed();
    for tenth in 1..10 {
        plane.kubectl(&["delete", "backup.velero.io", "b", "-n", "velero"]);
        server.kill();
        std::fs::remove_dir_all(server.bucket().join("backups")).expect("an empty bucket");
        server.begin();
        server.velero(&[&BACKUP[..], &["--include-namespaces", "many"]].concat());
        // No other condition marks this moment: the test is about the clock.
        std::thread::sleep(took * tenth / 10);
        server.restart();
        ended(&server, "backup", "b");
        assert_whole(&server, MANY);
    }
    let start = Instant::now();
    server.velero(&RESTORE);
    ended(&server, "restore", "r");
    let took = start.elapsed();
    for tenth in 1..10 {
        let (name, namespace) = (format!("r{tenth}"), format!("copy{tenth}"));
        let mapping = format!("many:{namespace}");
        server.velero(&[
            "restore",
            "create",
            &name,
            "--from-backup",
            "b",
            "--namespace-mappings",
            &mapping,
        ]);
        std::thread::sleep(took * tenth / 10);
        server.restart();
        ended(&server, "restore", &name);
        assert_restored_to(&server, &name, &namespace, MANY);
    }
}

#[test]
fn a_stopped_server_ends_in_time_and_leaves_its_runs_to_the_next() {
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &SLOW);
    fill(&plane, "many", 300);
    let grace = Duration::from_secs(30);

    server.velero(&[&BACKUP[..], &["--include-namespaces", "many"]].concat());
    meet(&server.bucket(), ".velero-uploads/");
    assert!(server.stop(grace).success(), "{}", server.log());
    let backup = server.object("backup", "b");
    assert_eq!(text(&backup, "/status/phase"), "InProgress", "{backup:#}");
    let left = files(&server.bucket());
    assert_eq!(
        left,
        ["backups/b/velero-claim.json", "metadata/store-id"],
        "the upload was closed"
    );
    assert_eq!(server.leader(), "", "the lease was given back");
    server.flags.clear();
    server.begin();
    ended(&server, "backup", "b");
    assert_whole(&server, 300);

    assert!(server.stop(grace).success());
    server.flags = SLOW.map(str::to_owned).to_vec();
    server.begin();
    server.velero(&RESTORE);
    within(LIMIT, "the restore to be under way", || {
        let restore = server.object("restore", "r");
        let count: usize = text(&restore, "/status/progress/itemsRestored")
            .parse()
            .unwrap_or_default();
        (count > 3).then_some(())
    });
    assert!(server.stop(grace).success(), "{}", server.log());
    let restore = server.object("restore", "r");
    assert_eq!(text(&restore, "/status/phase"), "InProgress", "{restore:#}");
    server.flags.clear();
    server.begin();
    ended(&server, "restore", "r");
    assert_restored(&server, 300);
}

#[test]
fn a_backup_deleted_during_its_run_makes_room_and_leaves_nothing() {
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &SLOW);
    fill(&plane, "many", 100);
    server.velero(&["backup", "create", "first", "--include-namespaces", "many"]);
    server.velero(&[&BACKUP[..], &["--include-namespaces", "many"]].concat());
    meet(&server.bucket(), ".velero-uploads/");
    plane.kubectl(&["delete", "backup.velero.io", "first", "-n", "velero"]);
    ended(&server, "backup", "b");
    assert_whole(&server, 100);

    // And one that is deleted while no server runs.
    server.velero(&["backup", "create", "second", "--include-namespaces", "many"]);
    meet(&server.bucket(), ".velero-uploads/");
    server.kill();
    plane.kubectl(&["delete", "backup.velero.io", "second", "-n", "velero"]);
    server.flags.clear();
    server.begin();
    assert_whole(&server, 100);
}
