//! The commands of `docs/user`, run as a reader runs them: page after page in the order of the index, in one directory, against a real
//! API server. What they print is compared with what the pages show. CONTRIBUTING.md has the rules of such blocks.

mod page;
mod shown;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::{Plane, SOON, Server, program, text};
use page::{Block, Step, blocks};
use shown::is_like;

const INDEX: &str = "README.md";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/user")
}

fn read(page: &str) -> String {
    fs::read_to_string(folder().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The index, and the pages that it links to, in this order.
fn pages() -> Vec<String> {
    let index = read(INDEX);
    let links = index.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let mut pages = vec![INDEX.to_owned()];
    for (target, _) in links {
        let is_page = !target.contains('/') && Path::new(target).extension().is_some_and(|e| e == "md");
        if is_page && !pages.iter().any(|page| page == target) {
            pages.push(target.to_owned());
        }
    }
    pages
}

/// A shell with `velero` and `kubectl`, as on the machine of an operator.
struct Shell {
    directory: tempfile::TempDir,
    path: String,
    kubeconfig: PathBuf,
}

impl Shell {
    fn new(plane: &Plane) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let programs = directory.path().join(".bin");
        fs::create_dir(&programs).expect("a directory");
        symlink(env!("CARGO_BIN_EXE_velero"), programs.join("velero")).expect("a link");
        let kubectl = programs.join("kubectl");
        let script = format!("#!/bin/sh\nexec '{}' kubectl \"$@\"\n", program("node").display());
        fs::write(&kubectl, script).expect("a script");
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("it can be executed");
        Self {
            path: format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default()),
            kubeconfig: plane.kubeconfig().to_owned(),
            directory,
        }
    }

    /// Runs a command line: whether it succeeded, and what it printed on both of its outputs.
    fn run(&self, command: &str) -> (bool, String) {
        // No command of the pages takes as long. `timeout` ends those that it starts as well.
        let output = Command::new("timeout")
            .args(["--kill-after=5", "180", "bash", "-o", "pipefail", "-c"])
            .arg(format!("exec 2>&1\n{command}"))
            .current_dir(self.directory.path())
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.directory.path())
            .env("TZ", "UTC")
            .env_remove("VELERO_NAMESPACE")
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), printed)
    }

    /// What is wrong with a step, if anything is. What `kubectl get` shows may come a moment later: events do.
    fn follow(&self, step: &Step, fails: bool) -> Option<String> {
        let started = Instant::now();
        loop {
            let fault = self.try_once(step, fails);
            let may_come = step.command.starts_with("kubectl get ") && started.elapsed() < SOON;
            if fault.is_none() || !may_come {
                return fault;
            }
        }
    }

    fn try_once(&self, step: &Step, fails: bool) -> Option<String> {
        let (succeeded, printed) = self.run(&step.command);
        if succeeded == fails {
            let wanted = if fails { "must fail" } else { "must succeed" };
            return Some(format!("it {wanted}, and printed:\n{printed}"));
        }
        let differs = !step.shows.is_empty() && !is_like(&step.shows, &printed);
        differs.then(|| format!("it printed something else:\n{printed}"))
    }

    /// What is wrong with a command that needs a node. An installation is planned, and the API server asked whether it would take its
    /// objects; of other commands only the flags are checked.
    fn check_flags(&self, step: &Step) -> Option<String> {
        let command = &step.command;
        let line = if command.starts_with("velero install ") {
            format!(
                "set -e; {command} --dry-run -o yaml >.install.yaml\nkubectl apply --dry-run=server -f .install.yaml"
            )
        } else if command.starts_with("velero ") {
            format!("{command} --help")
        } else {
            return None;
        };
        let (succeeded, printed) = self.run(&line);
        (!succeeded).then(|| format!("its flags are not right:\n{printed}"))
    }
}

#[test]
fn the_commands_of_the_user_documentation_do_what_it_shows() {
    let plane = Plane::with_controller_manager();
    let mut server = Server::start(&plane, "velero");
    server.stand_behind_the_proxy();
    let shell = Shell::new(&plane);
    let (mut wrong, mut ran) = (String::new(), 0);
    for page in pages() {
        for block in blocks(&read(&page)) {
            let (steps, fails, on_node) = match block {
                Block::File { name, content } => {
                    fs::write(shell.directory.path().join(name), content).expect("a file");
                    continue;
                }
                Block::Commands { steps, fails } => (steps, fails, false),
                Block::OnNode(steps) => (steps, false, true),
            };
            for step in &steps {
                ran += 1;
                let fault = if on_node {
                    shell.check_flags(step)
                } else {
                    shell.follow(step, fails)
                };
                if let Some(fault) = fault {
                    let (line, command) = (step.line, &step.command);
                    let _ = writeln!(wrong, "docs/user/{page}:{line}: $ {command}\n{fault}");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(ran > 40, "only {ran} commands were found");
    every_reason_has_a_section(&server);
    server.was_well(&["correct-horse"]);
}

/// Of the events and conditions that all these commands led to.
fn every_reason_has_a_section(server: &Server<'_>) {
    let page = read("troubleshoot.md");
    let titles: Vec<&str> = page.lines().filter(|line| line.starts_with("### ")).collect();
    let events = server.plane.list(&server.namespace, "events");
    let mut reasons: BTreeSet<String> = events.iter().map(|event| text(event, "/reason")).collect();
    for kind in ["backup", "restore", "schedule", "backupstoragelocation"] {
        for object in server.objects(kind).values() {
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            reasons.extend(conditions.iter().map(|condition| text(condition, "/reason")));
        }
    }
    assert!(reasons.contains("QuotaExceeded"), "{reasons:?}");
    for reason in reasons {
        let named = format!("`{reason}`");
        assert!(
            titles.iter().any(|title| title.contains(&named)),
            "{reason} has no section"
        );
    }
}

#[test]
fn the_index_of_the_user_documentation_names_every_page() {
    let linked: BTreeSet<String> = pages().into_iter().collect();
    let there: BTreeSet<String> = fs::read_dir(folder())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(linked, there);
}
