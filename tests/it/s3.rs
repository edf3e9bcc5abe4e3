//! Backups in a real S3 server: every way to configure it, archives of several parts, signed URLs, a death in the middle of
//! an upload, and locations that cannot work (decision 25).

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Fault, Plane, Proxy, S3, Server, eventually, phase, text};

const LIMIT: Duration = Duration::from_mins(2);

/// A wrong secret key, as telltale as the right one.
const WRONG: &str = "hunter2hunter2hunter2";

fn secret(server: &Server<'_>, name: &str, key: &str, content: &str) {
    let file = format!("{key}={content}");
    let arguments = ["create", "secret", "generic", name, "-n", &server.namespace];
    server
        .plane
        .kubectl(&[&arguments[..], &[&format!("--from-literal={file}")]].concat());
}

/// An S3 server with the installation's credentials.
pub fn s3_of(server: &Server<'_>) -> S3 {
    let s3 = S3::start(&[]);
    secret(server, "cloud-credentials", "cloud", &s3.credentials("default"));
    s3
}

/// A location of this name behind a proxy of its own.
pub fn proxied(server: &Server<'_>, s3: &S3, name: &str) -> Proxy {
    let proxy = Proxy::before(&s3.endpoint);
    create(
        server.plane,
        [location(server, name, &proxy.endpoint(), &[], &json!({}))],
    );
    server.until_available(name);
    proxy
}

/// A location on the bucket `velero` with a prefix of its name; `more` goes into the spec.
pub fn location(
    server: &Server<'_>,
    name: &str,
    endpoint: &str,
    config: &[(&str, &str)],
    more: &serde_json::Value,
) -> String {
    let mut spec = json!({
        "provider": "aws",
        "objectStorage": {"bucket": "velero", "prefix": name},
        "config": {"s3Url": endpoint, "s3ForcePathStyle": "true", "region": "us-east-1"},
    });
    for (key, value) in config {
        spec["config"][*key] = json!(value);
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        match (&mut spec[key], value) {
            (serde_json::Value::Object(old), serde_json::Value::Object(new)) => old.extend(new.clone()),
            (old, new) => *old = new.clone(),
        }
    }
    json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": name, "namespace": server.namespace}, "spec": spec,
    })
    .to_string()
}

pub fn backup(server: &Server<'_>, name: &str, location: &str, namespace: &str) -> String {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": name, "namespace": server.namespace},
        "spec": {"storageLocation": location, "includedNamespaces": [namespace]},
    })
    .to_string()
}

pub fn restore(server: &Server<'_>, name: &str, backup: &str, from: &str, to: &str) -> String {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Restore",
        "metadata": {"name": name, "namespace": server.namespace},
        "spec": {"backupName": backup, "namespaceMapping": {from: to}},
    })
    .to_string()
}

/// Creates objects, one after another.
pub fn create(plane: &Plane, objects: impl IntoIterator<Item = String>) {
    for documents in objects {
        plane.create(&documents);
    }
}

/// A small application.
pub fn fill(plane: &Plane, namespace: &str) {
    let mut yaml = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n");
    for number in 0..3 {
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: {namespace}}}\ndata: {{n: \"{number}\"}}\n"
        );
    }
    create(plane, [yaml]);
}

/// An application with an archive of three parts: incompressible data, and two copies of each object.
pub fn fill_big(plane: &Plane, namespace: &str) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = || {
        let mut text = String::with_capacity(900_000);
        for _ in 0..900_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push(char::from(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize],
            ));
        }
        text
    };
    let maps = (0..10).map(|number| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{number}"), "namespace": namespace}, "data": {"noise": noise()}})
            .to_string()
    });
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).to_string();
    create(plane, std::iter::once(namespace).chain(maps));
}

/// The data of every ConfigMap of a namespace, by name.
fn data(plane: &Plane, namespace: &str) -> Vec<(String, String)> {
    let maps = plane.list(namespace, "configmaps");
    maps.iter()
        .map(|map| (text(map, "/metadata/name"), map["data"].to_string()))
        .collect()
}

