//! The command line over the recorded bucket and objects: each page as the Go command line printed it.

use std::fs;

use serde_json::Value;
use velero::cluster::yaml;

use super::locations;
use super::recorded::{self, BACKUP, EXPIRATION, RESTORE, printed};
use crate::harness::{Plane, S3, Server, data, text};

/// The other rows of the recorded tables: backups by name, phase, errors and start.
const BACKUPS: [(&str, &str, u32, &str); 5] = [
    ("b1", "PartiallyFailed", 1720, "2026-11-23T18:52:45Z"),
    ("b2", "Completed", 0, "2026-11-23T18:53:21Z"),
    ("b3", "Completed", 0, "2026-11-23T19:01:57Z"),
    ("c1", "Completed", 0, "2026-11-23T19:17:16Z"),
    ("c2", "Completed", 0, "2026-11-23T19:17:26Z"),
];

/// Restores by name, backup, phase, start, end, errors and warnings.
type RestoreRow = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u32,
    u32,
);
const RESTORES: [RestoreRow; 4] = [
    (
        "rb2",
        "b2",
        "PartiallyFailed",
        "2026-11-23T18:53:49Z",
        "2026-11-23T18:53:49Z",
        1,
        1,
    ),
    (
        "rb3",
        "b2",
        "Completed",
        "2026-11-23T18:54:10Z",
        "2026-11-23T19:01:19Z",
        0,
        21,
    ),
    (
        "rb4",
        "b3",
        "Completed",
        "2026-11-23T19:02:33Z",
        "2026-11-23T19:08:56Z",
        0,
        21,
    ),
    (
        "rb5",
        "c1",
        "Completed",
        "2026-11-23T19:17:45Z",
        "2026-11-23T19:19:06Z",
        0,
        5,
    ),
];

/// The recorded objects and those of the other rows, the backups also in the bucket.
fn objects(bucket: &std::path::Path, expiration: &str) -> Vec<Value> {
    let of = |name: &str| -> Value {
        yaml::from_str(&recorded::object(name).replace(EXPIRATION, expiration)).expect("a recorded object")
    };
    let mut all = vec![of("backup-golden1"), of("restore-golden1-r"), of("schedule-daily")];
    for (name, phase, errors, start) in BACKUPS {
        let mut backup = of("backup-golden1");
        backup["metadata"]["name"] = name.into();
        backup["status"]["phase"] = phase.into();
        backup["status"]["errors"] = errors.into();
        backup["status"]["startTimestamp"] = start.into();
        let directory = bucket.join("backups").join(name);
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("velero-backup.json"), backup.to_string()).expect("metadata");
        all.push(backup);
    }
    for (name, backup, phase, start, end, errors, warnings) in RESTORES {
        let mut restore = of("restore-golden1-r");
        restore["metadata"]["name"] = name.into();
        restore["spec"]["backupName"] = backup.into();
        let status = &mut restore["status"];
        status["phase"] = phase.into();
        status["startTimestamp"] = start.into();
        status["completionTimestamp"] = end.into();
        status["errors"] = errors.into();
        status["warnings"] = warnings.into();
        all.push(restore);
    }
    for object in &mut all {
        for field in ["/metadata/uid", "/metadata/resourceVersion"] {
            super::objects::remove(object, field);
        }
    }
    all
}

/// `2026-11-23T19:22:17Z` as a table shows it.
fn shown(time: &str) -> String {
    time.replace('T', " ").replace('Z', " +0000 UTC")
}

/// A page as recorded, the backup expiring when it does here.
fn page(name: &str, expiration: &str) -> String {
    printed(name).replace(&shown(EXPIRATION), &shown(expiration))
}

#[test]
fn every_recorded_page_is_printed_again_byte_for_byte() {
    let plane = Plane::start();
    let s3 = S3::start(&["--bucket", "bkt"]);
    let bucket = s3.bucket("bkt").join("go");
    let expiration = recorded::expiration();
    recorded::fill_bucket(&bucket, &expiration);
    plane.kubectl(&["create", "namespace", "velero"]);
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects(&bucket, &expiration)});
    plane
        .kubectl_with(&["create", "-f", "-"], &list.to_string())
        .unwrap_or_else(|error| panic!("{error}"));
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::at(
        &plane,
        "velero",
        directory.path(),
        &s3.location("velero", "bkt", "go"),
        &[],
    );

    pages(&server, &expiration);
    tables(&server);
    dry_runs(&server);
    refusals(&server);
    formats(&server);
    files(&server, directory.path());
    locations::backup_locations(&server);
    locations::snapshot_locations(&server);
    super::wait::runs_are_waited_for(server);
}

