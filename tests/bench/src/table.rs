//! What a benchmark prints: a table with notes below it, as aligned text or as JSON.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Aligned text
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A number of things.
    Count(u64),
    /// A number with so many digits after the point.
    Number(f64, usize),
    /// Nothing was measured.
    Missing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl Cell {
    /// A number with so many digits after the point, if there is one.
    pub(crate) fn number(value: impl Into<Option<f64>>, digits: usize) -> Self {
        value.into().map_or(Self::Missing, |value| Self::Number(value, digits))
    }

    /// A count, if there is one.
    pub(crate) fn count(value: Option<u64>) -> Self {
        value.map_or(Self::Missing, Self::Count)
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => thousands(&count.to_string()),
            Self::Number(value, digits) => thousands(&format!("{value:.digits$}")),
            Self::Missing => "-".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Count(count) => (*count).into(),
            Self::Number(value, digits) => {
                let rounded = format!("{value:.digits$}").parse::<f64>().ok();
                rounded.filter(|value| value.is_finite()).map_or(Value::Null, Value::from)
            }
            Self::Missing => Value::Null,
        }
    }
}

/// Commas between thousands, left of the point.
fn thousands(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

impl Table {
    /// One without rows.
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), ..Self::default() }
    }

    /// Says what it shows.
    pub(crate) fn title(&mut self, title: String) {
        self.title = title;
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a line that stands below the table.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    fn to_text(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(Cell::text).collect()).collect();
        let width = |index: usize| {
            let longest =
                cells.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
            longest.unwrap_or(0).max(self.columns[index].chars().count())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        // A column of words begins at its left end, one of numbers ends at its right.
        let words: Vec<bool> = (0..self.columns.len())
            .map(|index| self.rows.iter().any(|row| matches!(row.get(index), Some(Cell::Text(_)))))
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(widths.iter().zip(&words)).map(|(cell, (width, words))| match words {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let mut out = format!("{}\n\n", self.title);
        out += &line(&mut self.columns.iter().copied());
        for row in &cells {
            out += &line(&mut row.iter().map(String::as_str));
        }
        if !self.notes.is_empty() {
            out.push('\n');
        }
        for note in &self.notes {
            out += &format!("{note}\n");
        }
        out
    }

    fn to_json(&self) -> Value {
        let row = |row: &Vec<Cell>| -> Value {
            let cells = self.columns.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.json()));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "title": self.title, "rows": rows, "notes": self.notes })
    }
}

/// Prints tables on standard output, with the machine they were measured on.
pub(crate) fn print(tables: &[Table], machine: &str, format: Format) -> io::Result<()> {
    let text = match format {
        Format::Text => {
            let tables: Vec<String> = tables.iter().map(Table::to_text).collect();
            format!("{}\n{machine}\n", tables.join("\n"))
        }
        Format::Json => {
            let tables: Vec<Value> = tables.iter().map(Table::to_json).collect();
            format!("{}\n", json!({ "machine": machine, "tables": tables }))
        }
    };
    io::stdout().lock().write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new("Sizes", &["name", "bytes", "share"]);
        table.row(["body".into(), 1_234_567.into(), Cell::number(50.04, 1)]);
        table.row(["id".into(), 12.into(), Cell::number(None, 1)]);
        table.note("two rows");
        table
    }

    #[test]
    fn text_is_aligned() {
        let expected =
            "Sizes\n\nname      bytes  share\nbody  1,234,567   50.0\nid           12      -\n\ntwo rows\n";
        assert_eq!(sample().to_text(), expected);
    }

    #[test]
    fn json_has_plain_numbers() {
        let expected = json!({ "title": "Sizes", "notes": ["two rows"], "rows": [
            { "name": "body", "bytes": 1_234_567, "share": 50.0 },
            { "name": "id", "bytes": 12, "share": null },
        ]});
        assert_eq!(sample().to_json(), expected);
    }

    #[test]
    fn commas() {
        for (number, expected) in [
            ("1", "1"),
            ("123", "123"),
            ("1234", "1,234"),
            ("-123456.75", "-123,456.75"),
            ("0.12345", "0.12345"),
        ] {
            assert_eq!(thousands(number), expected);
        }
    }
}
