//! What is wrong with a command line, in the words users of the Go release know (spec server-cli 1.7, 8.8).

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What to do about a command line that could not be parsed.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Print this help text and end with success.
    Help(String),
    /// Print `message` and `usage`, end with failure.
    Refused {
        /// What is wrong.
        message: String,
        /// How the command is used; empty if the parser does not say.
        usage: String,
    },
}

/// Judges a parser error.
pub fn judge(error: &clap::Error) -> Outcome {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Outcome::Help(error.render().to_string());
    }
    let usage = text(error, ContextKind::Usage);
    Outcome::Refused {
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
            // Upstream shows the help of a group and succeeds: a script then takes what was not done for done.
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

/// One positional argument too many. Often it is the value of a switch, which takes one only after `=`.
fn surplus(argument: &str) -> String {
    let hint = if super::flag::go_bool(argument).is_ok() {
        "; the value of a switch is given with `=`"
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

/// The command in which the error arose: `velero backup` of `Usage: velero backup [OPTIONS] [COMMAND]`.
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

    fn judged(line: &str) -> Outcome {
        let words = std::iter::once("velero").chain(line.split_whitespace());
        judge(&crate::cli::command().try_get_matches_from(words).unwrap_err())
    }

    #[test]
    fn errors_are_told_in_the_words_of_the_go_release() {
        let cases = [
            ("backup create x --nope", "unknown flag: --nope"),
            ("backup get -x", "unknown shorthand flag: -x"),
            ("nope", "unknown command \"nope\" for \"velero\""),
            ("backup nope", "unknown command \"nope\" for \"velero backup\""),
            (
                "backup delete b --confirm",
                "unknown command \"delete\" for \"velero backup\"",
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
                "accepts no further arg(s), received \"false\"; the value of a switch is given with `=`",
            ),
            (
                "version --client-only=yes",
                "invalid argument \"yes\" for \"--client-only\" flag: strconv.ParseBool: parsing \"yes\": invalid syntax",
            ),
        ];
        for (line, want) in cases {
            match judged(line) {
                Outcome::Refused { message, usage } => {
                    assert_eq!(message, want, "{line}");
                    assert!(
                        usage.starts_with("Usage: velero") || usage.is_empty(),
                        "{line}: {usage}"
                    );
                }
                other @ Outcome::Help(_) => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_is_no_error() {
        assert!(matches!(judged("backup create --help"), Outcome::Help(text) if text.contains("--snapshot-volumes")));
    }
}
