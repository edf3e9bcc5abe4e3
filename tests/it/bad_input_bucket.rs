//! Buckets that refuse, stall, lie or are read-only, and volumes that are gone, full or foreign. The server waits for transient
//! faults and reports final ones. No other backup is affected, and nothing is left behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Fault, Plane, Proxy, S3, Server, eventually, phase, text, within};
use crate::s3::{backup, create, fill, fill_big, location, restore};

/// The longest deadline of a store's call, and then some.
const LIMIT: Duration = Duration::from_mins(3);

/// How a bucket misbehaves, from which request on.
struct Case {
    name: &'static str,
    /// By method, target and the number of the request among those that it met.
    rule: fn(&str, &str) -> Option<Fault>,
    /// The message for the user, of a waiting or a failed run.
    expected: &'static [&'static str],
}

fn writes(method: &str) -> bool {
    method != "GET" && method != "HEAD"
}

/// What passes: the run waits until it does.
const PASSING_BACKUP: [Case; 5] = [
    Case {
        name: "hangup",
        rule: |_, _| Some(Fault::Hangup),
        expected: &["bucket `velero`", "check that the store is up"],
    },
    Case {
        name: "error",
        rule: |method, _| writes(method).then_some(Fault::Refuse(500, "InternalError")),
        expected: &["the store answered InternalError", "check that the store is up"],
    },
    Case {
        name: "slow-down",
        rule: |_, target| target.contains("partNumber=").then_some(Fault::Refuse(503, "SlowDown")),
        expected: &["cannot upload `slow-down/backups/", "the store answered SlowDown"],
    },
    Case {
        name: "silence",
        rule: |_, target| target.contains("uploads").then_some(Fault::Silence),
        expected: &["cannot begin the upload", "there was no answer within 30s"],
    },
    Case {
        name: "seal-503",
        rule: |method, target| {
            (writes(method) && target.contains("velero-backup.json")).then_some(Fault::Refuse(503, "SlowDown"))
        },
        expected: &[
            "cannot write `seal-503/backups/seal-503/velero-backup.json`",
            "the store answered SlowDown",
        ],
    },
];

/// Final faults: the backup is Failed, with the reason.
const LASTING_BACKUP: [Case; 5] = [
    Case {
        name: "forbidden",
        rule: |_, _| Some(Fault::Refuse(403, "AccessDenied")),
        expected: &[
            "the store answered AccessDenied",
            "check the location's credentials and rights",
        ],
    },
    Case {
        name: "read-only",
        rule: |method, _| writes(method).then_some(Fault::Refuse(403, "AccessDenied")),
        expected: &[
            "cannot write `read-only/backups/read-only/velero-claim.json`",
            "check the location's",
        ],
    },
    Case {
        name: "third-part",
        rule: |_, target| {
            target
                .contains("partNumber=3")
                .then_some(Fault::Refuse(403, "QuotaExceeded"))
        },
        expected: &[
            "cannot upload `third-part/",
            "QuotaExceeded",
            "check the store's free space and quota",
        ],
    },
    Case {
        name: "seal-403",
        rule: |method, target| {
            (writes(method) && target.contains("velero-backup.json")).then_some(Fault::Refuse(403, "AccessDenied"))
        },
        expected: &[
            "cannot write `seal-403/backups/seal-403/velero-backup.json`",
            "check the location's",
        ],
    },
    Case {
        name: "garbage",
        rule: |_, _| Some(Fault::Garbage),
        expected: &["garbage"],
    },
];

const PASSING_RESTORE: [Case; 4] = [
    Case {
        name: "hangup",
        rule: |_, _| Some(Fault::Hangup),
        expected: &[
            "cannot read `hangup/backups/hangup/hangup.tar.gz`",
            "check that the store is up",
        ],
    },
    Case {
        name: "error",
        rule: |_, target| target.contains("volumeinfo").then_some(Fault::Refuse(503, "SlowDown")),
        expected: &["volumeinfo", "the store answered SlowDown"],
    },
    Case {
        name: "silence",
        rule: |_, target| target.contains(".tar.gz").then_some(Fault::HalfThenSilence),
        expected: &["fetching the backup archive failed", "there was no answer within 60s"],
    },
    Case {
        name: "slow-down",
        rule: |_, target| target.contains(".tar.gz").then_some(Fault::Half),
        expected: &["fetching the backup archive failed", "check that the store is up"],
    },
];

const LASTING_RESTORE: [Case; 2] = [
    Case {
        name: "forbidden",
        rule: |_, _| Some(Fault::Refuse(403, "AccessDenied")),
        expected: &[
            "cannot read `forbidden/backups/",
            "check the location's credentials and rights",
        ],
    },
    Case {
        name: "garbage",
        rule: |_, target| target.contains(".tar.gz").then_some(Fault::Garbage),
        expected: &[
            "the backup archive is not valid gzip after 0 members",
            "check the stored object",
        ],
    },
];