/// Files of the runs come out of the object store, by its signed addresses.
fn pages(server: &Server<'_>, expiration: &str) {
    let recorded: [(&[&str], &str); 6] = [
        (
            &["backup", "describe", BACKUP, "--colorized", "true"],
            "backup-describe",
        ),
        (
            &["describe", "backups", BACKUP, "--details", "--colorized=true"],
            "backup-describe-details",
        ),
        (&["backup", "describe", BACKUP, "-o", "json"], "backup-describe-json"),
        (
            &["restore", "describe", RESTORE, "--colorized=true"],
            "restore-describe",
        ),
        (
            &["restore", "describe", RESTORE, "--details", "--colorized=true"],
            "restore-describe-details",
        ),
        (
            &["schedule", "describe", "daily", "--colorized=true"],
            "schedule-describe",
        ),
    ];
    for (arguments, name) in recorded {
        similar_asserts::assert_eq!(server.velero(arguments), page(name, expiration), "{name}");
    }
    assert!(
        !server.velero(&["backup", "describe", BACKUP]).contains('\u{1b}'),
        "colours went into a pipe"
    );
    similar_asserts::assert_eq!(server.velero(&["backup", "logs", BACKUP]), printed("backup-logs"));
    let log = recorded::log(&data(&format!(
        "go-1.18.1/bucket/restores/{RESTORE}/restore-{RESTORE}-logs.gz"
    )));
    assert_eq!(server.velero(&["restore", "logs", RESTORE]), log);

    let version = server.velero(&["version"]);
    let ours = regex::Regex::new(r"v1\.18\.1\+rs\.\S+").expect("a pattern");
    assert_eq!(ours.find_iter(&version).count(), 2, "{version}");
    assert_eq!(ours.replace_all(&version, "v1.18.1"), printed("version"));
}

