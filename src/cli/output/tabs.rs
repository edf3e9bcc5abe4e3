//! Elastic tab stops: aligns text whose cells end at tabs, as Go's `tabwriter`.
//!
//! The text after the last tab of a line is not a cell and is never padded. A column is as wide as the widest cell of the
//! consecutive lines that have a cell there; a line without one ends the column (spec server-cli 9).

/// The width of columns: `padding` wider than the widest cell, and at least `min_width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stops {
    /// The minimum width of a column, padding included.
    pub min_width: usize,
    /// Blanks after the widest cell.
    pub padding: usize,
}

/// The stops of `describe`.
pub const DESCRIBE: Stops = Stops {
    min_width: 0,
    padding: 2,
};
/// The stops of kubectl's tables.
pub const TABLE: Stops = Stops {
    min_width: 6,
    padding: 3,
};

/// Aligns `text`. As upstream, widths count characters, so colour codes belong after the last tab.
pub fn align(text: &str, stops: Stops) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let widths = widths(&lines, stops);
    let mut out = String::with_capacity(text.len() * 2);
    for (number, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(chars(cell))));
            }
        }
    }
    out
}

/// For each line the width of each of its cells.
fn widths(lines: &[Vec<&str>], stops: Stops) -> Vec<Vec<usize>> {
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let run = widths[start..].iter().take_while(|cells| cells.len() > column).count();
            let widest = lines[start..start + run]
                .iter()
                .map(|cells| chars(cells[column]))
                .max()
                .unwrap_or(0);
            for cells in &mut widths[start..start + run] {
                cells[column] = stops.min_width.max(widest + stops.padding);
            }
            start += run.max(1);
        }
    }
    widths
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> String {
        align(text, DESCRIBE)
    }

    #[test]
    fn cells_of_consecutive_lines_share_a_column() {
        assert_eq!(described("Name:\tx\nNamespace:\ty\n"), "Name:       x\nNamespace:  y\n");
    }

    #[test]
    fn text_after_the_last_tab_is_not_a_cell() {
        assert_eq!(
            described("a long line without a tab\nk:\tv\n"),
            "a long line without a tab\nk:  v\n"
        );
    }

    #[test]
    fn a_line_without_the_cell_ends_the_alignment() {
        assert_eq!(described("a:\t1\n\nlonger:\t2\n"), "a:  1\n\nlonger:  2\n");
    }

    #[test]
    fn an_empty_cell_is_as_wide_as_the_padding() {
        assert_eq!(
            described("\tIncluded:\t*\n\t\n\tx:\ty\n"),
            "  Included:  *\n  \n  x:  y\n"
        );
    }

    #[test]
    fn inner_columns_align_only_on_consecutive_lines() {
        let text = "Errors:\n\tVelero:\t\t<none>\n\tCluster:\tone\n\t\ttwo\n\tNamespaces:\n\t\tns:\tm\n";
        let want = "Errors:\n  Velero:     <none>\n  Cluster:  one\n            two\n  Namespaces:\n    ns:  m\n";
        assert_eq!(described(text), want);
    }

    #[test]
    fn table_columns_have_a_minimum_width() {
        assert_eq!(align("A\tB\nx\ty\n", TABLE), "A     B\nx     y\n");
    }
}
