//! Downloads from a location that cannot sign URLs by clients that know only `status.downloadURL`: the Go command line, and every
//! web UI. A plain HTTP client sends their requests here; the Go command line itself is at the end.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::config::{KubeConfigOptions, Kubeconfig};
use reqwest::Method;
use reqwest::tls::TlsInfo;
use serde_json::{Value, json};
use velero::controllers::artifact::base::BaseUrl;
use velero::controllers::artifact::secret::{self, NAME};
use velero::controllers::artifact::token::Key;

use crate::harness::{Plane, Server, eventually, free_address, program, text};

const NAMESPACE: &str = "velero";

/// The response for a URL.
struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
    /// The certificate that was served.
    certificate: Vec<u8>,
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

/// Asks for a URL, trusting this authority besides the system's.
fn ask(method: Method, url: &str, authority: &[u8]) -> Result<Got, String> {
    blocking(async {
        let authority = reqwest::Certificate::from_pem(authority).expect("an authority");
        let client = reqwest::Client::builder()
            .add_root_certificate(authority)
            .tls_info(true)
            .build()
            .expect("a client");
        let answer = client
            .request(method, url)
            .send()
            .await
            .map_err(|error| format!("{error:?}"))?;
        let certificate = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        Ok(Got {
            status: answer.status().as_u16(),
            certificate: certificate.unwrap_or_default().to_vec(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.expect("its body").to_vec(),
        })
    })
}

fn secret_of(plane: &Plane, name: &str, key: &str) -> Vec<u8> {
    let secret = plane.get(NAMESPACE, "secret", name).unwrap_or_default();
    let data = secret["data"][key].as_str().unwrap_or_default();
    BASE64.decode(data).expect("base64")
}

fn authority(plane: &Plane) -> Vec<u8> {
    secret_of(plane, NAME, "ca.crt")
}

/// The first certificate of a PEM text.
fn der(pem: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(pem);
    let body: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    BASE64.decode(body).expect("PEM")
}

/// The URL that a DownloadRequest is answered with.
fn url(server: &Server, kind: &str, name: &str) -> String {
    let request = format!("{}-{}", name.to_lowercase(), kind.to_lowercase());
    let object = json!({
        "apiVersion": "velero.io/v1", "kind": "DownloadRequest",
        "metadata": {"name": request, "namespace": NAMESPACE}, "spec": {"target": {"kind": kind, "name": name}},
    });
    server.plane.apply(&object.to_string());
    eventually(&format!("a URL of {kind} {name}"), || {
        let request = server.object("downloadrequest", &request);
        (text(&request, "/status/phase") == "Processed").then(|| text(&request, "/status/downloadURL"))
    })
}

fn backup(server: &Server, name: &str, spec: &Value) -> Value {
    let object = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    });
    server.plane.apply(&object.to_string());
    server.ended("backup", name)
}

/// A server with URLs of this machine.
fn flags(listen: &str) -> Vec<String> {
    vec![
        format!("--artifact-address={listen}"),
        format!("--artifact-url=https://{listen}"),
        // With this level the server logs requests.
        "--log-level=trace".to_owned(),
    ]
}

