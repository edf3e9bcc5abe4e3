//! Every command under the least rights it needs: the table of `docs/user/rights.md`, row by row.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Plane, Server, eventually};

const PAGE: &str = include_str!("../../docs/user/rights.md");

/// Verbs on a resource.
type Rights = Vec<(String, Vec<String>)>;

struct Row {
    command: String,
    rights: Rights,
}

/// The rows of the page's first table.
fn rows() -> Vec<Row> {
    let rows: Vec<Row> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `velero "))
        .map(|line| {
            let (command, rights) = line.split_once("` | ").expect("two cells");
            Row {
                command: command.to_owned(),
                rights: rights.trim_end_matches(" |").split(';').map(right).collect(),
            }
        })
        .collect();
    assert!(rows.len() >= 20, "the table was not found");
    rows
}

/// `` `create` `get` `backups` ``.
fn right(text: &str) -> (String, Vec<String>) {
    let mut words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.trim_matches('`').to_owned())
        .collect();
    let resource = words.pop().expect("a resource");
    (resource, words)
}

fn group(resource: &str) -> &'static str {
    match resource {
        "services/proxy" | "pods" | "pods/portforward" => "",
        "leases" => "coordination.k8s.io",
        _ => "velero.io",
    }
}

/// All rights but one verb on one resource.
fn without(rights: &Rights, resource: &str, verb: &str) -> Rights {
    let mut rights = rights.clone();
    for (of, verbs) in &mut rights {
        if of == resource {
            verbs.retain(|known| known != verb);
        }
    }
    rights.retain(|(_, verbs)| !verbs.is_empty());
    rights
}

fn of(text: &str) -> Rights {
    text.split(';').map(right).collect()
}

/// Users with rights of their own, each a ServiceAccount with its token in a kubeconfig.
struct Users<'a> {
    plane: &'a Plane,
    directory: PathBuf,
    config: Value,
    objects: Vec<Value>,
    made: usize,
}

impl<'a> Users<'a> {
    fn new(plane: &'a Plane, directory: &Path) -> Self {
        let config = plane.kubectl(&["config", "view", "--raw", "-o", "json"]);
        Self {
            plane,
            directory: directory.to_owned(),
            config: serde_json::from_str(&config).expect("a kubeconfig"),
            objects: Vec::new(),
            made: 0,
        }
    }

    /// Notes a user with exactly these rights; [`Users::make`] makes it.
    fn add(&mut self, rights: &Rights) -> String {
        self.made += 1;
        let name = format!("user-{}", self.made);
        let meta = json!({"name": name, "namespace": "velero"});
        let rules: Vec<Value> = rights
            .iter()
            .map(|(resource, verbs)| json!({"apiGroups": [group(resource)], "resources": [resource], "verbs": verbs}))
            .collect();
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": "velero"});
        self.objects.extend([
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta, "subjects": [subject],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}}),
        ]);
        name
    }

    fn make(&mut self) {
        let objects = std::mem::take(&mut self.objects);
        self.plane
            .apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    }

    /// Runs a command with this user's token: whether it succeeded, its output, and its errors.
    fn run(&self, user: &str, command: &str) -> (bool, String, String) {
        let kubeconfig = self.directory.join(user);
        if !kubeconfig.exists() {
            let token = self.plane.kubectl(&["create", "token", user, "-n", "velero"]);
            self.write(&kubeconfig, |_| json!({"token": token.trim()}));
        }
        self.run_with(&kubeconfig, command)
    }

    /// The same by impersonation, which is sooner set up than a token.
    fn run_as(&self, user: &str, command: &str) -> (bool, String, String) {
        let kubeconfig = self.directory.join(format!("as-{user}"));
        self.write(&kubeconfig, |admin| {
            let mut user_of = admin.clone();
            user_of["as"] = format!("system:serviceaccount:velero:{user}").into();
            user_of
        });
        self.run_with(&kubeconfig, command)
    }

    fn write(&self, kubeconfig: &Path, user: impl Fn(&Value) -> Value) {
        let mut config = self.config.clone();
        for one in config["users"].as_array_mut().expect("users") {
            one["user"] = user(&one["user"]);
        }
        std::fs::write(kubeconfig, config.to_string()).expect("a kubeconfig");
    }

    fn run_with(&self, kubeconfig: &Path, command: &str) -> (bool, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_velero"))
            .args(command.split_whitespace())
            .args(["--namespace", "velero"])
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", &self.directory)
            .env_remove("VELERO_NAMESPACE")
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }
}

