//! Archives that are cut off, damaged or made to hurt, and buckets with files that are not what they seem (decision 21):
//! refused before anything is written, or one error for what cannot be read and the rest restored.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::{Plane, Server, phase, text, within};
use crate::s3::{backup, create, fill, restore};

const LIMIT: Duration = Duration::from_mins(2);

/// The server's limit for spooled data, so that a small archive is already a bomb.
const SPOOL: usize = 20 << 20;

/// A tar being made, of whatever names and kinds.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// As `velero` makes it: the version first.
    fn new() -> Self {
        Self::default().file("metadata/version", b"1.1.0\n")
    }

    fn file(self, path: &str, content: &[u8]) -> Self {
        self.member(tar::EntryType::Regular, path, content)
    }

    fn member(mut self, kind: tar::EntryType, path: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        let fields = header.as_ustar_mut().expect("it is one");
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        if kind == tar::EntryType::Symlink {
            fields.linkname[..4].copy_from_slice(b"/etc");
        }
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A good ConfigMap of the namespace `app`.
    fn map(self, name: &str) -> Self {
        self.object(name, config_map(name).as_bytes())
    }

    /// Anything under the path of a ConfigMap.
    fn object(self, name: &str, content: &[u8]) -> Self {
        self.file(&format!("resources/configmaps/namespaces/app/{name}.json"), content)
    }

    fn zipped(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        zip(&self.0)
    }
}

fn zip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).expect("memory");
    gzip.finish().expect("memory")
}

fn config_map(name: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "app"}, "data": {"k": "v"}})
        .to_string()
}

fn half(archive: &[u8]) -> Vec<u8> {
    archive[..archive.len() / 2].to_vec()
}

/// Puts a backup into the bucket as if another cluster had made it.
fn put(bucket: &Path, model: &Value, name: &str, archive: &[u8]) {
    let directory = bucket.join("backups").join(name);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join(format!("{name}.tar.gz")), archive).expect("an archive");
    let mut metadata = model.clone();
    metadata["metadata"]["name"] = json!(name);
    metadata["metadata"]["uid"] = json!(format!("00000000-0000-0000-0000-{:012}", name.len()));
    // Last, as a seal is.
    fs::write(directory.join("velero-backup.json"), metadata.to_string()).expect("metadata");
}

/// Archives that are refused before the first write, with the reason.
fn refused() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let large = |count: usize| {
        let tar = (0..count).fold(Tar::new(), |tar, number| {
            tar.object(&format!("m{number}"), &vec![b' '; 4 << 20])
        });
        tar.zipped()
    };
    let good = || Tar::new().map("a");
    let mut flipped = good().zipped();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    vec![
        (
            "cut-off",
            half(&good().zipped()),
            &["truncated after", "check that its upload had completed"],
        ),
        (
            "empty-file",
            Vec::new(),
            &["truncated after 0 members", "check that its upload had completed"],
        ),
        (
            "no-gzip",
            b"<html>".repeat(100),
            &["not valid gzip after 0 members", "check the stored object"],
        ),
        (
            "no-tar",
            zip(&b"<html>".repeat(1000)),
            &["not a valid tar after 0 members", "check the stored object"],
        ),
        ("flipped", flipped, &["the backup archive is", "check"]),
        (
            "parent",
            good().file("resources/../../etc/cron.d/x", b"x").zipped(),
            &[
                "resources/../../etc/cron.d/x",
                "its path is not a clean relative one",
                "check where the backup comes from",
            ],
        ),
        (
            "absolute",
            good().file("/etc/cron.d/x", b"x").zipped(),
            &["/etc/cron.d/x", "its path is not a clean relative one"],
        ),
        (
            "symlink",
            good().member(tar::EntryType::Symlink, "resources/x", b"").zipped(),
            &["`resources/x`: it is a link"],
        ),
        (
            "device",
            good().member(tar::EntryType::Char, "resources/x", b"").zipped(),
            &["`resources/x`: it is not a regular file"],
        ),
        (
            "twice",
            good().map("a").zipped(),
            &["app/a.json`: its path is there twice"],
        ),
        (
            "future",
            Tar::default().file("metadata/version", b"2.0.0\n").map("a").zipped(),
            &["format `2.0.0`", "use a newer release"],
        ),
        (
            "no-version",
            Tar::default().file("metadata/version", b"soon").map("a").zipped(),
            &["format `soon`"],
        ),
        (
            "member",
            Tar::new().object("a", &vec![b' '; (16 << 20) + 1]).zipped(),
            &["app/a.json`: it is too large"],
        ),
        (
            "bomb",
            large(8),
            &["more than the 20971520 bytes", "--restore-spool-limit"],
        ),
    ]
}