#[test]
fn s3_backups_are_restored_and_a_death_in_an_upload_leaves_nothing() {
    let plane = Plane::start();
    let mut server = Server::start_with(&plane, "velero", &["--concurrent-backups=8"]);
    let (plain, tls) = (S3::start(&[]), S3::start(&["--tls"]));
    fill(&plane, "app");
    fill_big(&plane, "big");

    secret(&server, "cloud-credentials", "cloud", &plain.credentials("default"));
    secret(
        &server,
        "own",
        "file",
        &(tls.credentials("work") + "region = us-east-1\n"),
    );
    let own = json!({"credential": {"name": "own", "key": "file"}});
    let authority = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(tls.ca.as_deref().expect("an authority"))
    };
    let mut trusting = own.clone();
    trusting["objectStorage"] = json!({"caCert": authority});
    let proxy = Proxy::before(&plain.endpoint);
    create(
        &plane,
        [
            location(&server, "plain", &plain.endpoint, &[], &json!({})),
            location(
                &server,
                "checked",
                &plain.endpoint,
                &[("checksumAlgorithm", "SHA256")],
                &json!({}),
            ),
            location(&server, "trusting", &tls.endpoint, &[("profile", "work")], &trusting),
            location(
                &server,
                "blind",
                &tls.endpoint,
                &[("profile", "work"), ("insecureSkipTLSVerify", "true")],
                &own,
            ),
            location(&server, "proxied", &proxy.endpoint(), &[], &json!({})),
        ],
    );
    let ways = ["plain", "checked", "trusting", "blind"];
    for way in ways.iter().chain(&["proxied"]) {
        server.until_available(way);
    }

    // Every way, and one archive of several parts.
    let backups = ways.map(|way| backup(&server, way, way, "app"));
    create(
        &plane,
        backups.into_iter().chain([backup(&server, "large", "plain", "big")]),
    );
    let names = ["plain", "checked", "trusting", "blind", "large"];
    for (name, backup) in server.all_ended("backup", &names, LIMIT) {
        assert_eq!(phase(&backup), "Completed", "{name}: {backup:#}");
    }
    let archive = std::fs::metadata(plain.file("plain/backups/large/large.tar.gz")).expect("an archive");
    assert!(archive.len() > 10 << 20, "{} bytes are not three parts", archive.len());

    let restores = ways.map(|way| restore(&server, way, way, "app", &format!("from-{way}")));
    create(
        &plane,
        restores
            .into_iter()
            .chain([restore(&server, "large", "large", "big", "from-large")]),
    );
    for (name, restore) in server.all_ended("restore", &names, LIMIT) {
        assert_eq!(phase(&restore), "Completed", "{name}: {restore:#}");
    }
    for way in ways {
        assert_eq!(data(&plane, &format!("from-{way}")), data(&plane, "app"), "{way}");
    }
    assert!(
        data(&plane, "from-large") == data(&plane, "big"),
        "noise became other noise"
    );

    a_signed_url_hands_out_the_log(&server);
    a_server_that_dies_in_the_middle_of_an_upload_leaves_nothing(&mut server, &plain, &proxy);

    assert_eq!((plain.unfinished(""), tls.unfinished("")), (0, 0));
    server.was_well(&[&plain.secret_key, &tls.secret_key]);
}

fn a_signed_url_hands_out_the_log(server: &Server<'_>) {
    create(
        server.plane,
        [json!({
            "apiVersion": "velero.io/v1", "kind": "DownloadRequest",
            "metadata": {"name": "log", "namespace": server.namespace},
            "spec": {"target": {"kind": "BackupLog", "name": "plain"}},
        })
        .to_string()],
    );
    let url = eventually("the answer to a download request", || {
        let request = server.object("downloadrequest", "log");
        (phase(&request) == "Processed").then(|| text(&request, "/status/downloadURL"))
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let log = runtime.block_on(async {
        let answer = reqwest::get(&url).await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.expect("a body")
    });
    assert_eq!(log[..2], [0x1f, 0x8b], "it is gzip");
}

fn a_server_that_dies_in_the_middle_of_an_upload_leaves_nothing(server: &mut Server<'_>, s3: &S3, proxy: &Proxy) {
    proxy.misbehave(|asked| asked.target.contains("partNumber=2").then_some(Fault::Silence));
    create(server.plane, [backup(server, "killed", "proxied", "big")]);
    eventually("the second part to be on its way", || (proxy.hits() > 0).then_some(()));
    server.kill();
    proxy.heal();
    assert!(
        s3.has_parts(),
        "nothing of the upload is there that could be left behind"
    );
    server.begin();
    let ended = server.all_ended("backup", &["killed"], LIMIT);
    assert_eq!(phase(&ended["killed"]), "Completed", "{:#}", ended["killed"]);
    let log = server.velero(&["backup", "logs", "killed"]);
    assert!(log.contains("Backup was resumed"), "{log}");
    assert!(!s3.has_parts(), "parts are left of the upload that died");
}

/// Name, endpoint, config, more of the spec, a part of the message.
type Case<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    serde_json::Value,
    &'a [&'a str],
);

