//! Rows in aligned columns. Widths are chosen from the first page and kept, so that later pages line up; on a
//! terminal the columns that may shrink do, widest first, until a row fits.

use std::io;

use crate::client::output::Output;
use crate::client::text::{Paint, Tone, columns, cut};

/// What stands between two columns.
const GAP: &str = "  ";

/// One column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: String,
    /// Whether values stand at its right edge: numbers.
    pub(crate) right: bool,
    /// How narrow it may become; `None` if it is never cut.
    pub(crate) shrinks_to: Option<usize>,
    /// It is left out on a terminal narrower than this.
    pub(crate) needs_width: usize,
    /// Whether it is left out when no row has a value.
    pub(crate) optional: bool,
}

impl Column {
    /// A column as wide as its values.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The same, values at its right edge.
    pub(crate) fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// The same, cut down to `width` where room is short.
    pub(crate) fn shrinks_to(mut self, width: usize) -> Self {
        self.shrinks_to = Some(width);
        self
    }

    /// The same, left out on a terminal narrower than `width`.
    pub(crate) fn needs_width(mut self, width: usize) -> Self {
        self.needs_width = width;
        self
    }

    /// The same, left out when no row has a value.
    pub(crate) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// One cell: harmless text, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The text.
    pub(crate) text: String,
    /// Its colour.
    pub(crate) tone: Tone,
}

impl Cell {
    /// A cell of `text`, which is made harmless here.
    pub(crate) fn new(text: &str, tone: Tone) -> Self {
        Self { text: crate::client::text::visible(text).into_owned(), tone }
    }
}

/// A table whose columns have their widths.
pub(crate) struct Table {
    columns: Vec<Column>,
    /// By column; `None` where it is left out.
    widths: Vec<Option<usize>>,
    limit: Option<usize>,
    paint: Paint,
}

impl Table {
    /// Columns laid out for `rows`, in at most `limit` columns of a terminal.
    pub(crate) fn new(columns: Vec<Column>, rows: &[Vec<Cell>], limit: Option<usize>, paint: Paint) -> Self {
        let mut widths: Vec<_> =
            columns.iter().enumerate().map(|(at, it)| natural(at, it, rows, limit)).collect();
        if let Some(limit) = limit {
            shrink(&columns, &mut widths, limit);
        }
        Self { columns, widths, limit, paint }
    }

    /// Writes headings and all rows.
    pub(crate) fn write(columns: Vec<Column>, rows: &[Vec<Cell>], output: &mut Output) -> io::Result<()> {
        let table = Self::new(columns, rows, output.width, output.paint);
        output.line(&table.header())?;
        rows.iter().try_for_each(|row| output.line(&table.line(row)))
    }

    /// The headings.
    pub(crate) fn header(&self) -> String {
        let cells =
            self.columns.iter().map(|column| Cell::new(&column.title, Tone::Strong)).collect::<Vec<_>>();
        self.line(&cells)
    }

    /// A row.
    pub(crate) fn line(&self, cells: &[Cell]) -> String {
        let shown: Vec<_> = self.columns.iter().zip(&self.widths).zip(cells).collect();
        let last = shown.iter().rposition(|((_, width), _)| width.is_some());
        let mut line = String::new();
        for (at, ((column, width), cell)) in shown.into_iter().enumerate() {
            let Some(width) = *width else { continue };
            let text = if self.limit.is_some() { cut(&cell.text, width) } else { cell.text.as_str().into() };
            let blanks = " ".repeat(width.saturating_sub(columns(&text)));
            let text = self.paint.apply(cell.tone, &text);
            match (column.right, last == Some(at)) {
                (true, _) => line.extend([blanks, text]),
                (false, true) => line.push_str(&text),
                (false, false) => line.extend([text, blanks]),
            }
            if last != Some(at) {
                line.push_str(GAP);
            }
        }
        let line = line.trim_end();
        self.limit.map_or_else(|| line.to_owned(), |limit| cut(line, limit).into_owned())
    }
}