fn start<'a>(plane: &'a Plane, listen: &str) -> Server<'a> {
    let flags = flags(listen);
    Server::start_with(plane, NAMESPACE, &flags.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_client_with_a_url_reads_files_of_a_file_system_location() {
    let plane = Plane::start();
    let listen = free_address();
    let mut server = start(&plane, &listen);
    let done = backup(&server, "b", &json!({"includedNamespaces": ["default"]}));
    assert_eq!(text(&done, "/status/phase"), "Completed", "{done:#}");
    let trusted = authority(&plane);
    let base = format!("https://{listen}/artifacts/");
    let mut tokens = Vec::new();

    for (kind, file) in [
        ("BackupContents", "b.tar.gz"),
        ("BackupLog", "b-logs.gz"),
        ("BackupResults", "b-results.gz"),
        ("BackupResourceList", "b-resource-list.json.gz"),
        ("BackupVolumeInfos", "b-volumeinfo.json.gz"),
    ] {
        let url = url(&server, kind, "b");
        assert!(url.starts_with(&base), "{url}");
        let got = ask(Method::GET, &url, &trusted).expect("an answer");
        assert_eq!(got.status, 200, "{kind}: {}", got.text());
        let stored = std::fs::read(server.bucket().join("backups/b").join(file)).expect("the file");
        assert!(got.body == stored, "{kind} is served as it is stored");
        assert_eq!(
            got.headers.get("content-encoding"),
            None,
            "clients would unpack it twice"
        );
        assert_eq!(got.headers["content-length"], stored.len().to_string());
        tokens.push(url.split("token=").nth(1).expect("a token").to_owned());
    }
    let log = url(&server, "BackupLog", "b");
    let untrusted = rcgen::generate_simple_self_signed(["other".to_owned()]).expect("another authority");
    let refused = ask(Method::GET, &log, untrusted.cert.pem().as_bytes());
    assert!(refused.is_err(), "only a client that trusts the authority talks to it");

    // Files that a token gives no access to.
    let key = Key::from_bytes(&secret_of(&plane, "velero-artifact-tokens", "key")).expect("a key");
    let expired = key.issue("BackupLog", "b", Timestamp::from_second(1_700_000_000).expect("a time"));
    let foreign = Key::random().issue("BackupLog", "b", "2100-01-01T00:00:00Z".parse().expect("a time"));
    let results = &tokens[2];
    for (token, reason) in [
        (expired.as_str(), "the token has expired"),
        (&foreign, "not for this artifact"),
        (results, "not for this artifact"),
        ("", "cannot be read"),
        ("nonsense", "cannot be read"),
    ] {
        let got = ask(Method::GET, &format!("{base}BackupLog/b?token={token}"), &trusted).expect("an answer");
        assert_eq!(got.status, 403, "{token}");
        assert!(got.text().contains(reason), "{token}: {}", got.text());
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(ask(method, &log, &trusted).expect("an answer").status, 405);
    }

    // A request for a missing file is answered as well, and its URL returns the reason.
    let invalid = backup(&server, "invalid", &json!({"storageLocation": "nowhere"}));
    assert_eq!(text(&invalid, "/status/phase"), "FailedValidation");
    for (kind, name, reason) in [
        ("BackupLog", "invalid", "failed validation and has no files"),
        ("BackupContents", "never", "backup \"never\" is not there"),
        ("RestoreLog", "never", "restore \"never\" is not there"),
        ("BackupVolumeSnapshots", "b", ""),
    ] {
        let url = url(&server, kind, name);
        tokens.push(url.split("token=").nth(1).expect("a token").to_owned());
        if reason.is_empty() {
            std::fs::remove_file(server.bucket().join("backups/b/b-volumesnapshots.json.gz")).expect("it was there");
        }
        let got = ask(Method::GET, &url, &trusted).expect("an answer");
        assert_eq!(got.status, 404, "{kind} {name}: {}", got.text());
        assert!(got.text().contains(reason), "{kind} {name}: {}", got.text());
    }

    // A standby serves the same, under the same authority.
    let elsewhere = free_address();
    let mut standby = server.standby();
    standby.flags = flags(&elsewhere);
    standby.restart();
    let there = log.replace(&listen, &elsewhere);
    let get = |url: &str, authority: &[u8]| ask(Method::GET, url, authority).ok().filter(|got| got.status == 200);
    eventually("the standby to serve", || get(&there, &trusted));
    assert_eq!(server.leader(), server.identity(), "it only stands by");

    // A certificate is renewed after two thirds of its lifetime, and all replicas serve the new one.
    let before = der(&secret_of(&plane, NAME, "tls.crt"));
    assert_eq!(get(&log, &trusted).expect("an answer").certificate, before);
    let secret = plane.get(NAMESPACE, "secret", NAME).expect("the secret");
    let recorded = text(&secret, "/metadata/annotations/velero.io~1artifact-certificate");
    let mut facts: Value = serde_json::from_str(&recorded).expect("facts");
    facts["notBefore"] = json!("2020-01-01T00:00:00Z");
    let annotation = format!("{}={facts}", secret::FACTS);
    plane.kubectl(&["annotate", "--overwrite", "secret", NAME, "-n", NAMESPACE, &annotation]);
    let renewed = eventually("another certificate", || {
        Some(der(&secret_of(&plane, NAME, "tls.crt"))).filter(|now| *now != before)
    });
    assert_eq!(authority(&plane), trusted, "clients trust the authority that they know");
    for url in [&log, &there] {
        eventually("the new certificate to be served", || {
            get(url, &trusted).filter(|got| got.certificate == renewed)
        });
    }

    // One that was deleted is made again, with an authority of its own.
    plane.kubectl(&["delete", "secret", NAME, "-n", NAMESPACE]);
    let new = eventually("the secret to be made again", || {
        plane.get(NAMESPACE, "secret", NAME).map(|_| authority(&plane))
    });
    for url in [&log, &there] {
        eventually("the new authority's certificate to be served", || get(url, &new));
    }

    // Our own command line goes this way too where no other is open, once the location names the authority.
    let file = server.bucket().with_file_name("ca.crt");
    std::fs::write(&file, &new).expect("a file");
    let (ok, _, error) = server.try_velero(&["backup", "logs", "b"]);
    assert!(!ok && error.contains("certificate"), "{error}");
    server.velero(&[
        "backup-location",
        "set",
        "default",
        "--cacert",
        &file.display().to_string(),
    ]);
    assert!(server.velero(&["backup", "logs", "b"]).contains("backup=velero/b"));

    let events = plane.kubectl(&["get", "events", "-n", NAMESPACE, "-o", "json"]);
    for token in &tokens {
        for expected in [server.logs(), standby.logs(), events.clone()] {
            assert!(!expected.contains(token.as_str()), "a token is in a log or an event");
        }
    }
    server.was_well(&[]);
    standby.kill();
    server.kill();
    replicas_that_start_at_once_end_with_one_authority(&plane);
    an_installation_gives_its_location_the_authority_that_the_server_serves_under(&plane, &listen);
}

/// On the same control plane, in a namespace of its own; nothing runs the Deployment.
fn an_installation_gives_its_location_the_authority_that_the_server_serves_under(plane: &Plane, listen: &str) {
    let install = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_velero"))
            .args([
                "install",
                "--namespace",
                "installed",
                "--image",
                "example.com/velero:v1",
            ])
            .args(["--filesystem-claim", "c", "--artifact-node-port", "30443"])
            .arg(format!("--artifact-url=https://{listen}"))
            .args(more)
            .env("KUBECONFIG", plane.kubeconfig())
            .output()
            .expect("the command runs");
        let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", printed(&output.stderr));
        (printed(&output.stdout), printed(&output.stderr))
    };
    let (shown, warning) = install(&["--dry-run", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown).expect("a list");
    let items = shown["items"].as_array().expect("items");
    assert!(!items.iter().any(|item| item["kind"] == "Secret"), "no key is shown");
    let location = items.iter().find(|item| item["kind"] == "BackupStorageLocation");
    let storage = &location.expect("a location")["spec"]["objectStorage"];
    assert!(
        storage["bucket"] == "velero" && storage["caCert"].is_null(),
        "{storage}"
    );
    assert!(
        warning.contains("velero backup-location set default --cacert"),
        "{warning}"
    );
    assert!(plane.get("installed", "secret", NAME).is_none(), "it only shows");

    let trusted = || {
        let location = plane.get("installed", "backupstoragelocation.velero.io", "default");
        let location = location.expect("the location");
        let secret = plane.get("installed", "secret", NAME).expect("the secret");
        let authority = text(&secret, "/data/ca.crt");
        assert!(!authority.is_empty());
        assert_eq!(text(&location, "/spec/objectStorage/caCert"), authority);
        authority
    };
    install(&[]);
    let first = trusted();
    install(&["--apply"]);
    assert_eq!(trusted(), first, "a second installation makes no other authority");
    let service = plane
        .get("installed", "service", "velero-artifacts")
        .expect("the node port");
    assert_eq!(text(&service, "/spec/ports/0/nodePort"), "30443");
}

/// On the same control plane, in a namespace of its own.
fn replicas_that_start_at_once_end_with_one_authority(plane: &Plane) {
    plane.kubectl(&["create", "namespace", "race"]);
    let found = blocking(async {
        let config = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
        let client = kube::Client::try_from(config.expect("a configuration")).expect("a client");
        let api: kube::Api<Secret> = kube::Api::namespaced(client, "race");
        let names = BaseUrl::of_service("race").names("race");
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        join_all((0..8).map(|_| secret::ensure(&api, "race", &names, now))).await
    });
    let mut authorities: Vec<_> = found
        .into_iter()
        .map(|secret| secret.expect("a secret").data.expect("data")[secret::AUTHORITY].clone())
        .collect();
    assert_eq!(authorities.len(), 8);
    authorities.dedup();
    assert_eq!(authorities.len(), 1);
}

/// The command line of the Go release, as its users have it.
fn go(plane: &Plane, home: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program("velero"))
        .args(arguments)
        .args(["--namespace", NAMESPACE, "--kubeconfig"])
        .arg(plane.kubeconfig())
        .current_dir(home)
        .env("HOME", home)
        .output()
        .expect("the Go command line starts");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

#[test]
#[ignore = "builds the Go release, which takes many minutes: `make test-long` runs it"]
fn the_go_command_line_reads_from_a_file_system_location() {
    let plane = Plane::start();
    let listen = free_address();
    let mut server = start(&plane, &listen);
    let home = tempfile::tempdir().expect("a directory");
    plane.kubectl(&["create", "configmap", "settings", "-n", "default", "--from-literal=a=b"]);
    backup(&server, "b", &json!({"includedNamespaces": ["default"]}));
    plane.apply(&format!(
        "{{apiVersion: velero.io/v1, kind: Restore, metadata: {{name: r, namespace: {NAMESPACE}}}, \
         spec: {{backupName: b, namespaceMapping: {{default: copy}}}}}}"
    ));
    server.ended("restore", "r");
    let invalid = json!({"includedNamespaces": ["default"], "excludedNamespaces": ["default"]});
    assert_eq!(
        text(&backup(&server, "invalid", &invalid), "/status/phase"),
        "FailedValidation"
    );

    // As documented for a location that `velero install` has not made.
    let file = home.path().join("ca.crt");
    std::fs::write(&file, authority(&plane)).expect("a file");
    let file = file.display().to_string();
    let (set, printed) = go(
        &plane,
        home.path(),
        &["backup-location", "set", "default", "--cacert", &file],
    );
    assert!(set, "{printed}");

    for (arguments, wanted) in [
        (&["backup", "logs", "b"][..], "backup=velero/b"),
        (&["restore", "logs", "r"], "restore=velero/r"),
        (&["backup", "describe", "b", "--details"], "- default/settings"),
        (&["restore", "describe", "r", "--details"], "- copy/settings(created)"),
    ] {
        let (ok, printed) = go(&plane, home.path(), arguments);
        assert!(ok && printed.contains(wanted), "{arguments:?}: {printed}");
        assert!(
            !printed.contains("<error") && !printed.contains("not found>"),
            "{arguments:?}: {printed}"
        );
    }
    let (ok, printed) = go(&plane, home.path(), &["backup", "download", "b"]);
    assert!(ok, "{printed}");
    let stored = std::fs::read(server.bucket().join("backups/b/b.tar.gz")).expect("the archive");
    let fetched = std::fs::read(home.path().join("b-data.tar.gz")).expect("the file that it names");
    assert!(fetched == stored, "the archive is what is stored");
    // The Go release prints this for every answer with 404.
    let (ok, printed) = go(&plane, home.path(), &["backup", "download", "invalid"]);
    assert!(!ok && printed.contains("file not found"), "{printed}");
    server.was_well(&[]);
    server.kill();
}
