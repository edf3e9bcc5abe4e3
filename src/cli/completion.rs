//! `velero completion`.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::{Shell, generate};

use super::failure::Failure;
use super::terminal;

/// Generate completion script
#[derive(Clone, Debug, clap::Args)]
pub struct Completion {
    /// The shell: bash, zsh or fish.
    shell: String,
}

impl Completion {
    /// Prints the script.
    pub fn run(self, command: Command) -> anyhow::Result<()> {
        let shell = match self.shell.as_str() {
            "bash" => Shell::Bash,
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            other => {
                return Err(Failure::Message(format!(
                    "Invalid shell specified, specify bash, zsh, or fish: {other:?}"
                ))
                .into());
            }
        };
        Ok(terminal::print(&script(shell, command))?)
    }
}

fn script(shell: Shell, command: Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut with_values(command), "velero", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script.replacen(PREVIOUS, &format!("{PREVIOUS}{EQUALS}"), 1),
        _ => script,
    }
}

/// The line of the script that reads the word before the one to complete.
const PREVIOUS: &str = "    prev=\"$3\"\n";

/// bash splits `--flag=value` into three words, which the script of clap does not expect.
const EQUALS: &str = "    if [[ \"${cur}\" == \"=\" ]]; then
        cur=\"\"
    fi
    if [[ \"${prev}\" == \"=\" ]]; then
        prev=\"${COMP_WORDS[COMP_CWORD-2]}\"
    fi
";

/// The command line with the values of its flags. For completion only: the flags themselves check a value, with upstream's
/// messages.
fn with_values(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let groups: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = groups
        .into_iter()
        .fold(command, |command, sub| command.mut_subcommand(sub, with_values));
    command.mut_args(|arg| match values(&name, &arg) {
        Some(values) => arg.value_parser(PossibleValuesParser::new(values)),
        None => arg,
    })
}

/// The values of an argument, if there is a list of them.
fn values(command: &str, arg: &Arg) -> Option<&'static [&'static str]> {
    match arg.get_long() {
        Some("existing-resource-policy") => Some(&["none", "update"]),
        Some("access-mode") => Some(&["ReadWrite", "ReadOnly"]),
        Some("log-level") => Some(&["debug", "info", "warning", "error"]),
        Some("log-format") => Some(&["text", "json"]),
        Some("restore-managed-fields") => Some(&["applied", "all"]),
        Some("uploader-type") => Some(&["kopia"]),
        Some("colorized") => Some(BOOL),
        Some("output") => match command {
            "download" => None,
            _ if is_described(arg) => Some(&["plaintext", "json"]),
            _ => Some(&["table", "json", "yaml"]),
        },
        // A boolean flag: its value is set with `=`.
        Some(_) if arg.is_require_equals_set() && !arg.is_hide_set() => Some(BOOL),
        None if arg.get_id() == "shell" => Some(&["bash", "zsh", "fish"]),
        _ => None,
    }
}

const BOOL: &[&str] = &["true", "false"];

/// Whether it is the `--output` of `describe`, which has a default.
fn is_described(arg: &Arg) -> bool {
    arg.get_default_values().iter().any(|value| value == "plaintext")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every list of values, with the path of the command and the flag.
    fn lists(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, String, Vec<&'static str>)>) {
        for arg in command.get_arguments() {
            if let (Some(long), Some(values)) = (arg.get_long(), values(command.get_name(), arg)) {
                found.push((path.to_vec(), long.to_owned(), values.to_vec()));
            }
        }
        for sub in command.get_subcommands() {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            lists(sub, &path, found);
        }
    }

    #[test]
    fn every_completed_value_is_accepted() {
        let mut found = Vec::new();
        lists(&crate::cli::command(), &[], &mut found);
        for (path, long, values) in &found {
            for value in values {
                let mut words = vec!["velero".to_owned()];
                words.extend(path.iter().cloned());
                words.push(format!("--{long}={value}"));
                let parsed = crate::cli::command().try_get_matches_from(&words);
                let refused = parsed.err().map(|error| error.kind());
                assert!(
                    !matches!(
                        refused,
                        Some(
                            clap::error::ErrorKind::ValueValidation
                                | clap::error::ErrorKind::InvalidValue
                                | clap::error::ErrorKind::UnknownArgument
                        )
                    ),
                    "{words:?}: {refused:?}"
                );
            }
        }
        for (path, long) in [
            ("restore create", "existing-resource-policy"),
            ("create restore", "existing-resource-policy"),
            ("backup create", "snapshot-volumes"),
            ("backup create", "wait"),
            ("backup get", "output"),
            ("backup-location create", "access-mode"),
            ("server", "log-level"),
            ("server", "restore-managed-fields"),
            ("install", "uploader-type"),
        ] {
            let known = found.iter().any(|(at, name, _)| at.join(" ") == path && name == long);
            assert!(known, "{path} --{long}");
        }
        let outputs: Vec<_> = found.iter().filter(|(_, long, _)| long == "output").collect();
        let of = |path: &str| {
            outputs
                .iter()
                .find(|(at, ..)| at.join(" ") == path)
                .map(|(.., values)| values.clone())
        };
        assert_eq!(of("restore describe"), Some(vec!["plaintext", "json"]));
        assert_eq!(of("describe backups"), Some(vec!["plaintext", "json"]));
        assert_eq!(of("get backups"), Some(vec!["table", "json", "yaml"]));
        assert_eq!(of("backup download"), None);
    }
}
