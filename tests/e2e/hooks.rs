//! Hooks in running containers: the results of a real kubelet, and a frozen application after the server's death.

use crate::death::kill_process;
use crate::installation::Installation;
use crate::node::{Node, node};
use crate::{eventually, text};

/// A pod with two containers and these annotations (`pre.hook.backup.velero.io/` and so on), each `key: value` as YAML.
fn pod(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> String {
    let annotations: Vec<String> = annotations
        .iter()
        .map(|(key, value)| {
            let (phase, key) = key.split_once('/').expect("phase/key");
            format!("    {phase}.hook.backup.velero.io/{key}: '{value}'\n")
        })
        .collect();
    let container = |name: &str| {
        format!("  - {{name: {name}, image: 'busybox:test', imagePullPolicy: Never, command: [sleep, '36000']}}\n")
    };
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  annotations:\n{}spec:\n  terminationGracePeriodSeconds: 0\n  containers:\n{}{}",
        annotations.concat(),
        container("db"),
        container("side")
    )
}

/// Starts pods in a namespace of their own.
fn start(node: &Node, namespace: &str, pods: &[String]) {
    let namespaced = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n{}",
        pods.concat()
    );
    node.apply(&namespaced);
    let ready = [
        "wait",
        "-n",
        namespace,
        "--for=condition=Ready",
        "pod",
        "--all",
        "--timeout=60s",
    ];
    node.kubectl(&ready);
}

/// Whether a command in a pod's first container succeeds.
fn is_so(node: &Node, namespace: &str, pod: &str, test: &[&str]) -> bool {
    let exec = ["exec", "-n", namespace, pod, "-c", "db", "--"];
    node.try_kubectl(&[&exec[..], test].concat(), "").is_ok()
}

