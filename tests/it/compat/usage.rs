//! Wrong command lines: the message, where it is printed, and the exit code. No cluster is needed.

use std::process::{Command, Stdio};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn velero(line: &str) -> Said {
    let home = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_velero"))
        .args(words(line))
        .env("HOME", home.path())
        .env("KUBECONFIG", home.path().join("nowhere"))
        .env_remove("VELERO_NAMESPACE")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// The words of a line; `_` stands for a blank in one.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace('_', " ")).collect()
}

#[test]
fn a_group_without_a_command_shows_its_help() {
    for (line, usage) in [
        ("", "velero [OPTIONS] [COMMAND]"),
        ("backup", "velero backup"),
        ("restore", "velero restore"),
        ("get --help", "velero get"),
        ("client config", "velero client config"),
        ("backup create --help", "velero backup create [OPTIONS] [NAME]"),
        ("-h", "velero [OPTIONS] [COMMAND]"),
    ] {
        let Said { code, out, err } = velero(line);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
        assert!(out.contains(&format!("Usage: {usage}")), "{line}: {out}");
    }
}

#[test]
fn a_wrong_command_line_is_reported_twice_as_by_the_go_release() {
    for (line, want) in [
        ("nope", "unknown command \"nope\" for \"velero\""),
        (
            "backup frobnicate",
            "unknown command \"frobnicate\" for \"velero backup\"",
        ),
        ("backup archive b", "unknown command \"archive\" for \"velero backup\""),
        (
            "schedule retire s",
            "unknown command \"retire\" for \"velero schedule\"",
        ),
        (
            "client config nope",
            "unknown command \"nope\" for \"velero client config\"",
        ),
        ("delete plugin p", "unknown command \"plugin\" for \"velero delete\""),
        ("backup create x --nope", "unknown flag: --nope"),
        ("backup get -x", "unknown shorthand flag: -x"),
        ("backup create x --ttl", "flag needs an argument: --ttl"),
        (
            "backup create x --ttl 3d",
            "invalid argument \"3d\" for \"--ttl\" flag: time: unknown unit \"d\" in duration \"3d\"",
        ),
        (
            "backup create x --ttl soon",
            "invalid argument \"soon\" for \"--ttl\" flag: time: invalid duration \"soon\"",
        ),
        (
            "backup create x --ttl 5",
            "invalid argument \"5\" for \"--ttl\" flag: time: missing unit in duration \"5\"",
        ),
        (
            "backup get -l a_in_x",
            "invalid argument \"a in x\" for \"--selector\" flag: unable to parse requirement: ",
        ),
        (
            "backup create x --wait=yes",
            "invalid argument \"yes\" for \"--wait\" flag: strconv.ParseBool: parsing \"yes\": invalid syntax",
        ),
        (
            "backup create x --snapshot-volumes false",
            "accepts no further arg(s), received \"false\"; use `=` to set the value of a boolean flag",
        ),
        ("backup logs", "accepts 1 arg(s), received 0: <NAME> is missing"),
        (
            "backup-location create",
            "accepts 1 arg(s), received 0: <NAME> is missing",
        ),
        (
            "schedule create --schedule=@daily",
            "accepts 1 arg(s), received 0: <NAME> is missing",
        ),
        (
            "restore create --from-backup b --namespace-mappings shop",
            "invalid argument \"shop\" for \"--namespace-mappings\" flag: error parsing \"shop\"",
        ),
    ] {
        let Said { code, out, err } = velero(line);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}: {err}");
        let mut lines = err.lines();
        let first = lines.next().unwrap_or_default();
        assert!(
            first.starts_with(&format!("An error occurred: {want}")),
            "{line}: {err}"
        );
        let rest: String = lines.collect();
        assert!(!rest.contains(want), "{line}: reported twice: {err}");
    }
}

