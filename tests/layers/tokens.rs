//! Rust source as tokens: enough of the language to find names, paths and blocks. Comments are left out.

/// A piece of source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// An identifier or keyword.
    Word(String),
    /// The content of a string.
    Text(String),
    /// `::`
    Path,
    /// Any other character; a number, a character and a lifetime are a `'0'` each.
    Mark(char),
}

impl Token {
    pub fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }

    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a file.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match c {
            '/' if next == Some('/') => at = line_end(&chars, at),
            '/' if next == Some('*') => at = comment_end(&chars, at),
            '"' => at = text(&chars, at, &mut found),
            '\'' => {
                at = after_quote(&chars, at);
                found.push(Token::Mark('0'));
            }
            ':' if next == Some(':') => {
                found.push(Token::Path);
                at += 2;
            }
            c if is_word(c) => {
                let end = (at..chars.len())
                    .find(|end| !is_word(chars[*end]))
                    .unwrap_or(chars.len());
                let word: String = chars[at..end].iter().collect();
                at = match (word.as_str(), chars.get(end)) {
                    ("r" | "br" | "cr", Some('"' | '#')) if raw_hashes(&chars, end).is_some() => {
                        raw_text(&chars, end, &mut found)
                    }
                    // The word follows: `r#type`.
                    ("r", Some('#')) => end + 1,
                    ("b" | "c", Some('"')) => text(&chars, end, &mut found),
                    ("b", Some('\'')) => {
                        found.push(Token::Mark('0'));
                        after_quote(&chars, end)
                    }
                    _ if c.is_ascii_digit() => {
                        found.push(Token::Mark('0'));
                        end
                    }
                    _ => {
                        found.push(Token::Word(word));
                        end
                    }
                };
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token::Mark(c));
                }
                at += 1;
            }
        }
    }
    found
}

fn line_end(chars: &[char], at: usize) -> usize {
    (at..chars.len()).find(|at| chars[*at] == '\n').unwrap_or(chars.len())
}

/// Comments between `/*` and `*/` nest.
fn comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    chars.len()
}

/// From the opening quote of a string to behind the closing one.
fn text(chars: &[char], at: usize, found: &mut Vec<Token>) -> usize {
    let mut content = String::new();
    let mut end = at + 1;
    while end < chars.len() && chars[end] != '"' {
        end += usize::from(chars[end] == '\\');
        content.extend(chars.get(end));
        end += 1;
    }
    found.push(Token::Text(content));
    end + 1
}

/// The number of `#` before the opening quote of a raw string, if it is one.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + hashes) == Some(&'"')).then_some(hashes)
}

fn raw_text(chars: &[char], at: usize, found: &mut Vec<Token>) -> usize {
    let hashes = raw_hashes(chars, at).unwrap_or_default();
    let start = at + hashes + 1;
    let closes = |end: &usize| {
        let behind = chars[*end + 1..].iter().take(hashes);
        chars[*end] == '"' && behind.filter(|c| **c == '#').count() == hashes
    };
    let end = (start..chars.len()).find(closes).unwrap_or(chars.len());
    found.push(Token::Text(chars[start..end].iter().collect()));
    end + hashes + 1
}

/// Behind a character or a lifetime.
fn after_quote(chars: &[char], at: usize) -> usize {
    let is_character = chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'');
    if is_character {
        // The first character may be a quote itself, or a backslash before one.
        let first = if chars.get(at + 1) == Some(&'\\') {
            at + 3
        } else {
            at + 2
        };
        return (first..chars.len())
            .find(|end| chars[*end] == '\'')
            .map_or(chars.len(), |end| end + 1);
    }
    (at + 1..chars.len())
        .find(|end| !is_word(chars[*end]))
        .unwrap_or(chars.len())
}
