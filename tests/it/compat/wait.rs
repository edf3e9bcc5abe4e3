//! `--wait`: its output meanwhile, and how it ends.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Server, eventually};

/// Longer than any command may need to end once there is nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Waits for backups of a running server, then for one without a server.
pub fn runs_are_waited_for(mut server: Server<'_>) {
    server
        .plane
        .apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: small}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: small}\n");
    let printed = server.velero(&["backup", "create", "w", "--include-namespaces", "small", "--wait"]);
    assert_eq!(
        undotted(&printed),
        "Backup request \"w\" submitted successfully.\n\
         Waiting for backup to complete. You may safely press ctrl-c to stop waiting - your backup will continue in the background.\n\
         \n\
         Backup completed with status: Completed. You may check for more information using the commands `velero backup describe w` and `velero backup logs w`.\n"
    );
    let printed = server.velero(&["restore", "create", "w", "--from-backup", "w", "-w"]);
    assert!(
        printed.ends_with("\nRestore completed with status: Completed. You may check for more information using the commands `velero restore describe w` and `velero restore logs w`.\n"),
        "{printed}"
    );
    on_a_terminal(&server);
    let printed = server.velero(&["backup", "create", "v", "--include-namespaces", "small"]);
    assert_eq!(
        printed,
        "Backup request \"v\" submitted successfully.\nRun `velero backup describe v` or `velero backup logs v` for more details.\n"
    );
    // Only with `--fail-on-error` the exit code shows a failure: scripts rely on that.
    let failing = [
        "backup",
        "create",
        "f",
        "--include-namespaces",
        "a",
        "--exclude-namespaces",
        "a",
        "--wait",
    ];
    let (ok, out, err) = server.try_velero(&failing);
    assert!(!ok && out.is_empty() && err.contains("namespace lists"), "{out}{err}");
    let failing = [
        "restore",
        "create",
        "f",
        "--from-backup",
        "w",
        "--include-resources",
        "nodes",
        "--wait",
    ];
    let printed = server.velero(&failing);
    assert!(
        printed.contains("Restore completed with status: FailedValidation."),
        "{printed}"
    );
    assert!(
        printed.ends_with(
            "\nValidation errors:\n  nodes are non-restorable resources\n  Invalid included/excluded resource lists: \
             excludes list cannot contain an item in the includes list: nodes\n"
        ),
        "{printed}"
    );
    let failing = [
        "restore",
        "create",
        "g",
        "--from-backup",
        "w",
        "--include-resources",
        "nodes",
        "-w",
        "--fail-on-error",
    ];
    let (ok, out, err) = server.try_velero(&failing);
    assert!(!ok && out.contains("FailedValidation") && err.is_empty(), "{out}{err}");

    server.ended("backup", "v");
    server.kill();
    let mut waiting = Waiting::start(&server, "gone");
    server
        .plane
        .kubectl(&["delete", "backup.velero.io", "gone", "-n", "velero"]);
    let (code, printed) = waiting.ends();
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.ends_with("An error occurred: backup \"gone\" was deleted before it finished\n"),
        "{printed}"
    );

    let mut waiting = Waiting::start_interruptible(&server, "kept");
    let interrupt = format!("kill -INT {}", waiting.child.id());
    let sent = Command::new("sh").args(["-c", &interrupt]).status().expect("a shell");
    assert!(sent.success());
    let (code, printed) = waiting.ends();
    assert!(code != Some(0), "{printed}");
    server.object("backup", "kept");
}

/// On a terminal one line is rewritten, and ends with the result of the run.
fn on_a_terminal(server: &Server<'_>) {
    let wait = server.command(&["restore", "create", "t", "--from-backup", "w", "-w"]);
    let words: Vec<&str> = std::iter::once(wait.get_program())
        .chain(wait.get_args())
        .map(|word| word.to_str().expect("text"))
        .collect();
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .envs(wait.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .output()
        .expect("a terminal");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    let restore = server.object("restore", "t");
    let items = restore["status"]["progress"]["itemsRestored"]
        .as_i64()
        .expect("a number");
    let last = printed.lines().find_map(|line| {
        line.trim_end()
            .rsplit('\r')
            .next()
            .filter(|line| line.starts_with("Completed  "))
    });
    assert_eq!(
        last,
        Some(&*format!("Completed  {items} of {items} items")),
        "{printed:?}"
    );
    assert!(!printed.contains("\n.") && !printed.contains("\r."), "{printed:?}");
}

/// The output without the dots, one for each second.
fn undotted(printed: &str) -> String {
    printed
        .lines()
        .flat_map(|line| [if line.chars().all(|c| c == '.') { "" } else { line }, "\n"])
        .collect()
}

/// A command that waits for a backup without a server.
struct Waiting {
    child: Child,
}

impl Waiting {
    fn start(server: &Server<'_>, backup: &str) -> Self {
        Self::of(server, backup, server.command(&["backup", "create", backup, "--wait"]))
    }

    /// One that an interrupt ends, whatever this process was started with: in the background of a shell that is not
    /// interactive the signal is ignored, and children inherit that.
    fn start_interruptible(server: &Server<'_>, backup: &str) -> Self {
        let wait = server.command(&["backup", "create", backup, "--wait"]);
        let mut command = Command::new("env");
        command
            .arg("--default-signal=INT")
            .arg(wait.get_program())
            .args(wait.get_args())
            .envs(wait.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null());
        Self::of(server, backup, command)
    }

    fn of(server: &Server<'_>, backup: &str, mut command: Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        eventually("the backup that is waited for", || {
            server.plane.get("velero", "backup.velero.io", backup)
        });
        Self { child }
    }

    /// Its exit code and its output.
    fn ends(&mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = eventually("the command that waits to end", || {
            self.child.try_wait().expect("its status")
        });
        assert!(
            start.elapsed() < AT_ONCE,
            "it went on waiting for {:?}",
            start.elapsed()
        );
        let mut printed = String::new();
        for pipe in [
            self.child
                .stdout
                .take()
                .map(|pipe| Box::new(pipe) as Box<dyn std::io::Read>),
            self.child
                .stderr
                .take()
                .map(|pipe| Box::new(pipe) as Box<dyn std::io::Read>),
        ] {
            pipe.expect("a pipe").read_to_string(&mut printed).expect("text");
        }
        (status.code(), printed)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
