//! Changes during a backup: of the location, the bucket, the Backup itself, the namespace. A backup that can continue does; one
//! that cannot reports the reason, and leaves nothing behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Fault, Plane, Proxy, Server, eventually, phase, text, within};
use crate::s3::{backup, create, fill, location, proxied, s3_of};
use crate::survival;

const LIMIT: Duration = Duration::from_mins(2);

/// Much less than the waits between attempts have grown to, or than a resync takes.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Waits for a warning about a backup, and returns its message.
#[track_caller]
fn warned(server: &Server<'_>, backup: &str, reason: &str) -> String {
    within(LIMIT, &format!("the event {reason} of backup {backup}"), || {
        let events = server.plane.list(&server.namespace, "events");
        let about = |event: &&Value| event["reason"] == reason && event["involvedObject"]["name"] == backup;
        events.iter().find(about).map(|event| text(event, "/message"))
    })
}

#[track_caller]
fn completed(server: &Server<'_>, name: &str, limit: Duration) -> Value {
    let mut ended = server.all_ended("backup", &[name], limit);
    let backup = ended.remove(name).expect("it has ended");
    assert_eq!(phase(&backup), "Completed", "{backup:#}");
    backup
}

#[test]
fn a_backup_waits_for_its_location_and_reports_it() {
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &["--concurrent-backups=4"]);
    let s3 = s3_of(&server);
    fill(&plane, "gone");
    fill(&plane, "read-only");
    fill(&plane, "steady");
    let (gone, read_only) = (proxied(&server, &s3, "gone"), proxied(&server, &s3, "read-only"));
    for (name, proxy) in [("gone", &gone), ("read-only", &read_only)] {
        proxy.misbehave(|asked| asked.writes().then_some(Fault::Hangup));
        create(&plane, [backup(&server, name, name, name)]);
        warned(&server, name, "BrokeOff");
    }
    plane.kubectl(&["delete", "backupstoragelocation", "gone", "-n", "velero"]);
    let read_only_is = |mode: &str| {
        let patch = json!({"spec": {"accessMode": mode}}).to_string();
        let location = ["patch", "backupstoragelocation", "read-only", "-n", "velero"];
        plane.kubectl(&[&location[..], &["--type=merge", "-p", &patch]].concat());
    };
    read_only_is("ReadOnly");
    let printed = warned(&server, "gone", "LocationGone");
    assert!(
        printed.contains("`gone`") && printed.contains("create it again"),
        "{printed}"
    );
    let printed = warned(&server, "read-only", "LocationReadOnly");
    assert!(
        printed.contains("`read-only`") && printed.contains("ReadWrite"),
        "{printed}"
    );
    // They can be reached again, which helps neither.
    for proxy in [&gone, &read_only] {
        proxy.heal();
    }
    // The next leader reports the same, and neither backup affects the others.
    server.restart();
    create(&plane, [backup(&server, "steady", "default", "steady")]);
    completed(&server, "steady", LIMIT);
    for name in ["gone", "read-only"] {
        assert_eq!(phase(&server.object("backup", name)), "InProgress");
        eventually("the successor to say so", || {
            let log = server.log();
            log.lines()
                .any(|line| line.contains(&format!("velero/{name}")) && line.contains("of a backup under way"))
                .then_some(())
        });
    }
    assert!(s3.objects("read-only/backups").is_empty(), "nothing was written to it");

    create(&plane, [location(&server, "gone", &gone.endpoint(), &[], &json!({}))]);
    read_only_is("ReadWrite");
    for name in ["gone", "read-only"] {
        completed(&server, name, AT_ONCE);
    }
    server.until_no_records();
    server.was_well(&[&s3.secret_key]);
}

#[test]
fn a_begun_run_ends_though_its_location_goes_or_is_read_only() {
    let plane = Plane::start();
    let server = Server::start_with(
        &plane,
        "velero",
        &["--concurrent-backups=2", "--client-qps=20", "--client-burst=1"],
    );
    let s3 = s3_of(&server);
    let names = ["gone", "read-only"];
    for name in names {
        survival::fill(&plane, name, 60);
        let endpoint = &s3.endpoint;
        create(&plane, [location(&server, name, endpoint, &[], &json!({}))]);
    }
    for name in names {
        server.until_available(name);
    }
    create(&plane, names.map(|name| backup(&server, name, name, name)));
    for name in names {
        let claim = format!("{name}/backups/{name}/velero-claim.json");
        within(LIMIT, "the run to be under way", || {
            s3.file(&claim).exists().then_some(())
        });
    }
    plane.kubectl(&["delete", "backupstoragelocation", "gone", "-n", "velero"]);
    let patch = json!({"spec": {"accessMode": "ReadOnly"}}).to_string();
    let location = ["patch", "backupstoragelocation", "read-only", "-n", "velero"];
    plane.kubectl(&[&location[..], &["--type=merge", "-p", &patch]].concat());
    for name in names {
        assert_eq!(
            phase(&server.object("backup", name)),
            "InProgress",
            "it was met too late"
        );
    }
    for name in names {
        let backup = completed(&server, name, LIMIT);
        assert_eq!(text(&backup, "/status/progress/itemsBackedUp"), "61");
        assert_eq!(s3.objects(&format!("{name}/backups/{name}")).len(), 9);
    }
    server.until_no_records();
    server.was_well(&[&s3.secret_key]);
}