type Proxies = BTreeMap<&'static str, Proxy>;

fn misbehave(proxies: &Proxies, cases: &[Case]) {
    for case in cases {
        let rule = case.rule;
        proxies[case.name].misbehave(move |asked| rule(&asked.method, &asked.target));
    }
}

/// Waits until each of these runs was interrupted and reported the reason, and heals the buckets.
fn heal_once_said(server: &Server<'_>, proxies: &Proxies, cases: &[Case], kind: &str) {
    for case in cases {
        let message = within(LIMIT, &format!("{kind} {} to break off", case.name), || {
            let log = server.log();
            log.lines()
                .find(|line| {
                    line.contains(&format!("/{}", case.name)) && line.contains(&format!("the {kind} broke off"))
                })
                .map(str::to_owned)
        });
        expect(case, &message.replace("\\\"", "\""));
        proxies[case.name].heal();
    }
}

fn expect(case: &Case, printed: &str) {
    for text in case.expected {
        assert!(printed.contains(text), "{}: `{text}` is not in: {printed}", case.name);
    }
}

fn names(cases: &[Case]) -> Vec<&'static str> {
    cases.iter().map(|case| case.name).collect()
}

#[test]
fn a_faulty_bucket_is_awaited_or_reported_and_affects_no_other() {
    let plane = Plane::start();
    let server = Server::start_with(
        &plane,
        "velero",
        &["--concurrent-backups=16", "--store-validation-frequency=2s"],
    );
    let s3 = S3::start(&[]);
    let content = format!("cloud={}", s3.credentials("default"));
    let arguments = ["create", "secret", "generic", "cloud-credentials", "-n", "velero"];
    plane.kubectl(&[&arguments[..], &[&format!("--from-literal={content}")]].concat());
    let cases: Vec<&'static str> = names(&PASSING_BACKUP)
        .into_iter()
        .chain(names(&LASTING_BACKUP))
        .collect();
    // A namespace each: backups of the same one do not run at once.
    for name in cases.iter().chain(&["good"]) {
        match *name {
            "third-part" | "slow-down" => fill_big(&plane, name),
            name => fill(&plane, name),
        }
    }
    let proxies: Proxies = cases.iter().map(|name| (*name, Proxy::before(&s3.endpoint))).collect();
    create(
        &plane,
        proxies
            .iter()
            .map(|(name, proxy)| location(&server, name, &proxy.endpoint(), &[], &json!({}))),
    );
    until_all_available(&server);

    backups(&plane, &server, &s3, &proxies);
    restores(&plane, &server, &proxies);
    locations_recover(&server, &proxies);
    assert_eq!(s3.unfinished(""), 0, "uploads are left");
    server.was_well(&[&s3.secret_key]);
}

fn until_all_available(server: &Server<'_>) {
    eventually("every location to be available", || {
        let locations = server.objects("backupstoragelocations");
        locations.values().all(|it| phase(it) == "Available").then_some(())
    });
}

fn backups(plane: &Plane, server: &Server<'_>, s3: &S3, proxies: &Proxies) {
    misbehave(proxies, &PASSING_BACKUP);
    misbehave(proxies, &LASTING_BACKUP);
    let of = |case: &Case| backup(server, case.name, case.name, case.name);
    let all = PASSING_BACKUP.iter().chain(&LASTING_BACKUP).map(of);
    create(plane, all.chain([backup(server, "good", "default", "good")]));

    let good = server.all_ended("backup", &["good"], LIMIT);
    assert_eq!(phase(&good["good"]), "Completed", "{:#}", good["good"]);
    heal_once_said(server, proxies, &PASSING_BACKUP, "backup");
    let ended = server.all_ended("backup", &names(&LASTING_BACKUP), LIMIT);
    for case in &LASTING_BACKUP {
        let backup = &ended[case.name];
        assert_eq!(phase(backup), "Failed", "{}: {backup:#}", case.name);
        expect(case, &text(backup, "/status/failureReason"));
        proxies[case.name].heal();
        let left = s3.objects(&format!("{}/backups", case.name));
        let log_only = left
            .iter()
            .all(|key| key.ends_with("-logs.gz") || key.ends_with("-results.gz"));
        assert!(log_only, "{}: {left:?}", case.name);
    }
    let ended = server.all_ended("backup", &names(&PASSING_BACKUP), LIMIT);
    for case in &PASSING_BACKUP {
        assert_eq!(phase(&ended[case.name]), "Completed", "{:#}", ended[case.name]);
    }
}

