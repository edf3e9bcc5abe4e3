//! What a command wrote, bounded.

use std::collections::VecDeque;
use std::fmt;

/// Bytes kept of the beginning of an output, and as many of its end.
const KEPT: usize = 16 << 10;

/// Both outputs of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
}

/// The beginning and the end of an output of any length. Shown as text, with a note of what is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Captured {
    /// The next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    /// The last line with text in it, cut to its last 200 characters: there a program reports why it failed.
    pub fn last_line(&self) -> Option<String> {
        let text = self.to_string();
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        let start = line.char_indices().rev().nth(199).map_or(0, |(at, _)| at);
        Some(line[start..].to_owned())
    }
}

impl From<&str> for Captured {
    fn from(text: &str) -> Self {
        let mut captured = Self::default();
        captured.take(text.as_bytes());
        captured
    }
}

impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, two) = self.tail.as_slices();
        if self.left_out == 0 {
            // As one text: a character may be cut at the border.
            return f.write_str(&String::from_utf8_lossy(&[&self.head, one, two].concat()));
        }
        write!(
            f,
            "{}\n[{} bytes left out]\n{}",
            String::from_utf8_lossy(&self.head),
            self.left_out,
            String::from_utf8_lossy(&[one, two].concat())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_output_is_kept_whole_and_a_long_one_at_both_ends() {
        let mut captured = Captured::default();
        let mut whole = String::new();
        for number in 0..1_000 {
            let line = format!("zeile {number} ü\n");
            captured.take(line.as_bytes());
            whole.push_str(&line);
        }
        assert_eq!(captured.to_string(), whole);
        for number in 1_000..1_000_000 {
            captured.take(format!("zeile {number} ü\n").as_bytes());
        }
        let text = captured.to_string();
        assert!(text.len() < 2 * KEPT + 100, "{}", text.len());
        assert!(text.starts_with("zeile 0 ü\n") && text.ends_with("zeile 999999 ü\n"));
        assert!(text.contains("bytes left out]"));
    }

    #[test]
    fn one_large_piece_is_bounded_too() {
        let mut captured = Captured::default();
        captured.take(&vec![b'x'; 1 << 20]);
        assert_eq!(captured.head.len() + captured.tail.len(), 2 * KEPT);
        assert_eq!(captured.left_out, (1 << 20) - 2 * KEPT as u64);
    }

    #[test]
    fn the_last_line_is_the_last_one_with_text() {
        for (text, last) in [
            ("", None),
            ("\n \n", None),
            ("a\nb: no space left\n\n", Some("b: no space left")),
        ] {
            assert_eq!(Captured::from(text).last_line().as_deref(), last, "{text:?}");
        }
        let long = format!("{}ü", "x".repeat(500));
        assert_eq!(
            Captured::from(long.as_str())
                .last_line()
                .map(|line| line.chars().count()),
            Some(200)
        );
    }
}