#[test]
fn commands_run_in_their_containers_and_their_results_are_logged() {
    let node = node();
    let velero = Installation::new(&node, "velero-hooks");
    start(
        &node,
        "hooked",
        &[
            pod(
                "hooked",
                "loud",
                &[
                    ("pre/container", "side"),
                    (
                        "pre/command",
                        r#"["sh", "-c", "echo to-out; echo to-err >&2; yes | head -c 3000000; touch /tmp/here"]"#,
                    ),
                    ("post/command", r#"["sh", "-c", "test ! -e /tmp/here"]"#),
                ],
            ),
            pod(
                "hooked",
                "refusing",
                &[("pre/command", r#"["sh", "-c", "echo the reason >&2; exit 3"]"#)],
            ),
            pod(
                "hooked",
                "slow",
                &[
                    ("pre/command", r#"["sleep", "100"]"#),
                    ("pre/timeout", "1s"),
                    ("pre/on-error", "Continue"),
                ],
            ),
        ],
    );
    velero.velero(&["backup", "create", "hooked", "--include-namespaces", "hooked", "--wait"]);
    let backup = velero.object("backup", "hooked");
    let log = velero.velero(&["backup", "logs", "hooked"]);
    assert_eq!(text(&backup, "/status/phase"), "PartiallyFailed", "{log}");
    assert_eq!(text(&backup, "/status/hookStatus/hooksAttempted"), "4", "{log}");
    assert_eq!(text(&backup, "/status/hookStatus/hooksFailed"), "2", "{log}");
    for expected in [
        "to-out",
        "to-err",
        "bytes left out",
        "`sh` ended with exit code 3: the reason",
        "the command did not end within 1s and was given up",
    ] {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
    let described = velero.velero(&["backup", "describe", "hooked", "--details"]);
    assert!(
        described.contains("- hooked/loud\n") && described.contains("- hooked/slow\n"),
        "{described}"
    );
    // The pod's events are listed too, by its name and more.
    assert!(
        !described.contains("- hooked/refusing\n"),
        "it is not saved\n{described}"
    );
    node.kubectl(&["delete", "namespace", "hooked", "--wait=false"]);
}

/// A pod with one container, which is not the usual one.
fn odd(name: &str, annotations: &[(&str, &str)], rest: &str) -> String {
    let (head, _) = pod("idle", name, annotations)
        .split_once("  containers:\n")
        .map(|(head, tail)| (head.to_owned(), tail.to_owned()))
        .expect("containers");
    format!("{head}  {rest}\n")
}

#[test]
fn a_pod_with_a_stopped_container_is_saved_with_a_warning() {
    let node = node();
    let velero = Installation::new(&node, "velero-idle");
    let hooks = [
        ("pre/command", r#"["/bin/true"]"#),
        ("post/command", r#"["/bin/false"]"#),
    ];
    let busybox = "image: 'busybox:test', imagePullPolicy: Never";
    let sleeps = format!("{busybox}, command: [sleep, '36000']");
    let pods = [
        odd(
            "badpull",
            &hooks,
            "containers: [{name: one, image: 'nothere:1', imagePullPolicy: Never}]",
        ),
        odd(
            "initing",
            &hooks,
            &format!("initContainers: [{{name: wait, {sleeps}}}]\n  containers: [{{name: one, {sleeps}}}]"),
        ),
        odd(
            "crash",
            &hooks,
            &format!("containers: [{{name: one, {busybox}, command: [sh, -c, 'exit 1']}}]"),
        ),
        odd(
            "nowhere",
            &hooks,
            &format!("nodeSelector: {{no: where}}\n  containers: [{{name: one, {sleeps}}}]"),
        ),
        odd(
            "sidecar",
            &[
                ("pre/container", "side"),
                ("pre/command", r#"["touch", "/tmp/side-pre"]"#),
            ],
            &format!(
                "initContainers: [{{name: side, restartPolicy: Always, {sleeps}}}]\n  containers: [{{name: one, {sleeps}}}]"
            ),
        ),
    ];
    node.apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: idle}}\n{}",
        pods.concat()
    ));
    let waiting = |name: &str| {
        let pod = node.object("idle", "pod", name).expect("it is there");
        text(&pod, "/status/containerStatuses/0/state/waiting/reason")
    };
    eventually("the pods to be as they are to be", || {
        let running = node.object("idle", "pod", "sidecar").expect("it is there");
        (waiting("badpull") == "ErrImageNeverPull"
            && waiting("initing") == "PodInitializing"
            && waiting("crash") == "CrashLoopBackOff"
            && text(&running, "/status/initContainerStatuses/0/started") == "true")
            .then_some(())
    });
    velero.velero(&["backup", "create", "idle", "--include-namespaces", "idle", "--wait"]);
    velero.must_be_complete("backup", "idle");
    let backup = velero.object("backup", "idle");
    assert_eq!(text(&backup, "/status/warnings"), "4", "{backup:#}");
    let log = velero.velero(&["backup", "logs", "idle"]);
    for (name, state) in [
        ("badpull", "ErrImageNeverPull"),
        ("initing", "PodInitializing"),
        // It may have ended once more since: `CrashLoopBackOff` or `Error`.
        ("crash", "exit code 1"),
        ("nowhere", "the pod is not scheduled: 0/1 nodes are available"),
    ] {
        let printed = r#"Container \"one\" of the pod does not run ("#;
        let line = log
            .lines()
            .find(|line| line.contains(printed) && line.contains(&format!(" name={name} ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in\n{log}"));
        assert!(line.contains("level=warning") && line.contains(state), "{line}");
    }
    let described = velero.velero(&["backup", "describe", "idle", "--details"]);
    for name in ["badpull", "initing", "crash", "nowhere", "sidecar"] {
        assert!(
            described.contains(&format!("- idle/{name}\n")),
            "{name} is not saved\n{described}"
        );
    }
    let touched = [
        "exec",
        "-n",
        "idle",
        "sidecar",
        "-c",
        "side",
        "--",
        "test",
        "-e",
        "/tmp/side-pre",
    ];
    assert!(
        node.try_kubectl(&touched, "").is_ok(),
        "the hook of a sidecar that runs is run"
    );
    node.kubectl(&["delete", "namespace", "idle", "--wait=false"]);
}

#[test]
fn an_application_frozen_at_the_servers_death_is_thawed() {
    let node = node();
    let velero = Installation::new(&node, "velero-thaw");
    let freeze = r#"["sh", "-c", "test ! -e /tmp/frozen && touch /tmp/frozen"]"#;
    let thaw = r#"["sh", "-c", "rm /tmp/frozen && echo thawed >> /tmp/log"]"#;
    let app = pod("frozen", "app", &[("pre/command", freeze), ("post/command", thaw)]);
    // While this one's hook takes its time the other one is frozen: ordered pods are saved together.
    let slow = pod(
        "frozen",
        "slow",
        &[("pre/command", r#"["sleep", "8"]"#), ("post/command", "true")],
    );
    start(&node, "frozen", &[app, slow]);

    velero.velero(&[
        "backup",
        "create",
        "frozen",
        "--include-namespaces",
        "frozen",
        "--ordered-resources",
        "pods=frozen/app,frozen/slow",
    ]);
    let is_frozen = || is_so(&node, "frozen", "app", &["test", "-e", "/tmp/frozen"]);
    eventually("the application to be frozen", || is_frozen().then_some(()));
    kill_process(&velero.pods()[0]);
    velero.until_over("backup", "frozen");
    velero.must_be_complete("backup", "frozen");
    assert!(!is_frozen());
    let thawed_twice = ["sh", "-c", "test $(wc -l < /tmp/log) = 2"];
    assert!(
        is_so(&node, "frozen", "app", &thawed_twice),
        "once for the run that died, once for the one that ended"
    );
    let backup = velero.object("backup", "frozen");
    assert_eq!(text(&backup, "/status/hookStatus/hooksAttempted"), "4", "{backup:#}");
    let left = ["configmaps", "-n", velero.namespace, "-l", "velero.io/open-freezes"];
    assert!(node.objects(&left).is_empty(), "what was frozen stays written down");
    node.kubectl(&["delete", "namespace", "frozen", "--wait=false"]);
}

#[test]
fn uninstall_during_a_backup_thaws_its_pods_and_frees_its_name() {
    let node = node();
    let velero = Installation::new(&node, "velero-midway");
    let freeze = r#"["sh", "-c", "touch /tmp/frozen && sleep 5"]"#;
    let thaw = r#"["rm", "/tmp/frozen"]"#;
    start(
        &node,
        "midway",
        &[pod("midway", "app", &[("pre/command", freeze), ("post/command", thaw)])],
    );
    velero.velero(&["backup", "create", "midway", "--include-namespaces", "midway"]);
    let is_frozen = || is_so(&node, "midway", "app", &["test", "-e", "/tmp/frozen"]);
    eventually("the application to be frozen", || is_frozen().then_some(()));
    let printed = velero.velero(&["uninstall", "--force"]);
    assert!(
        printed.contains("Backup \"midway\" has not finished, cancelling it."),
        "{printed}"
    );
    assert!(!is_frozen());
    velero.install();
    velero.back_up("midway", "midway");
    assert!(!is_frozen());
    node.kubectl(&["delete", "namespace", "midway", "--wait=false"]);
}