fn restores(plane: &Plane, server: &Server<'_>, proxies: &Proxies) {
    until_all_available(server);
    // Those of the second half have no backup yet.
    let more = ["forbidden", "garbage", "read-only", "seal-403"];
    let again = |name: &&str| format!("{name}-2");
    create(plane, more.iter().map(|name| backup(server, &again(name), name, name)));
    let made: Vec<String> = more.iter().map(again).collect();
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    for (name, backup) in server.all_ended("backup", &made, LIMIT) {
        assert!(
            !made.contains(&name.as_str()) || phase(&backup) == "Completed",
            "{backup:#}"
        );
    }

    // One location is configured as read-only, another only refuses writes.
    let patch = r#"{"spec": {"accessMode": "ReadOnly"}}"#;
    let location = "backupstoragelocation/read-only";
    plane.kubectl(&["patch", location, "-n", "velero", "--type=merge", "-p", patch]);
    // Their own check must not find out before the restores are looked at: they would fail validation.
    for case in &LASTING_RESTORE {
        let location = format!("backupstoragelocation/{}", case.name);
        let patch = r#"{"spec": {"validationFrequency": "1h"}}"#;
        plane.kubectl(&["patch", &location, "-n", "velero", "--type=merge", "-p", patch]);
    }
    until_all_available(server);
    misbehave(proxies, &PASSING_RESTORE);
    misbehave(proxies, &LASTING_RESTORE);
    for name in ["read-only", "seal-403"] {
        proxies[name].misbehave(|asked| asked.writes().then_some(Fault::Refuse(403, "AccessDenied")));
    }
    let passing = PASSING_RESTORE.iter().map(|case| {
        let name = case.name;
        restore(server, name, name, name, &format!("from-{name}"))
    });
    let others = more
        .iter()
        .map(|name| restore(server, name, &again(name), name, &format!("from-{name}")));
    create(
        plane,
        passing
            .chain(others)
            .chain([restore(server, "good", "good", "good", "from-good")]),
    );

    let lasting = ["forbidden", "garbage", "read-only", "seal-403", "good"];
    let ended = server.all_ended("restore", &lasting, LIMIT);
    assert_eq!(phase(&ended["good"]), "Completed", "{:#}", ended["good"]);
    for case in &LASTING_RESTORE {
        let restore = &ended[case.name];
        assert_eq!(phase(restore), "Failed", "{}: {restore:#}", case.name);
        expect(case, &text(restore, "/status/failureReason"));
        assert_eq!(
            plane.get("", "namespace", &format!("from-{}", case.name)),
            None,
            "nothing was restored"
        );
    }
    for (name, ends, count) in [
        ("read-only", "Completed", "/status/warnings"),
        ("seal-403", "PartiallyFailed", "/status/errors"),
    ] {
        let restore = &ended[name];
        assert_eq!(
            (phase(restore).as_str(), text(restore, count).as_str()),
            (ends, "1"),
            "{restore:#}"
        );
        let reason = text(restore, "/status/failureReason");
        assert!(
            reason.starts_with("the objects were restored, but not the log"),
            "{reason}"
        );
        assert_eq!(plane.list(&format!("from-{name}"), "configmaps").len(), 3);
    }
    for case in &LASTING_RESTORE {
        let location = format!("backupstoragelocation/{}", case.name);
        let patch = r#"{"spec": {"validationFrequency": null}}"#;
        plane.kubectl(&["patch", &location, "-n", "velero", "--type=merge", "-p", patch]);
    }
    heal_once_said(server, proxies, &PASSING_RESTORE, "restore");
    let ended = server.all_ended("restore", &names(&PASSING_RESTORE), LIMIT);
    for case in &PASSING_RESTORE {
        assert_eq!(phase(&ended[case.name]), "Completed", "{:#}", ended[case.name]);
    }
}

fn locations_recover(server: &Server<'_>, proxies: &Proxies) {
    for proxy in proxies.values() {
        proxy.heal();
    }
    until_all_available(server);
}

/// A file system of this size for a test; the tests run as root.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(path: &'a Path, options: &str) -> Self {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .status()
            .expect("mount runs");
        assert!(status.success(), "mounting a tmpfs failed: these tests run as root");
        Self(path)
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.0)
            .status();
        assert!(status.expect("mount runs").success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

fn volume(server: &Server<'_>, name: &str, path: &Path) -> String {
    json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": name, "namespace": server.namespace},
        "spec": {"provider": "velero.io/fs", "objectStorage": {"bucket": "b"}, "config": {"fspath": path}},
    })
    .to_string()
}

