//! Tables as kubectl prints them.

use std::collections::BTreeMap;

use super::tabs;

/// The columns of `--show-labels` and `--label-columns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelColumns {
    /// A last column with every label.
    pub all: bool,
    /// One column for each of these labels.
    pub named: Vec<String>,
}

/// One line of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// As many cells as the table has headers.
    pub cells: Vec<String>,
    /// The labels of the object on this line.
    pub labels: BTreeMap<String, String>,
}

/// Renders a table. Without rows the text is empty, without headers (spec server-cli 8.2).
pub fn render(headers: &[&str], rows: &[Row], labels: &LabelColumns) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = line(&header_cells(headers, labels));
    for row in rows {
        text.push_str(&line(&row_cells(row, labels)));
    }
    tabs::align(&text, tabs::TABLE)
}

fn header_cells(headers: &[&str], labels: &LabelColumns) -> Vec<String> {
    let mut cells: Vec<String> = headers.iter().map(|header| header.to_uppercase()).collect();
    cells.extend(
        labels
            .named
            .iter()
            .map(|key| key.rsplit('/').next().unwrap_or(key).to_uppercase()),
    );
    if labels.all {
        cells.push("LABELS".to_owned());
    }
    cells
}

fn row_cells(row: &Row, labels: &LabelColumns) -> Vec<String> {
    let mut cells: Vec<String> = row.cells.iter().map(|cell| first_line(cell)).collect();
    cells.extend(
        labels
            .named
            .iter()
            .map(|key| row.labels.get(key).cloned().unwrap_or_else(|| "<none>".to_owned())),
    );
    if labels.all {
        let pairs: Vec<String> = row.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        cells.push(if pairs.is_empty() {
            "<none>".to_owned()
        } else {
            pairs.join(",")
        });
    }
    cells
}

fn first_line(cell: &str) -> String {
    match cell.find(['\n', '\r', '\u{c}']) {
        Some(end) => format!("{}...", &cell[..end]),
        None => cell.to_owned(),
    }
}

fn line(cells: &[String]) -> String {
    let mut line = cells.join("\t");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str], labels: &[(&str, &str)]) -> Row {
        Row {
            cells: cells.iter().map(ToString::to_string).collect(),
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn an_empty_list_prints_no_headers() {
        assert_eq!(render(&["Name"], &[], &LabelColumns::default()), "");
    }

    #[test]
    fn a_cell_is_truncated_at_its_first_newline() {
        let text = render(
            &["Name", "Why"],
            &[row(&["a", "one\ntwo"], &[])],
            &LabelColumns::default(),
        );
        assert_eq!(text, "NAME   WHY\na      one...\n");
    }

    #[test]
    fn label_columns_are_last_and_named_without_their_prefix() {
        let labels = LabelColumns {
            all: true,
            named: vec!["example.com/tier".to_owned()],
        };
        let rows = [
            row(&["a"], &[("example.com/tier", "db"), ("app", "web")]),
            row(&["b"], &[]),
        ];
        let want = "NAME   TIER     LABELS\na      db       app=web,example.com/tier=db\nb      <none>   <none>\n";
        assert_eq!(render(&["Name"], &rows, &labels), want);
    }
}