fn tables(server: &Server<'_>) {
    let created = |kind: &str, name: &str| text(&server.object(kind, name), "/metadata/creationTimestamp");
    similar_asserts::assert_eq!(server.velero(&["backup", "get"]), printed("backup-get"));
    similar_asserts::assert_eq!(server.velero(&["get", "backup", BACKUP, "b1"]), {
        let lines: Vec<_> = printed("backup-get").lines().map(str::to_owned).collect();
        format!("{}\n{}\n{}\n", lines[0], lines[1], lines[6])
    });

    // Only the time of creation is not in our hands.
    let mut restores = String::new();
    for line in printed("restore-get").lines() {
        let name = line.split(' ').next().expect("a name");
        if name == "NAME" {
            restores.extend([line, "\n"]);
        } else {
            let (front, _) = line.rsplit_once("2026-11-23").expect("when it was created");
            restores.extend([front, &shown(&created("restore", name)), "   <none>\n"]);
        }
    }
    similar_asserts::assert_eq!(server.velero(&["restore", "get"]), restores);
    similar_asserts::assert_eq!(
        server.velero(&["get", "schedules"]),
        printed("schedule-get").replace("2026-11-23 19:23:26 +0000 UTC", &shown(&created("schedule", "daily")))
    );

    let locations = server.velero(&["backup-location", "get"]);
    let time = regex::Regex::new(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC").expect("a pattern");
    similar_asserts::assert_eq!(
        time.replace_all(&locations, "2026-11-23 19:23:02 +0000 UTC"),
        printed("backup-location-get")
    );

    let yaml = server.velero(&["backup", "get", BACKUP, "-o", "yaml"]);
    let expiration = text(&server.object("backup", BACKUP), "/status/expiration");
    similar_asserts::assert_eq!(
        own_identity(&yaml),
        own_identity(&printed("backup-get-yaml").replace(EXPIRATION, &expiration))
    );
}

/// A page of YAML without the API server's own fields: managed fields, times, and the resource version.
fn own_identity(page: &str) -> String {
    let mut skipping = false;
    let mut kept = Vec::new();
    for line in page.lines() {
        if skipping && line.starts_with("  ") && !line.starts_with("  -") && !line.starts_with("   ") {
            skipping = false;
        }
        skipping |= line == "  managedFields:";
        let generated = ["creationTimestamp", "generation", "resourceVersion", "uid"];
        match line.split_once(": ") {
            Some((key, _)) if generated.contains(&key.trim_start()) => kept.push(format!("{key}: <generated>")),
            _ if skipping => {}
            _ => kept.push(line.to_owned()),
        }
    }
    kept.join("\n")
}

fn dry_runs(server: &Server<'_>) {
    // `_` stands for a blank in a word.
    let lines: [(&str, &str); 4] = [
        (
            "backup create x --include-namespaces a,b --exclude-resources secrets --selector app=web \
             --snapshot-volumes=false --ttl 24h -o yaml",
            "create-dry",
        ),
        (
            "create restore r --from-backup golden1 --existing-resource-policy update --namespace-mappings a:b -o yaml",
            "restore-dry",
        ),
        (
            "backup-location create l --provider aws --bucket b --config region=x,s3Url=http://y -o yaml",
            "bsl-dry",
        ),
        (
            "create schedule s --schedule=@every_6h --include-namespaces a -o yaml",
            "schedule-dry",
        ),
    ];
    for (line, name) in lines {
        let words: Vec<String> = line.split_whitespace().map(|word| word.replace('_', " ")).collect();
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        similar_asserts::assert_eq!(server.velero(&arguments), printed(name), "{line}");
        let mut json = arguments;
        json.pop();
        json.push("json");
        let json: Value = serde_json::from_str(&server.velero(&json)).expect("JSON");
        assert_eq!(json, yaml::from_str::<Value>(&printed(name)).expect("YAML"), "{line}");
    }
    for (kind, name) in [
        ("backup", "x"),
        ("restore", "r"),
        ("backupstoragelocation", "l"),
        ("schedule", "s"),
    ] {
        let kind = format!("{kind}s.velero.io");
        assert!(
            server.plane.get("velero", &kind, name).is_none(),
            "a dry run made {kind} {name}"
        );
    }
}

/// What cannot be done ends with 1 and one line on standard error, and nothing on standard output.
fn refusals(server: &Server<'_>) {
    let recorded: [(&str, &str); 4] = [
        ("backup create golden1", "create-exists"),
        ("backup describe nope", "describe-missing"),
        ("backup get golden1 nope", "get-missing"),
        ("restore create --from-backup nope", "restore-missing"),
    ];
    let recorded = recorded.map(|(line, name)| (line, printed(name)));
    let others: [(&str, &str); 13] = [
        ("backup logs nope", "An error occurred: backup \"nope\" does not exist"),
        ("restore logs nope", "Restore \"nope\" does not exist."),
        (
            "backup download nope",
            "An error occurred: backups.velero.io \"nope\" not found",
        ),
        (
            "restore get nope",
            "An error occurred: restores.velero.io \"nope\" not found",
        ),
        (
            "restore describe golden1-r nope",
            "An error occurred: restores.velero.io \"nope\" not found",
        ),
        (
            "schedule describe nope",
            "An error occurred: schedules.velero.io \"nope\" not found",
        ),
        (
            "backup-location get nope",
            "An error occurred: backupstoragelocations.velero.io \"nope\" not found",
        ),
        (
            "restore create golden1-r --from-backup golden1",
            "An error occurred: restores.velero.io \"golden1-r\" already exists",
        ),
        (
            "restore create --from-schedule nope",
            "An error occurred: No backups found for the schedule nope",
        ),
        (
            "backup create --from-schedule nope",
            "An error occurred: schedules.velero.io \"nope\" not found",
        ),
        (
            "backup create x --storage-location nope",
            "An error occurred: backupstoragelocations.velero.io \"nope\" not found",
        ),
        (
            "backup create x --volume-snapshot-locations nope",
            "An error occurred: volumesnapshotlocations.velero.io \"nope\" not found",
        ),
        (
            "backup create x --kubecontext nope",
            "An error occurred: error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: ",
        ),
    ];
    let others = others.map(|(line, want)| (line, want.to_owned()));
    for (line, want) in recorded.into_iter().chain(others) {
        let output = server
            .command(&line.split_whitespace().collect::<Vec<_>>())
            .output()
            .expect("it runs");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(output.status.code(), Some(1), "{line}: {out}{err}");
        if want.ends_with(": ") {
            assert!(err.starts_with(&want) && err.lines().count() == 1, "{line}: {err}");
        } else {
            assert_eq!(err.trim_end(), want.trim_end(), "{line}");
        }
        assert_eq!(out, "", "{line}");
    }
}

/// Lists in JSON and YAML, labels as columns, selectors.
fn formats(server: &Server<'_>) {
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&server.velero(arguments)).expect("JSON") };
    let list = json(&["backup", "get", "-o", "json"]);
    assert_eq!(
        (text(&list, "/kind"), text(&list, "/apiVersion")),
        ("BackupList".into(), "velero.io/v1".into())
    );
    assert_eq!(list["items"].as_array().expect("items").len(), 6);
    assert_eq!(text(&list, "/items/0/kind"), "Backup");
    assert_eq!(text(&list, "/items/0/metadata/name"), "b1");
    assert_eq!(
        yaml::from_str::<Value>(&server.velero(&["get", "backups", "-o", "yaml"])).expect("YAML")["items"],
        list["items"]
    );
    let one = json(&["backup-location", "get", "-o", "json"]);
    assert_eq!(
        (text(&one, "/kind"), text(&one, "/metadata/name")),
        ("BackupStorageLocation".into(), "default".into())
    );
    let none = json(&["restore", "get", "-l", "a=b", "-o", "json"]);
    assert_eq!(
        (text(&none, "/kind"), text(&none, "/items")),
        ("RestoreList".into(), "[]".into())
    );

    assert_eq!(
        server.velero(&["backup", "get", "-l", "velero.io/storage-location=nope"]),
        ""
    );
    assert_eq!(
        server.velero(&["backup", "describe", "-l", "velero.io/storage-location=nope"]),
        ""
    );
    let labelled = server.velero(&[
        "backup",
        "get",
        BACKUP,
        "--show-labels",
        "--label-columns",
        "velero.io/storage-location,x",
    ]);
    let lines: Vec<&str> = labelled.lines().collect();
    let columns: Vec<&str> = lines[0]
        .split("   ")
        .map(str::trim)
        .filter(|column| !column.is_empty())
        .collect();
    assert_eq!(
        columns[columns.len() - 4..],
        ["SELECTOR", "STORAGE-LOCATION", "X", "LABELS"],
        "{labelled}"
    );
    assert!(
        lines[1]
            .trim_end()
            .ends_with("<none>     default            <none>   velero.io/storage-location=default"),
        "{labelled}"
    );
    assert_eq!(
        server
            .velero(&["get", "backup", BACKUP, "-L", "x"])
            .lines()
            .next()
            .map(|line| line.trim_end().ends_with("SELECTOR   X")),
        Some(true)
    );
}