#[test]
fn an_unusable_volume_is_reported_with_its_reason() {
    let plane = Plane::start();
    let server = Server::start_with(
        &plane,
        "velero",
        &["--concurrent-backups=8", "--store-validation-frequency=1s"],
    );
    fill(&plane, "app");
    fill_big(&plane, "big");
    let top = tempfile::Builder::new()
        .prefix("volumes")
        .tempdir()
        .expect("a directory");
    let paths: BTreeMap<&str, _> = ["gone", "swapped", "full", "read-only", "file"]
        .into_iter()
        .map(|name| (name, top.path().join(name)))
        .collect();
    for path in paths.values() {
        std::fs::create_dir(path).expect("a directory");
    }
    let full = Mounted::new(&paths["full"], "size=4m");
    let read_only = Mounted::new(&paths["read-only"], "size=4m");
    let swapped = Mounted::new(&paths["swapped"], "size=4m");
    create(&plane, paths.iter().map(|(name, path)| volume(&server, name, path)));
    create(&plane, [volume(&server, "nowhere", &top.path().join("nowhere"))]);
    for name in paths.keys() {
        server.until_available(name);
    }
    let message = server.unavailable("nowhere");
    assert!(
        message.contains("nowhere` is not there: the volume is not mounted"),
        "{message}"
    );

    // Backups in good days, to restore from in bad ones.
    create(
        &plane,
        ["swapped", "read-only"].map(|name| backup(&server, name, name, "app")),
    );
    server.all_ended("backup", &["swapped", "read-only"], LIMIT);

    std::fs::remove_dir_all(&paths["gone"]).expect("it was there");
    drop(swapped);
    read_only.remount("ro");
    std::fs::remove_dir_all(paths["file"].join("b")).expect("it was there");
    std::fs::write(paths["file"].join("b"), "a file").expect("a file");
    for (name, texts) in [
        (
            "gone",
            [
                "gone` is not there: the volume is not mounted",
                "check that the store is up",
            ],
        ),
        (
            "swapped",
            [
                "swapped/b` is not there: the volume is not mounted",
                "check that the store is up",
            ],
        ),
        (
            "file",
            [
                "`metadata/store-id`, which was `",
                "is not there; check that the volume is mounted",
            ],
        ),
    ] {
        // A validation during the change may report another error once.
        eventually(&format!("location {name} to say {texts:?}"), || {
            let message = server.unavailable(name);
            texts.iter().all(|text| message.contains(text)).then_some(())
        });
    }

    create(
        &plane,
        [
            backup(&server, "full", "full", "big"),
            backup(&server, "read-only-2", "read-only", "app"),
            backup(&server, "gone", "gone", "app"),
            backup(&server, "good", "default", "app"),
        ],
    );
    create(
        &plane,
        [
            restore(&server, "swapped", "swapped", "app", "from-swapped"),
            restore(&server, "read-only", "read-only", "app", "from-read-only"),
        ],
    );
    let ended = server.all_ended("backup", &["full", "read-only-2", "gone", "good"], LIMIT);
    assert_eq!(phase(&ended["good"]), "Completed", "{:#}", ended["good"]);
    for (name, ends, field, texts) in [
        (
            "full",
            "Failed",
            "/status/failureReason",
            ["no space left on device", "check the store's free space"],
        ),
        (
            "read-only-2",
            "Failed",
            "/status/failureReason",
            ["read-only file system", "check how the volume is mounted"],
        ),
        (
            "gone",
            "FailedValidation",
            "/status/validationErrors/0",
            ["BackupStorageLocation gone is in Unavailable", "not mounted"],
        ),
    ] {
        let backup = &ended[name];
        assert_eq!(phase(backup), ends, "{name}: {backup:#}");
        for expected in texts {
            let printed = text(backup, field);
            assert!(printed.contains(expected), "{name}: `{expected}` is not in: {printed}");
        }
    }
    let left = crate::harness::files(&paths["full"]);
    assert!(
        left.iter()
            .all(|file| !file.ends_with(".tar.gz") && !file.contains(".velero-uploads")),
        "{left:?}"
    );

    let ended = server.all_ended("restore", &["swapped", "read-only"], LIMIT);
    let refused = &ended["swapped"];
    assert_eq!(phase(refused), "FailedValidation", "{refused:#}");
    assert!(
        refused["status"]["validationErrors"]
            .to_string()
            .contains("The BSL swapped is unavailable")
    );
    let restored = &ended["read-only"];
    assert_eq!(phase(restored), "PartiallyFailed", "{restored:#}");
    assert!(
        text(restored, "/status/failureReason").contains("read-only file system"),
        "{restored:#}"
    );
    assert_eq!(plane.list("from-read-only", "configmaps").len(), 3);

    // A volume that returns is used again; an empty one in its place is not.
    let empty = Mounted::new(&paths["swapped"], "size=4m");
    std::fs::create_dir(paths["swapped"].join("b")).expect("a directory");
    let message = eventually("the empty volume to be recognised", || {
        let message = server.unavailable("swapped");
        message.contains("`metadata/store-id`, which was `").then_some(message)
    });
    assert!(
        message.contains("is not there; check that the volume is mounted"),
        "{message}"
    );
    drop((full, read_only, empty));
    server.was_well(&[]);
}