#[test]
fn an_unusable_location_reports_the_reason_and_no_secret() {
    let plane = Plane::start();
    let server = Server::start(&plane, "velero");
    let (s3, tls) = (S3::start(&[]), S3::start(&["--tls"]));
    secret(&server, "cloud-credentials", "cloud", &s3.credentials("default"));
    let wrong = format!("[default]\naws_access_key_id = test\naws_secret_access_key = {WRONG}\n");
    secret(&server, "wrong", "cloud", &wrong);
    let with = |secret: &str| json!({"credential": {"name": secret, "key": "cloud"}});
    let bucket = |bucket: &str| json!({"objectStorage": {"bucket": bucket}});
    let none = json!({});
    let (here, nowhere) = (s3.endpoint.as_str(), "http://127.0.0.1:9");
    let cases: [Case<'_>; 15] = [
        (
            "wrong-key",
            here,
            &[],
            with("wrong"),
            &["SignatureDoesNotMatch", "check the location's credentials"],
        ),
        (
            "no-secret",
            here,
            &[],
            with("absent"),
            &["key `cloud` of secret `absent`", "kubectl get secret absent"],
        ),
        (
            "no-profile",
            here,
            &[("profile", "work")],
            none.clone(),
            &["no profile `work`", "check `config.profile`"],
        ),
        (
            "wrong-bucket",
            here,
            &[],
            bucket("another"),
            &["bucket `another`", "check `objectStorage.bucket`"],
        ),
        (
            "slash-bucket",
            here,
            &[],
            bucket("a/b"),
            &["`a/b`", "use `objectStorage.prefix`"],
        ),
        (
            "wrong-region",
            here,
            &[("region", "eu-west-7")],
            none.clone(),
            &["region", "check `config.region`"],
        ),
        (
            "checksum",
            here,
            &[("checksumAlgorithm", "MD5")],
            none.clone(),
            &["`config.checksumAlgorithm` is `MD5`", "`SHA256`"],
        ),
        (
            "unknown-key",
            here,
            &[("regoin", "x")],
            none.clone(),
            &["unknown key `regoin`", "`region`"],
        ),
        (
            "not-yet",
            here,
            &[("kmsKeyId", "k")],
            none.clone(),
            &["`config.kmsKeyId` is not supported yet"],
        ),
        (
            "no-bool",
            here,
            &[("s3ForcePathStyle", "yes")],
            none.clone(),
            &["`config.s3ForcePathStyle` is `yes`", "`true` or `false`"],
        ),
        (
            "no-url",
            "minio:9000",
            &[],
            none.clone(),
            &["`config.s3Url` must be a URL"],
        ),
        (
            "missing",
            nowhere,
            &[],
            none.clone(),
            &["there is no connection", "check that the store is up"],
        ),
        (
            "untrusted",
            &tls.endpoint,
            &[],
            none.clone(),
            &["the connection was not trusted", "check `objectStorage.caCert`"],
        ),
        (
            "no-pem",
            &tls.endpoint,
            &[],
            json!({"objectStorage": {"caCert": "bm90IGEgY2VydA=="}}),
            &["`objectStorage.caCert` is not a bundle of PEM"],
        ),
        (
            "no-provider",
            here,
            &[],
            json!({"provider": "gcp"}),
            &["provider `gcp`", "`velero.io/aws`"],
        ),
    ];
    create(
        &plane,
        cases
            .iter()
            .map(|(name, endpoint, config, more, _)| location(&server, name, endpoint, config, more)),
    );
    for (name, _, _, _, texts) in &cases {
        let message = server.unavailable(name);
        assert!(
            message.starts_with(&format!("BackupStorageLocation \"{name}\" is unavailable: ")),
            "{message}"
        );
        for text in *texts {
            assert!(message.contains(text), "{name}: `{text}` is not in: {message}");
        }
    }
    // A backup into one of them is refused with its reason, one into another location is made.
    fill(&plane, "app");
    create(
        &plane,
        [
            backup(&server, "refused", "wrong-key", "app"),
            backup(&server, "made", "default", "app"),
        ],
    );
    let ended = server.all_ended("backup", &["refused", "made"], LIMIT);
    assert_eq!(phase(&ended["made"]), "Completed", "{:#}", ended["made"]);
    assert_eq!(phase(&ended["refused"]), "FailedValidation");
    let errors = ended["refused"]["status"]["validationErrors"].to_string();
    assert!(errors.contains("SignatureDoesNotMatch"), "{errors}");
    server.was_well(&[&s3.secret_key, &tls.secret_key, WRONG]);
}