/// `NEW` is a name that nothing has.
fn command(row: &Row, number: &mut usize) -> String {
    *number += 1;
    row.command.replace("NEW", &format!("new-{number}"))
}

fn fill(server: &Server<'_>) {
    let plane = server.plane;
    plane.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: app}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: app}\n---\n\
         apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: s, namespace: velero}\n\
         spec: {paused: true, schedule: '0 0 1 1 *', template: {includedNamespaces: [app]}}\n---\n\
         apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {name: l, namespace: velero}\n\
         spec: {provider: velero.io/fs, objectStorage: {bucket: nowhere}, config: {fspath: /nonexistent}}\n",
    );
    server.velero(&[
        "backup",
        "create",
        "b",
        "--include-namespaces",
        "app",
        "--labels",
        "velero.io/schedule-name=s",
        "--wait",
    ]);
    server.velero(&["restore", "create", "r", "--from-backup", "b", "--wait"]);
    // To be deleted, and to be cancelled: these wait for a location that is not there.
    server.velero(&["backup", "create", "old", "--include-namespaces", "app", "--wait"]);
    server.velero(&["restore", "create", "old", "--from-backup", "b", "--wait"]);
    plane.apply(
        "apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: waiting, namespace: velero}\nspec: {storageLocation: vanished}\n\
         status: {phase: WaitingForPluginOperations}\n---\n\
         apiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: waiting, namespace: velero}\nspec: {backupName: waiting}\n\
         status: {phase: WaitingForPluginOperations}\n---\n\
         apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: old, namespace: velero, labels: {team: web}}\n\
         spec: {schedule: '0 0 1 1 *', template: {}}\n---\n\
         apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: older, namespace: velero, labels: {team: gone}}\n\
         spec: {schedule: '0 0 1 1 *', template: {}}\n---\n\
         apiVersion: velero.io/v1\nkind: VolumeSnapshotLocation\nmetadata: {name: v, namespace: velero}\nspec: {provider: p}\n",
    );
    // Objects that port forwarding reads.
    plane.kubectl(&["label", "pod", "velero", "-n", "velero", "deploy=velero"]);
}

#[test]
fn every_command_works_with_its_rights_and_names_a_missing_one() {
    let plane = Plane::start();
    let mut server = Server::start(&plane, "velero");
    server.stand_behind_the_proxy();
    fill(&server);
    let directory = tempfile::tempdir().expect("a directory");
    let mut users = Users::new(&plane, directory.path());
    least_rights(&mut users);
    ways(&mut users);
    descriptions(&mut users);
    refusals(&server);
    no_server(&mut server);
}

fn least_rights(users: &mut Users<'_>) {
    let rows = rows();
    let mut cases = Vec::new();
    for row in &rows {
        for (resource, verbs) in &row.rights {
            for verb in verbs {
                let user = users.add(&without(&row.rights, resource, verb));
                cases.push((row, user, Some((resource, verb))));
            }
        }
        // After the others: what it deletes or cancels, they could not any more.
        cases.push((row, users.add(&row.rights), None));
    }
    users.make();
    let last = cases.last().expect("cases").1.clone();
    eventually("the rights to be known", || {
        let user = format!("--as=system:serviceaccount:velero:{last}");
        let asked = [
            "auth",
            "can-i",
            "create",
            "serverstatusrequests.velero.io",
            "-n",
            "velero",
            &user,
        ];
        let first = users.plane.kubectl_with(&asked, "").is_ok();
        let asked = [
            "auth",
            "can-i",
            "get",
            "serverstatusrequests.velero.io",
            "-n",
            "velero",
            &user,
        ];
        (first || users.plane.kubectl_with(&asked, "").is_ok()).then_some(())
    });
    let mut number = 0;
    for (row, user, lacking) in cases {
        let line = command(row, &mut number);
        let (ok, out, err) = match lacking {
            None => users.run(&user, &line),
            Some(_) => users.run_as(&user, &line),
        };
        match lacking {
            None => assert!(
                ok && !out.contains("<error getting server"),
                "velero {line}\n{out}{err}"
            ),
            Some((resource, verb)) => {
                let printed = format!("{out}{err}");
                // This command shows what it can read.
                let failed = !ok || row.command == "version";
                assert!(failed, "velero {line} needs no {verb} on {resource}\n{printed}");
                assert!(
                    printed.contains(verb) && printed.contains(resource.as_str()),
                    "velero {line} without {verb} on {resource}\n{printed}"
                );
                assert!(!printed.contains("Status {"), "{printed}");
            }
        }
    }
}

