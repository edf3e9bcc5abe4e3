//! Errors of the command line, with the messages of the Go release (spec server-cli 1.7, 8.8).

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The outcome of a command line that names no command to run.
#[derive(Debug, PartialEq, Eq)]
pub enum ParseOutcome {
    /// Print this help text and exit with 0.
    Help(String),
    /// Print `message` and `usage`, exit with 1.
    Invalid {
        /// The error.
        message: String,
        /// The usage of the command; may be empty.
        usage: String,
    },
}

/// The outcome of a parser error.
pub fn classify(error: &clap::Error) -> ParseOutcome {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return ParseOutcome::Help(error.render().to_string());
    }
    let usage = text(error, ContextKind::Usage);
    ParseOutcome::Invalid {
        message: message(error),
        usage,
    }
}

fn message(error: &clap::Error) -> String {
    let argument = text(error, ContextKind::InvalidArg);
    let flag = flag_name(&argument);
    let value = text(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with("--") => format!("unknown flag: {flag}"),
        ErrorKind::UnknownArgument if argument.starts_with('-') => format!("unknown shorthand flag: {argument}"),
        ErrorKind::UnknownArgument => surplus(&argument),
        ErrorKind::InvalidSubcommand => {
            let group = group_of(&text(error, ContextKind::Usage));
            // Upstream prints the help of the group and exits with 0, so that a script does not see the error.
            format!(
                "unknown command {:?} for {:?}",
                text(error, ContextKind::InvalidSubcommand),
                group.join(" ")
            )
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue => format!("invalid argument {value:?} for {flag:?} flag: invalid value: {value:?}"),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("invalid argument {value:?} for {flag:?} flag: {why}")
        }
        ErrorKind::MissingRequiredArgument => missing(error.get(ContextKind::InvalidArg)),
        _ => first_line(&error.render().to_string()),
    }
}

/// One positional argument too many. Often it is the value of a boolean flag, which needs `=`.
fn surplus(argument: &str) -> String {
    let hint = if super::flag::go_bool(argument).is_ok() {
        "; use `=` to set the value of a boolean flag"
    } else {
        ""
    };
    format!("accepts no further arg(s), received {argument:?}{hint}")
}

fn missing(arguments: Option<&ContextValue>) -> String {
    let Some(ContextValue::Strings(arguments)) = arguments else {
        return "an argument is missing".to_owned();
    };
    let flags: Vec<String> = arguments
        .iter()
        .filter_map(|argument| flag_name(argument).strip_prefix("--").map(|flag| format!("{flag:?}")))
        .collect();
    if flags.is_empty() {
        let names: Vec<&str> = arguments
            .iter()
            .map(|argument| argument.trim_end_matches("..."))
            .collect();
        format!(
            "accepts {} arg(s), received 0: {} is missing",
            names.len(),
            names.join(" ")
        )
    } else {
        format!("required flag(s) {} not set", flags.join(", "))
    }
}

/// `--ttl` of `--ttl <TTL>`, `--wait[=<WAIT>]`.
fn flag_name(argument: &str) -> &str {
    argument.split([' ', '=', '[']).next().unwrap_or(argument)
}

/// The command of the error: `velero backup` of `Usage: velero backup [OPTIONS] [COMMAND]`.
fn group_of(usage: &str) -> Vec<String> {
    let words = usage.trim_start_matches("Usage:").split_whitespace();
    words
        .take_while(|word| !word.starts_with(['[', '<']))
        .map(str::to_owned)
        .collect()
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> ParseOutcome {
        let words = std::iter::once("velero").chain(line.split_whitespace());
        classify(&crate::cli::command().try_get_matches_from(words).unwrap_err())
    }

    #[test]
    fn errors_have_the_messages_of_the_go_release() {
        let cases = [
            ("backup create x --nope", "unknown flag: --nope"),
            ("backup get -x", "unknown shorthand flag: -x"),
            ("nope", "unknown command \"nope\" for \"velero\""),
            ("backup nope", "unknown command \"nope\" for \"velero backup\""),
            (
                "backup archive b --confirm",
                "unknown command \"archive\" for \"velero backup\"",
            ),
            ("client nope", "unknown command \"nope\" for \"velero client\""),
            (
                "client config nope",
                "unknown command \"nope\" for \"velero client config\"",
            ),
            ("get nope", "unknown command \"nope\" for \"velero get\""),
            ("backup create x --ttl", "flag needs an argument: --ttl"),
            (
                "backup create x --ttl 1d",
                "invalid argument \"1d\" for \"--ttl\" flag: time: unknown unit \"d\" in duration \"1d\"",
            ),
            (
                "backup create x --labels a",
                "invalid argument \"a\" for \"--labels\" flag: error parsing \"a\"",
            ),
            (
                "backup-location create",
                "accepts 1 arg(s), received 0: <NAME> is missing",
            ),
            (
                "backup-location create x --access-mode No",
                "invalid argument \"No\" for \"--access-mode\" flag: invalid value: \"No\"",
            ),
            (
                "backup create x --snapshot-volumes false",
                "accepts no further arg(s), received \"false\"; use `=` to set the value of a boolean flag",
            ),
            (
                "version --client-only=yes",
                "invalid argument \"yes\" for \"--client-only\" flag: strconv.ParseBool: parsing \"yes\": invalid syntax",
            ),
        ];
        for (line, want) in cases {
            match outcome(line) {
                ParseOutcome::Invalid { message, usage } => {
                    assert_eq!(message, want, "{line}");
                    assert!(
                        usage.starts_with("Usage: velero") || usage.is_empty(),
                        "{line}: {usage}"
                    );
                }
                other @ ParseOutcome::Help(_) => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_is_not_an_error() {
        assert!(
            matches!(outcome("backup create --help"), ParseOutcome::Help(text) if text.contains("--snapshot-volumes"))
        );
    }
}