/// An archive of which much cannot be read, and two objects can.
fn mixed() -> Vec<u8> {
    let other = config_map("other");
    let deep = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let mut padded = vec![b' '; 4 << 20];
    padded.extend_from_slice(config_map("padded").as_bytes());
    Tar::new()
        .map("good")
        .object("padded", &padded)
        .object("list", b"[1, 2]")
        .object("null", b"null")
        .object("nothing", b"")
        .object("cut", &config_map("cut").as_bytes()[..40])
        .object(
            "latin",
            b"{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"\xe4\"}}",
        )
        .object("renamed", other.as_bytes())
        .object(
            "elsewhere",
            config_map("elsewhere").replace("\"app\"", "\"kube-system\"").as_bytes(),
        )
        .object("secret", config_map("secret").replace("ConfigMap", "Secret").as_bytes())
        .object(
            "no-metadata",
            b"{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": null}",
        )
        .object("deep", deep.as_bytes())
        .object("too-long", large("too-long", 2 << 20).as_bytes())
        .object("too-large", large("too-large", 4 << 20).as_bytes())
        .object(
            "bad-label",
            config_map("bad-label")
                .replace("\"name\"", "\"labels\":{\"a b\":\"c\"},\"name\"")
                .as_bytes(),
        )
        .file("resources/stray", b"x")
        .zipped()
}

fn large(name: &str, size: usize) -> String {
    config_map(name).replace("\"v\"", &format!("\"{}\"", "v".repeat(size)))
}

/// Objects that the API server refuses, with its message.
const DENIED: [(&str, &str); 3] = [
    ("too-long", "Too long"),
    ("too-large", "Request entity too large"),
    ("bad-label", "metadata.labels: Invalid value"),
];

const UNREADABLE: [&str; 10] = [
    "list",
    "null",
    "nothing",
    "cut",
    "latin",
    "renamed",
    "elsewhere",
    "secret",
    "no-metadata",
    "deep",
];