/// Each of the two ways to a file names the missing right.
fn ways(users: &mut Users<'_>) {
    const BASE: &str = "`get` `backups`; `create` `get` `downloadrequests`";
    let cases = [
        (
            "",
            "proxy: missing permission to get services/proxy in namespace \"velero\"",
        ),
        (
            "",
            "forwarded port: missing permission to list pods in namespace \"velero\"",
        ),
        (
            "; `get` `list` `pods`; `create` `pods/portforward`",
            "forwarded port: missing permission to get pods/portforward in namespace \"velero\"",
        ),
        (
            "; `get` `list` `pods`; `get` `pods/portforward`",
            "forwarded port: missing permission to create pods/portforward in namespace \"velero\"",
        ),
    ];
    let cases = cases.map(|(more, want)| (users.add(&of(&format!("{BASE}{more}"))), want));
    let both = users.add(&of(&format!(
        "{BASE}; `list` `pods`; `get` `create` `pods/portforward`"
    )));
    users.make();
    for (user, want) in &cases {
        for line in ["backup logs b", "backup download b"] {
            let (ok, _, err) = users.run(user, line);
            assert!(!ok && err.contains(want), "{line}: {want}\n{err}");
            assert!(!err.contains("Status {") && err.lines().count() == 1, "{err}");
            assert!(
                err.contains("from the server's URL: ") && !err.contains("token"),
                "{err}"
            );
        }
    }
    // No kubelet here forwards a port, but no right is missing.
    let (_, _, err) = users.run(&both, "backup logs b");
    assert!(
        err.contains("through a forwarded port: ") && !err.contains("pods/portforward in namespace"),
        "{err}"
    );
    assert!(!err.contains("Status {"), "{err}");
}

