//! What is printed: Markdown tables with a title above and notes below.

use std::io::{self, Write};

/// A table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// One without rows.
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), ..Self::default() }
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escaped(&cell)).collect());
    }

    /// Adds a line that stands below the table.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    fn to_markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let mut out = format!("### {}\n\n", self.title);
        if !self.rows.is_empty() {
            out += &line(&mut self.columns.iter().copied());
            out += &line(&mut self.columns.iter().map(|_| "---"));
        }
        for row in &self.rows {
            out += &line(&mut row.iter().map(String::as_str));
        }
        if !self.notes.is_empty() && !self.rows.is_empty() {
            out.push('\n');
        }
        for note in &self.notes {
            out += &format!("- {note}\n");
        }
        out
    }
}

/// A text that does not end its cell.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// A place in a list, if there is one.
pub(crate) fn place(rank: Option<usize>) -> String {
    rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string())
}

/// `yes` or `no`.
pub(crate) fn yes(is: bool) -> String {
    if is { "yes" } else { "**no**" }.to_owned()
}

/// A score with three digits, if there is one.
pub(crate) fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"))
}

/// Prints tables on standard output.
pub(crate) fn print(tables: &[Table]) -> io::Result<()> {
    let tables: Vec<String> = tables.iter().map(Table::to_markdown).collect();
    io::stdout().lock().write_all(tables.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown() {
        let mut table = Table::new("Cases", &["case", "first"]);
        table.row(["one".to_owned(), "a|b\nc".to_owned()]);
        table.note("a note");
        let expected = "### Cases\n\n| case | first |\n| --- | --- |\n| one | a\\|b c |\n\n- a note\n";
        assert_eq!(table.to_markdown(), expected);
        let mut empty = Table::new("Checks", &[]);
        empty.note("a note");
        assert_eq!(empty.to_markdown(), "### Checks\n\n- a note\n");
        assert_eq!(
            (place(None), yes(false), score(Some(0.12345))),
            ("-".into(), "**no**".into(), "0.123".into())
        );
    }
}