#[test]
fn a_hostile_archive_is_refused_and_a_damaged_item_is_one_error() {
    let plane = Plane::start();
    let limit = format!("--restore-spool-limit={SPOOL}");
    let server = Server::start_with(&plane, "velero", &["--backup-sync-period=1s", &limit]);
    fill(&plane, "app");
    create(&plane, [backup(&server, "model", "default", "app")]);
    assert_eq!(phase(&server.ended("backup", "model")), "Completed");
    let bucket = server.bucket();
    let model = fs::read(bucket.join("backups/model/velero-backup.json")).expect("metadata");
    let model: Value = serde_json::from_slice(&model).expect("it is JSON");

    let refused = refused();
    for (name, archive, _) in &refused {
        put(&bucket, &model, name, archive);
    }
    put(&bucket, &model, "mixed", &mixed());
    put(&bucket, &model, "first-format", &Tar::default().map("old").zipped());
    put(&bucket, &model, "nothing", &Tar::new().zipped());
    metadata_that_is_none(&bucket, &model);
    within(LIMIT, "the backups of the bucket to come in", || {
        (server.objects("backups").len() == refused.len() + 4).then_some(())
    });

    let whole = ["mixed", "first-format", "nothing"];
    let names: Vec<&str> = refused.iter().map(|(name, _, _)| *name).chain(whole).collect();
    create(
        &plane,
        names
            .iter()
            .map(|name| restore(&server, name, name, "app", &format!("from-{name}"))),
    );
    let ended = server.all_ended("restore", &names, LIMIT);
    for (name, _, texts) in &refused {
        let restore = &ended[*name];
        assert_eq!(phase(restore), "Failed", "{name}: {restore:#}");
        let reason = text(restore, "/status/failureReason");
        for text in *texts {
            assert!(reason.contains(text), "{name}: `{text}` is not in: {reason}");
        }
        assert_eq!(
            plane.get("", "namespace", &format!("from-{name}")),
            None,
            "{name} was written"
        );
    }

    let mixed = &ended["mixed"];
    assert_eq!(phase(mixed), "PartiallyFailed", "{mixed:#}");
    let errors = (UNREADABLE.len() + DENIED.len()).to_string();
    assert_eq!(text(mixed, "/status/errors"), errors, "{mixed:#}");
    let described = server.unpacked("restores/mixed/restore-mixed-results.gz");
    for name in UNREADABLE {
        let start = format!("error decoding configmaps app/{name}: ");
        assert!(described.contains(&start), "`{start}` is not in: {described}");
    }
    for (name, why) in DENIED {
        let start = format!("error restoring configmaps/from-mixed/{name}: ");
        let line = described.split("\",\"").find(|line| line.contains(&start));
        assert!(
            line.is_some_and(|line| line.contains(why)),
            "`{start}… {why}` is not in: {described}"
        );
    }
    let mut restored: Vec<_> = plane
        .list("from-mixed", "configmaps")
        .iter()
        .map(|map| text(map, "/metadata/name"))
        .collect();
    restored.sort();
    assert_eq!(restored, ["good", "padded"]);

    let old = &ended["first-format"];
    assert_eq!(phase(old), "Completed", "{old:#}");
    assert_eq!(plane.list("from-first-format", "configmaps").len(), 1);
    let nothing = &ended["nothing"];
    assert_eq!(
        (phase(nothing).as_str(), text(nothing, "/status/warnings").as_str()),
        ("Completed", "1"),
        "{nothing:#}"
    );

    names_that_are_taken(&plane, &server, &bucket);
    server.was_well(&[]);
}

/// Files in the place of a backup's metadata that are none, or another's: none of them comes in, and each is complained of.
fn metadata_that_is_none(bucket: &Path, model: &Value) {
    for (name, content) in [
        ("garbage", "<html>".to_owned()),
        ("another", model.to_string()),
        ("unended", {
            let mut metadata = model.clone();
            metadata["metadata"]["name"] = json!("unended");
            metadata["status"]["phase"] = json!("New");
            metadata.to_string()
        }),
    ] {
        let directory = bucket.join("backups").join(name);
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(format!("{name}.tar.gz")), name).expect("an archive");
        fs::write(directory.join("velero-backup.json"), content).expect("metadata");
    }
}

/// A backup of a name under which something lies already fails, and leaves what lies there as it is.
fn names_that_are_taken(plane: &Plane, server: &Server<'_>, bucket: &Path) {
    for (name, expected) in [
        ("garbage", "`backups/garbage/velero-backup.json` is no Backup: "),
        ("another", "its metadata is of a backup named `model`"),
        ("unended", "its metadata has the phase `New`"),
    ] {
        let log = server.log();
        assert!(
            log.lines()
                .any(|line| line.contains(&format!("backup={name} ")) && line.contains(expected)),
            "{name} was not reported"
        );
    }
    let names = ["garbage", "another", "unended"];
    create(plane, names.map(|name| backup(server, name, "default", "app")));
    for (name, backup) in server.all_ended("backup", &names, LIMIT) {
        if !names.contains(&name.as_str()) {
            continue;
        }
        assert_eq!(phase(&backup), "Failed", "{backup:#}");
        let reason = text(&backup, "/status/failureReason");
        assert!(
            reason.contains(&format!(
                "`backups/{name}/velero-backup.json` is there already; use another name"
            )),
            "{reason}"
        );
        let archive = fs::read_to_string(bucket.join(format!("backups/{name}/{name}.tar.gz"))).expect("it is there");
        assert_eq!(archive, name, "what lay there was changed");
    }
}