/// How wide a column would like to be; `None` if it is left out.
fn natural(at: usize, column: &Column, rows: &[Vec<Cell>], limit: Option<usize>) -> Option<usize> {
    if limit.is_some_and(|limit| limit < column.needs_width) {
        return None;
    }
    let widest = rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(&cell.text)).max().unwrap_or(0);
    if column.optional && widest == 0 {
        return None;
    }
    let width = widest.max(columns(&column.title));
    Some(limit.map_or(width, |limit| width.min(limit)))
}

/// Makes the columns that may shrink narrower, always the widest, until all fit or none can give more.
fn shrink(columns: &[Column], widths: &mut [Option<usize>], limit: usize) {
    let shown = widths.iter().flatten().count();
    let room = limit.saturating_sub(GAP.len() * shown.saturating_sub(1));
    let mut over = widths.iter().flatten().sum::<usize>().saturating_sub(room);
    while over > 0 {
        let can_give = |(column, width): (&Column, &mut Option<usize>)| -> Option<usize> {
            width.filter(|width| column.shrinks_to.is_some_and(|least| *width > least))
        };
        let widest = columns.iter().zip(widths.iter_mut()).filter_map(can_give).max();
        let Some(widest) = widest else { return };
        let found = columns.iter().zip(widths.iter_mut()).find(|(column, width)| {
            **width == Some(widest) && column.shrinks_to.is_some_and(|least| widest > least)
        });
        if let Some((_, width)) = found {
            *width = Some(widest - 1);
        }
        over -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(columns: Vec<Column>, rows: &[&[&str]], limit: Option<usize>) -> Vec<String> {
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|text| Cell::new(text, Tone::Plain)).collect()).collect();
        let table = Table::new(columns, &rows, limit, Paint { on: false });
        std::iter::once(table.header()).chain(rows.iter().map(|row| table.line(row))).collect()
    }

    fn three() -> Vec<Column> {
        vec![
            Column::new("NAME").shrinks_to(4),
            Column::new("CALLS").right(),
            Column::new("BODY").shrinks_to(4).optional(),
        ]
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let rows: &[&[&str]] = &[&["a", "1", "short"], &["bbbbb", "12345", "日本 longer"]];
        assert_eq!(
            lines(three(), rows, None),
            ["NAME   CALLS  BODY", "a          1  short", "bbbbb  12345  日本 longer"]
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_first() {
        let rows: &[&[&str]] = &[&["a", "1", "short"], &["bbbbb", "12345", "longer than there is room for"]];
        assert_eq!(
            lines(three(), rows, Some(24)),
            ["NAME   CALLS  BODY", "a          1  short", "bbbbb  12345  longer th…"]
        );
        assert_eq!(
            lines(three(), rows, Some(17)),
            ["NAME  CALLS  BODY", "a         1  sho…", "bbb…  12345  lon…"]
        );
        assert_eq!(lines(three(), rows, Some(10)), ["NAME  CAL…", "a        …", "bbb…  123…"]);
    }

    #[test]
    fn columns_without_values_or_room_are_left_out() {
        let columns =
            || vec![Column::new("A"), Column::new("B").optional(), Column::new("C").needs_width(50)];
        assert_eq!(lines(columns(), &[&["1", "", "3"]], None), ["A  C", "1  3"]);
        assert_eq!(lines(columns(), &[&["1", "", "3"]], Some(49)), ["A", "1"]);
        assert_eq!(lines(columns(), &[&["1", "2", "3"]], Some(50)), ["A  B  C", "1  2  3"]);
    }

    #[test]
    fn cells_cannot_break_a_row() {
        assert_eq!(lines(vec![Column::new("A")], &[&["x\ny\u{1b}"]], None), ["A", "x\\ny\\u{1b}"]);
    }
}
