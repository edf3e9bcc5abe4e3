//! What a page of the user documentation has for a test: fenced blocks with commands or with a file.

/// A block of a page that a reader types.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// ```` ```console ````: commands and what they print. With `fails` each of them has to fail.
    Commands {
        /// The commands in order.
        steps: Vec<Step>,
        /// Whether they must fail.
        fails: bool,
    },
    /// ```` ```console node ````: commands that need a node, so that only their flags can be checked.
    OnNode(Vec<Step>),
    /// ```` ```yaml shop.yaml ````: a file of this name with this content.
    File {
        /// Its name in the current directory.
        name: String,
        /// Its content.
        content: String,
    },
}

/// A command, and the lines that the page shows of its output.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the page.
    pub line: usize,
    /// The command, without its prompt.
    pub command: String,
    /// The output; without any, the page shows nothing of it.
    pub shows: Vec<String>,
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((opened, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        let words: Vec<&str> = info.split_whitespace().collect();
        match words[..] {
            ["console"] => found.push(Block::Commands {
                steps: steps(&body),
                fails: false,
            }),
            ["console", "fails"] => found.push(Block::Commands {
                steps: steps(&body),
                fails: true,
            }),
            ["console", "node"] => found.push(Block::OnNode(steps(&body))),
            [language, name] if language != "console" => found.push(Block::File {
                name: name.to_owned(),
                content: body.iter().flat_map(|(_, line)| [*line, "\n"]).collect(),
            }),
            [_] => {}
            _ => panic!("line {}: this block is of no known kind: `{line}`", opened + 1),
        }
    }
    found
}

/// The commands of a block: each begins with `$ `, and goes on in the next line where it ends with a backslash.
fn steps(body: &[(usize, &str)]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in body {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                line: at + 1,
                command: command.to_owned(),
                shows: Vec::new(),
            }),
            (None, Some(step)) if step.shows.is_empty() && step.command.ends_with('\\') => {
                step.command.push('\n');
                step.command.push_str(line);
            }
            (None, Some(step)) => step.shows.push((*line).to_owned()),
            (None, None) => panic!("line {}: the block begins without a command", at + 1),
        }
    }
    steps
}

#[test]
fn a_page_is_read_block_by_block() {
    let page = "text\n```yaml a.yaml\nkind: A\n```\n```console\n$ one \\\n  --flag\nshown\n$ two\n```\n```text\n$ no\n```\n```console fails\n$ three\n```\n```console node\n$ four\n```\n";
    let step = |line, command: &str, shows: &[&str]| Step {
        line,
        command: command.to_owned(),
        shows: shows.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(
        blocks(page),
        [
            Block::File {
                name: "a.yaml".to_owned(),
                content: "kind: A\n".to_owned(),
            },
            Block::Commands {
                steps: vec![step(6, "one \\\n  --flag", &["shown"]), step(9, "two", &[])],
                fails: false,
            },
            Block::Commands {
                steps: vec![step(15, "three", &[])],
                fails: true,
            },
            Block::OnNode(vec![step(18, "four", &[])]),
        ]
    );
}