#[test]
fn a_full_bucket_is_reported_and_keeps_nothing_of_the_backup() {
    let plane = Plane::start();
    let server = Server::start_with(&plane, "velero", &["--concurrent-backups=4"]);
    let s3 = s3_of(&server);
    // The first file without room, and the store's error.
    let cases: [(&str, &str, u16, &str); 4] = [
        ("claim", "velero-claim.json", 507, "InsufficientStorage"),
        ("archive", "archive.tar.gz", 507, "XMinioStorageFull"),
        ("list", "list-resource-list", 403, "QuotaExceeded"),
        ("seal", "velero-backup.json", 507, "InsufficientStorage"),
    ];
    let proxies: Vec<Proxy> = cases
        .iter()
        .map(|(name, file, status, code)| {
            fill(&plane, name);
            let proxy = proxied(&server, &s3, name);
            let (file, status, code) = (*file, *status, *code);
            let full = std::sync::atomic::AtomicBool::new(false);
            proxy.misbehave(move |asked| {
                use std::sync::atomic::Ordering::SeqCst;
                // Once it is full nothing goes in any more.
                let adds = asked.method == "PUT" || asked.method == "POST";
                if adds && asked.target.contains(file) {
                    full.store(true, SeqCst);
                }
                (adds && full.load(SeqCst)).then_some(Fault::Refuse(status, code))
            });
            proxy
        })
        .collect();
    create(&plane, cases.iter().map(|(name, ..)| backup(&server, name, name, name)));
    let names = cases.map(|(name, ..)| name);
    let ended = server.all_ended("backup", &names, LIMIT);
    for (name, _, _, code) in cases {
        let backup = &ended[name];
        assert_eq!(phase(backup), "Failed", "{backup:#}");
        let reason = text(backup, "/status/failureReason");
        for expected in ["bucket `velero`", code, "check the store's free space and quota"] {
            assert!(reason.contains(expected), "{name}: `{expected}` is not in: {reason}");
        }
        assert!(
            server
                .velero(&["backup", "describe", name])
                .contains("free space and quota")
        );
    }
    // What lies there is removed even while nothing can be added.
    server.until_no_records();
    for name in names {
        assert_eq!(s3.objects(&format!("{name}/backups")), [""; 0], "{name}");
    }
    assert_eq!(s3.unfinished(""), 0, "uploads are left");
    proxies.iter().for_each(Proxy::heal);
    create(
        &plane,
        names.map(|name| backup(&server, &format!("{name}-2"), name, name)),
    );
    for name in names {
        completed(&server, &format!("{name}-2"), LIMIT);
    }
    server.was_well(&[&s3.secret_key]);
}

#[test]
fn a_backup_takes_over_the_name_of_one_deleted_in_its_run() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    let s3 = s3_of(&server);
    fill(&plane, "app");
    // Where the first one stands when it is deleted.
    for (name, file) in [
        ("claim", "velero-claim.json"),
        ("archive", "archive.tar.gz"),
        ("first-file", "first-file-podvolumebackups.json.gz"),
        ("log", "log-logs.gz"),
    ] {
        let proxy = proxied(&server, &s3, name);
        proxy.misbehave(move |asked| (asked.writes() && asked.target.contains(file)).then_some(Fault::Silence));
        create(&plane, [backup(&server, name, name, "app")]);
        eventually("the first to stand still", || (proxy.hits() > 0).then_some(()));
        let first = text(&server.object("backup", name), "/metadata/uid");
        plane.kubectl(&["delete", "backup.velero.io", name, "-n", "velero"]);
        create(&plane, [backup(&server, name, name, "app")]);
        proxy.heal();
        let second = completed(&server, name, LIMIT);
        let uid = text(&second, "/metadata/uid");
        assert_ne!(uid, first);
        server.until_no_records();
        let dir = format!("{name}/backups/{name}");
        assert_eq!(s3.objects(&dir).len(), 9, "{name}: {:?}", s3.objects(&dir));
        let sealed = std::fs::read_to_string(s3.file(&format!("{dir}/velero-backup.json"))).expect("it is sealed");
        assert!(sealed.contains(&uid), "{name}: it is the first one's");
    }
    assert_eq!(s3.unfinished(""), 0, "uploads are left");
    server.was_well(&[&s3.secret_key]);
}

#[test]
fn a_namespace_deleted_meanwhile_fails_no_backup() {
    let plane = Plane::with_controller_manager();
    let server = Server::start_with(
        &plane,
        "velero",
        &["--concurrent-backups=2", "--client-qps=20", "--client-burst=1"],
    );
    survival::fill(&plane, "many", 60);
    server.velero(&["backup", "create", "named", "--include-namespaces", "many"]);
    within(LIMIT, "the backup to be under way", || {
        let backup = server.object("backup", "named");
        (phase(&backup) == "InProgress").then_some(())
    });
    plane.kubectl(&["delete", "namespace", "many"]);
    completed(&server, "named", LIMIT);
    let log = server.unpacked("backups/named/named-logs.gz");
    assert!(log.contains("Backed up a total of"), "{log}");
    server.until_no_records();
    server.velero(&["backup", "create", "late", "--include-namespaces", "many"]);
    let late = &server.all_ended("backup", &["late"], LIMIT)["late"];
    assert_eq!(phase(late), "PartiallyFailed", "{late:#}");
    let log = server.unpacked("backups/late/late-logs.gz");
    assert!(log.contains("does not exist"), "{log}");
    server.was_well(&[]);
}
