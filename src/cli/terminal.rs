//! Writing to the terminal, asking the user.

use std::io::{self, IsTerminal, Write};

/// Writes to standard output at once. A reader that went away is an error of kind `BrokenPipe`, which ends the command
/// quietly.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one line to standard output.
pub fn say(line: &str) -> io::Result<()> {
    print(&format!("{line}\n"))
}

/// Writes one line to standard error; that this fails interests nobody.
pub fn complain(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Whether somebody watches standard output.
pub fn is_watched() -> bool {
    io::stdout().is_terminal()
}

/// Asks until the answer is `y` or `n`; when no answer can be read it is no.
pub fn confirm() -> io::Result<bool> {
    loop {
        print("Are you sure you want to continue (Y/N)? ")?;
        let mut line = String::new();
        match io::stdin().read_line(&mut line) {
            Ok(read) if read > 0 => {}
            Ok(_) => {
                complain("error reading user input: EOF");
                return Ok(false);
            }
            Err(error) => {
                complain(&format!("error reading user input: {error}"));
                return Ok(false);
            }
        }
        if let Some(answer) = answer(&line) {
            return Ok(answer);
        }
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
    fn only_one_letter_is_an_answer() {
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