#[test]
fn invalid_arguments_are_reported_once_without_a_request() {
    for (line, want) in [
        (
            "backup create",
            "a backup name is required, unless you are creating based on a schedule",
        ),
        (
            "backup create --from-schedule=",
            "flag must have a non-empty value: --from-schedule",
        ),
        ("schedule create x", "--schedule is required"),
        ("schedule create x -o nope", "--schedule is required"),
        (
            "schedule create x --schedule=@daily -l a=b --or-selector c=d",
            "either a 'selector' or an 'or-selector' can be specified, but not both",
        ),
        (
            "schedule pause",
            "you must specify exactly one of: specific schedule name(s), the --all flag, or the --selector flag",
        ),
        (
            "delete schedule s --all --confirm",
            "you must specify exactly one of: specific schedule name(s), the --all flag, or the --selector flag",
        ),
        (
            "backup create x -l a=b --or-selector c=d",
            "either a 'selector' or an 'or-selector' can be specified, but not both",
        ),
        (
            "restore create",
            "either a backup or schedule must be specified, but not both",
        ),
        (
            "restore create --from-backup b --from-schedule s",
            "either a backup or schedule must be specified, but not both",
        ),
        (
            "restore create --from-backup b --existing-resource-policy recreate",
            "existing-resource-policy has invalid value, it accepts only none, update as value",
        ),
        (
            "restore create --from-backup b --parallel-files-download -1",
            "parallel-files-download cannot be negative",
        ),
        (
            "backup get -o xml",
            "invalid output format \"xml\" - valid values are 'table', 'json', and 'yaml'",
        ),
        (
            "backup describe -o yaml",
            "invalid output format 'yaml'. valid value are 'plaintext, json'",
        ),
        (
            "restore describe -o yaml",
            "invalid output format 'yaml'. valid value are 'plaintext, json'",
        ),
        (
            "backup get",
            "error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: ",
        ),
    ] {
        let Said { code, out, err } = velero(line);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}: {err}");
        assert!(err.starts_with(&format!("An error occurred: {want}")), "{line}: {err}");
        assert_eq!(err.lines().count(), 1, "{line}: {err}");
    }
}

#[test]
fn a_missing_api_server_is_reported_within_seconds() {
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    // Port 9 discards, where it is open at all.
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n\
                clusters: [{name: c, cluster: {server: \"http://127.0.0.1:9\"}}]\nusers: [{name: u, user: {}}]\n";
    std::fs::write(&kubeconfig, text).expect("a file");
    let start = std::time::Instant::now();
    let printed = velero(&format!("backup get --kubeconfig {}", kubeconfig.display()));
    assert!(
        start.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""));
    assert!(
        printed
            .err
            .starts_with("An error occurred: cannot reach the Kubernetes API server: "),
        "{}",
        printed.err
    );
}

#[test]
fn version_and_completion_need_no_cluster() {
    let Said { code, out, .. } = velero("version --client-only");
    assert_eq!(code, Some(0));
    assert!(out.starts_with("Client:\n\tVersion: v1.18.1+rs."), "{out}");
    for shell in ["bash", "zsh", "fish"] {
        let Said { code, out, .. } = velero(&format!("completion {shell}"));
        assert_eq!(code, Some(0), "{shell}");
        assert!(out.contains("backup-location"), "{shell}");
    }
    assert_eq!(velero("completion tcsh").code, Some(1));
}

/// What bash offers for the last word of a line. bash takes `=` for a word of its own.
fn offered(line: &str) -> Vec<String> {
    let script = velero("completion bash").out;
    let split = line.replace('=', " = ");
    let mut words: Vec<&str> = split.split_whitespace().collect();
    if line.ends_with(' ') || line.ends_with('=') {
        words.push("");
    }
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let call = format!(
        "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_velero velero '{last}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1,
    );
    // As a file: it is too long for an argument.
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("script");
    std::fs::write(&file, call).expect("a file");
    let output = Command::new("bash")
        .arg("--norc")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_offers_the_values_of_flags_that_have_a_list_of_them() {
    for (line, want) in [
        (
            "velero restore create r --existing-resource-policy ",
            &["none", "update"][..],
        ),
        ("velero restore create r --existing-resource-policy u", &["update"]),
        (
            "velero restore create r --existing-resource-policy=",
            &["none", "update"],
        ),
        ("velero create restore r --existing-resource-policy=n", &["none"]),
        ("velero backup get -o ", &["table", "json", "yaml"]),
        ("velero backup describe b -o ", &["plaintext", "json"]),
        ("velero backup create b --snapshot-volumes=", &["true", "false"]),
        ("velero backup create b --wait=f", &["false"]),
        ("velero backup-location create l --access-mode ReadO", &["ReadOnly"]),
        ("velero server --log-level ", &["debug", "info", "warning", "error"]),
        ("velero backup get --colorized ", &["true", "false"]),
    ] {
        assert_eq!(offered(line), want, "{line}");
    }
}