/// The archive is downloaded as it lies in the bucket, and never over another file.
fn files(server: &Server<'_>, directory: &std::path::Path) {
    let path = directory.join("archive.tar.gz");
    let file = path.to_str().expect("a path");
    let printed = server.velero(&["backup", "download", BACKUP, "-o", file]);
    assert_eq!(
        printed,
        format!("Backup {BACKUP} has been successfully downloaded to {file}\n")
    );
    let archive = fs::read(data("go-1.18.1/bucket/backups/golden1/golden1.tar.gz")).expect("the recorded archive");
    assert!(
        fs::read(&path).expect("the file") == archive,
        "the file is not the archive"
    );

    fs::write(&path, "precious").expect("a file");
    let (ok, out, err) = server.try_velero(&["backup", "download", BACKUP, "-o", file]);
    assert!(!ok && out.is_empty() && err.contains("--force"), "{out}{err}");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
    server.velero(&["backup", "download", BACKUP, "-o", file, "--force"]);
    assert!(
        fs::read(&path).expect("the file") == archive,
        "--force did not overwrite the file"
    );

    // Only the metadata of this one is in the bucket.
    let (ok, out, err) = server.try_velero(&["backup", "logs", "b2"]);
    assert!(!ok && out.is_empty(), "{out}{err}");
    assert_eq!(err, "An error occurred: file not found\n");
    fs::remove_file(&path).expect("the file");
    let (ok, _, err) = server.try_velero(&["backup", "download", "b2", "-o", file]);
    assert!(!ok && err.contains("file not found"), "{err}");
    assert!(!path.exists(), "a download that failed left a file");
    let left = server.plane.list("velero", "downloadrequests");
    assert!(left.is_empty(), "requests are left: {left:#?}");
}