/// A part that may not be read is reported at its place.
fn descriptions(users: &mut Users<'_>) {
    // The user of the report.
    let viewer = users.add(&of(
        "`get` `list` `watch` `backups`; `get` `list` `watch` `restores`; `get` `list` `backupstoragelocations`; `create` `get` `list` `watch` `delete` `downloadrequests`",
    ));
    let little = users.add(&of("`get` `backups`; `get` `restores`"));
    let all = users.add(&of(
        "`get` `backups`; `get` `restores`; `get` `backupstoragelocations`; `list` `deletebackuprequests`; `list` `podvolumebackups`; \
         `list` `podvolumerestores`; `create` `get` `watch` `downloadrequests`; `get` `services/proxy`",
    ));
    users.make();
    let (ok, page, err) = users.run(&viewer, "backup describe b --details");
    assert!(ok, "{page}{err}");
    for line in [
        "Phase:  Completed",
        "Storage Location:  default",
        "Resource List:  <error getting backup resource list: cannot reach the Velero server: through the API server's proxy: missing permission to get services/proxy in namespace \"velero\"; ",
        "Deletion Attempts:  <error getting DeleteBackupRequests: deletebackuprequests.velero.io is forbidden: ",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let (ok, page, err) = users.run(&little, "backup describe b --details");
    assert!(
        ok && page.contains("cannot create resource \"downloadrequests\""),
        "{page}{err}"
    );
    let (ok, page, err) = users.run(&little, "restore describe r --details");
    assert!(
        ok && page.contains(
            "Pod Volume Restores:  <error getting PodVolumeRestores: podvolumerestores.velero.io is forbidden: "
        ),
        "{page}{err}"
    );
    for (line, pointer) in [
        (
            "backup describe b -o json",
            "/deletionAttempts/errorGettingDeleteBackupRequests",
        ),
        (
            "restore describe r -o json",
            "/status/restoreVolumes/podVolumeRestores/errorGettingPodVolumeRestores",
        ),
    ] {
        let (ok, out, err) = users.run(&little, line);
        let shown: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        assert!(ok && shown["phase"] == "Completed", "{out}{err}");
        let why = shown.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(why.contains("is forbidden"), "{line}: {shown:#}");
    }
    for line in ["backup describe b --details", "restore describe r --details"] {
        let (ok, page, err) = users.run(&all, line);
        assert!(ok && !page.contains("<error"), "{line}\n{page}{err}");
        assert!(page.contains("app/c"), "{line}\n{page}");
    }
}

/// A file that cannot exist is refused at once, with the state of the run and its location.
fn refusals(server: &Server<'_>) {
    server.plane.apply(
        "apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: refused, namespace: velero}\n\
         spec: {includedNamespaces: [a, '*'], storageLocation: nowhere}\n---\n\
         apiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: refused, namespace: velero}\nspec: {backupName: nowhere}\n",
    );
    server.ended("backup", "refused");
    server.ended("restore", "refused");
    server.plane.apply(
        "apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: stranded, namespace: velero}\nspec: {storageLocation: vanished}\n\
         status: {phase: Completed}\n",
    );
    let started = std::time::Instant::now();
    for (line, want) in [
        (
            "backup logs refused",
            "backup \"refused\" has no log: it failed validation: ",
        ),
        (
            "backup download refused",
            "backup \"refused\" has no archive: it failed validation: ",
        ),
        (
            "restore logs refused",
            "restore \"refused\" has no log: it failed validation: ",
        ),
        (
            "backup logs stranded",
            "the log of backup \"stranded\" cannot be read: backup storage location \"vanished\" does not exist",
        ),
        (
            "backup download stranded",
            "the archive of backup \"stranded\" cannot be read: backup storage location \"vanished\" does not exist",
        ),
        ("restore create --from-backup stranded --dry-run", "vanished"),
        ("restore create --from-backup refused --dry-run", "refused"),
    ] {
        let (ok, out, err) = server.try_velero(&line.split_whitespace().collect::<Vec<_>>());
        assert!(!ok && format!("{out}{err}").contains(want), "velero {line}\n{out}{err}");
    }
    for line in [
        "backup describe refused --details",
        "restore describe refused --details",
    ] {
        let page = server.velero(&line.split_whitespace().collect::<Vec<_>>());
        assert!(page.contains(": it failed validation>"), "velero {line}\n{page}");
    }
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "it took {took:?}");
}

/// A server that is gone is not waited for until the time limit; one that may be a Go server is.
fn no_server(server: &mut Server<'_>) {
    server.kill();
    let server = &*server;
    let run = &|line: &str, limit: u64| {
        let started = std::time::Instant::now();
        let (ok, out, err) = server.try_velero(&line.split_whitespace().collect::<Vec<_>>());
        let took = started.elapsed().as_secs();
        assert!(took < limit, "velero {line} took {took} s");
        (ok, out, err)
    };
    let gone = "the Velero server is not running: its Lease \"velero-server\" in namespace \"velero\" has not been renewed since ";
    // The Lease of a server that was killed has up to ten seconds to go.
    let lines = [
        ("backup logs b", false),
        ("backup download b -o x.tar.gz", false),
        ("restore logs r", false),
        ("restore create --from-backup b --dry-run", false),
        ("backup describe b --details", true),
        ("restore describe r --details", true),
    ];
    std::thread::scope(|all| {
        for (line, succeeds) in lines {
            all.spawn(move || {
                let (ok, out, err) = run(line, 25);
                assert!(
                    ok == succeeds && format!("{out}{err}").contains(gone),
                    "velero {line}\n{out}{err}"
                );
            });
        }
    });
    server
        .plane
        .kubectl(&["delete", "lease", "velero-server", "-n", "velero"]);
    let (ok, _, err) = run("backup logs b --timeout 6s", 20);
    assert!(!ok && err.contains("download request download url timeout"), "{err}");
    assert!(
        err.contains("waiting for the Velero server to answer the download request, for at most 6 s"),
        "{err}"
    );
}

#[test]
fn the_page_names_each_command_once() {
    let mut seen = BTreeMap::new();
    for row in rows() {
        *seen.entry(row.command).or_insert(0) += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
