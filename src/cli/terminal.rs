//! Standard output and error, and the question for confirmation.

use std::io::{self, IsTerminal, Write};

/// Writes to standard output and flushes it. A closed pipe is an error of kind `BrokenPipe`, which ends the command without a
/// message.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one line to standard output.
pub fn println(line: &str) -> io::Result<()> {
    print(&format!("{line}\n"))
}

/// Writes one line to standard error. Errors are ignored: there is no other place to report them.
pub fn eprintln(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Whether standard output is a terminal.
pub fn is_tty() -> bool {
    io::stdout().is_terminal()
}

/// Asks until the answer is `y` or `n`. `flag` is the flag of the command that skips the question.
///
/// # Errors
/// Standard input has no answer. Then nothing is deleted, and the command must not end with success.
pub fn confirm(flag: &str) -> io::Result<bool> {
    loop {
        print("Are you sure you want to continue (Y/N)? ")?;
        let mut line = String::new();
        let why = match io::stdin().read_line(&mut line) {
            Ok(read) if read > 0 => match answer(&line) {
                Some(answer) => return Ok(answer),
                None => continue,
            },
            Ok(_) => "EOF".to_owned(),
            Err(error) => error.to_string(),
        };
        print("\n")?;
        let text = format!(
            "error reading user input: {why}; nothing was deleted, use {flag} to continue without the question"
        );
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
}

fn answer(line: &str) -> Option<bool> {
    match line.trim() {
        "y" | "Y" => Some(true),
        "n" | "N" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_letter_is_an_answer() {
        for (line, want) in [
            ("y\n", Some(true)),
            (" N \r\n", Some(false)),
            ("yes\n", None),
            ("\n", None),
        ] {
            assert_eq!(answer(line), want, "{line:?}");
        }
    }
}
