//! Standard output, and the formats for programs: rows as NDJSON and as CSV.

use std::io::{self, BufWriter, IsTerminal, Write};

use serde_json::Value;

use crate::cli::Color;
use crate::client::text::{Paint, Tone, harmless, visible};

/// The width where there is no terminal.
const WIDTH_DEFAULT: usize = 100;
/// The narrowest terminal that is laid out for; in a narrower one lines wrap.
const WIDTH_MIN: usize = 40;

/// Where results go. Everything else goes to standard error, see [`notice`].
pub(crate) struct Output {
    writer: Box<dyn Write>,
    terminal: bool,
    /// The columns of the terminal; `None` where results go elsewhere and nothing need be cut.
    pub(crate) width: Option<usize>,
    /// Colours of the results.
    pub(crate) paint: Paint,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout(color: Color) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            writer: Box::new(BufWriter::new(io::stdout().lock())),
            terminal,
            width: terminal.then(|| terminal_width(&console::Term::stdout())),
            paint: paint(color, terminal),
        }
    }

    /// Results into `writer`, as if it were a terminal of `width` columns or none.
    #[cfg(test)]
    pub(crate) fn into(writer: Box<dyn Write>, width: Option<usize>) -> Self {
        Self { writer, terminal: width.is_some(), width, paint: Paint { on: false } }
    }

    /// Whether results go to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The width to lay out for.
    pub(crate) fn layout_width(&self) -> usize {
        self.width.unwrap_or(WIDTH_DEFAULT)
    }

    /// A line laid out here, whose foreign parts are already harmless.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(line.as_bytes())?;
        self.writer.write_all(b"\n")
    }

    /// JSON or CSV.
    pub(crate) fn data(&mut self, data: &str) -> io::Result<()> {
        if self.terminal {
            self.writer.write_all(harmless(data).as_bytes())
        } else {
            self.writer.write_all(data.as_bytes())
        }
    }

    /// Sends on what is held back.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Colours for a stream that is a terminal or not. NO_COLOR counts when it is set to anything but nothing.
pub(crate) fn paint(color: Color, terminal: bool) -> Paint {
    let refused = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let on = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !refused() && !dumb(),
    };
    Paint { on }
}

/// How wide messages on standard error may be, and their colours.
pub(crate) fn error_style(color: Color) -> (usize, Paint) {
    let terminal = io::stderr().is_terminal();
    let width = if terminal { terminal_width(&console::Term::stderr()) } else { WIDTH_DEFAULT };
    (width, paint(color, terminal))
}

fn terminal_width(terminal: &console::Term) -> usize {
    let width = terminal.size_checked().map_or(WIDTH_DEFAULT, |(_, columns)| usize::from(columns));
    if width == 0 { WIDTH_DEFAULT } else { width.max(WIDTH_MIN) }
}

/// A line on standard error: what a reader should know beside the results.
pub(crate) fn notice(color: Color, tone: Tone, word: &str, message: &str) {
    let (_, paint) = error_style(color);
    say(&format!("{} {}\n", paint.apply(tone, word), visible(message)));
}

/// A [`notice`] that only a person wants: nothing where standard error is no terminal.
pub(crate) fn hint(color: Color, word: &str, message: &str) {
    if io::stderr().is_terminal() {
        notice(color, Tone::Dim, word, message);
    }
}

/// `text` on standard error. Nobody is left to tell when that fails.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Rows of CSV, each with its line end.
pub(crate) fn csv_rows<'a, R>(rows: impl IntoIterator<Item = R>) -> io::Result<String>
where
    R: IntoIterator<Item = &'a Value>,
{
    csv_lines(rows.into_iter().map(|row| row.into_iter().map(csv_cell)))
}

/// Lines of CSV from text.
pub(crate) fn csv_lines<L, T>(lines: impl IntoIterator<Item = L>) -> io::Result<String>
where
    L: IntoIterator<Item = T>,
    T: AsRef<[u8]>,
{
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(io::Error::other)?;
    }
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// A value in a cell: nothing for null, text as it is, nested values as JSON text.
fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_as_csv() {
        for (row, line) in [
            (json!(["a", "b"]), "a,b\n"),
            (json!(["a,b", "say \"hi\"", "two\nlines"]), "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n"),
            (json!([null, 1, 2.5, true]), ",1,2.5,true\n"),
            (json!([{"k": "v"}, ["x", 1]]), "\"{\"\"k\"\":\"\"v\"\"}\",\"[\"\"x\"\",1]\"\n"),
            (json!(["ä 日本"]), "ä 日本\n"),
            (json!([null]), "\"\"\n"),
        ] {
            let cells = row.as_array().unwrap();
            assert_eq!(csv_rows([cells]).unwrap(), line, "{row}");
        }
    }

    #[test]
    fn colours_follow_the_flag_before_the_terminal() {
        assert!(paint(Color::Always, false).on);
        assert!(!paint(Color::Never, true).on);
        assert!(!paint(Color::Auto, false).on);
    }
}
