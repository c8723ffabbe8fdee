//! Series over time, drawn with dots of braille: a line for each, or, where they are many, a row for each.

use std::collections::BTreeMap;
use std::io;

use super::answer::Series;
use super::numbers::{Scale, short};
use super::rows::name;
use crate::client::output::Output;
use crate::client::table::{Cell, Column, Table};
use crate::client::text::{Paint, Tone, columns, visible};
use crate::client::times::utc;
use crate::client::views::{NAME_MIN, plain, sparkline};

/// The most series that have a line each: as many as there are colours.
const LINES_MAX: usize = 5;
/// How high a chart is, in rows.
const ROWS: usize = 15;
/// About how many marks stand at its left.
const MARKS: f64 = 4.0;
/// The widest a chart is, in columns.
const WIDTH_MAX: usize = 240;
/// The narrowest.
const WIDTH_MIN: usize = 10;
/// How wide a series is in a row of its own.
const ROW_WIDTH: usize = 32;
/// The highest bar of such a row.
const BAR_MAX: f64 = 8.0;
/// What stands before a series in the legend.
const SAMPLE: &str = "━━";
/// Dots in a cell, across and down.
const ACROSS: usize = 2;
const DOWN: usize = 4;
/// The bits of the dots of a cell, by column and row.
const DOTS: [[u8; DOWN]; ACROSS] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
/// The cell without a dot.
const BLANK: u32 = 0x2800;
/// Distances of marks below, in milliseconds, with how their times are written.
const TIMES: [(i64, &str); 14] = [
    (1_000, "%H:%M:%S"),
    (5_000, "%H:%M:%S"),
    (15_000, "%H:%M:%S"),
    (30_000, "%H:%M:%S"),
    (60_000, "%H:%M"),
    (300_000, "%H:%M"),
    (600_000, "%H:%M"),
    (1_800_000, "%H:%M"),
    (3_600_000, "%H:%M"),
    (10_800_000, "%m-%d %H:%M"),
    (43_200_000, "%m-%d %H:%M"),
    (86_400_000, "%m-%d"),
    (7 * 86_400_000, "%Y-%m-%d"),
    (56 * 86_400_000, "%Y-%m-%d"),
];
/// Blanks between two times.
const TIME_GAP: usize = 3;

/// Writes series of numbers between two times in milliseconds.
pub(super) fn show(
    series: &[Series],
    times: (i64, i64),
    step_ms: i64,
    output: &mut Output,
) -> io::Result<()> {
    let series: Vec<&Series> = series.iter().filter(|series| !series.is_of_histograms()).collect();
    if series.is_empty() {
        return Ok(());
    }
    let (common, names) = names(&series);
    if !common.is_empty() {
        output.line(&visible(&common))?;
    }
    if series.len() <= LINES_MAX {
        let chart = Chart::of(&series, times, step_ms, output.layout_width());
        let paint = output.paint;
        for line in chart.iter().flat_map(|chart| chart.lines(paint)) {
            output.line(&line)?;
        }
    }
    legend(&series, &names, times, output)
}

/// What all series have in common, if they are several, and of each what it has alone.
fn names(series: &[&Series]) -> (String, Vec<String>) {
    let mut common = if series.len() > 1 { series[0].labels.clone() } else { BTreeMap::new() };
    for one in series {
        common.retain(|label, value| one.labels.get(label) == Some(&*value));
    }
    let own = |one: &&Series| name(one.labels.iter().filter(|(label, _)| !common.contains_key(*label)));
    let own = series.iter().map(own).collect();
    (if common.is_empty() { String::new() } else { name(&common) }, own)
}

/// A row for each series: its colour or its course, and its numbers.
fn legend(series: &[&Series], names: &[String], times: (i64, i64), output: &mut Output) -> io::Result<()> {
    let has_lines = series.len() <= LINES_MAX;
    let columns = vec![
        Column::new(if has_lines { "" } else { "COURSE" }),
        Column::new("SERIES").shrinks_to(NAME_MIN),
        Column::new("MIN").right(),
        Column::new("MAX").right(),
        Column::new("LAST").right(),
    ];
    let rows = series.iter().zip(names).enumerate().map(|(number, (series, name))| {
        let values: Vec<f64> = series.points().map(|(_, value)| value).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let number_or_none =
            |value: f64| plain(&if values.is_empty() { String::new() } else { short(value) });
        let first = match has_lines {
            true => Cell::new(SAMPLE, Tone::One(number)),
            false => plain(&course(series, times, (least, most))),
        };
        let last = series.samples.last().and_then(|sample| sample.value);
        let last = plain(&last.map(short).unwrap_or_default());
        vec![first, plain(name), number_or_none(least), number_or_none(most), last]
    });
    Table::write(columns, &rows.collect::<Vec<_>>(), output)
}

/// A series as bars beside one another between its least and its greatest number; nothing where it has none.
fn course(series: &Series, (from, to): (i64, i64), (least, most): (f64, f64)) -> String {
    let mut sums = vec![(0.0, 0u32); ROW_WIDTH];
    for (time, value) in series.points() {
        let (sum, count) = &mut sums[place(time, from, to, ROW_WIDTH)];
        *sum += value;
        *count += 1;
    }
    let bar = |(sum, count): (f64, u32)| {
        let share = (sum / f64::from(count) - least) / (most - least);
        if count == 0 { 0 } else { 1 + (share * (BAR_MAX - 1.0)).round() as u64 }
    };
    sparkline(&sums.into_iter().map(bar).collect::<Vec<_>>())
}

/// Where a time lies among so many places.
fn place(time: i64, from: i64, to: i64, places: usize) -> usize {
    let share = (time - from) as f64 / (to - from).max(1) as f64;
    (share.clamp(0.0, 1.0) * (places - 1) as f64).round() as usize
}

/// A chart: cells with dots, and the marks at its left and below.
struct Chart {
    /// How wide the marks at the left are.
    left: usize,
    width: usize,
    /// The dots of every cell, and the number of the series that drew there last.
    cells: Vec<(u8, usize)>,
    scale: Scale,
    /// The marks at the left, by row from the top.
    marks: Vec<(usize, String)>,
    times: (i64, i64),
}

impl Chart {
    /// A chart in a terminal of so many columns; none if there is no number.
    fn of(series: &[&Series], times: (i64, i64), step_ms: i64, columns_max: usize) -> Option<Self> {
        let values = || series.iter().flat_map(|series| series.points()).map(|(_, value)| value);
        let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        let scale = Scale::around(least, most, MARKS);
        let marks: Vec<(usize, String)> =
            scale.ticks().map(|tick| (row(&scale, tick) / DOWN, scale.text(tick))).collect();
        let left = marks.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
        // A blank and the axis stand between.
        let width = columns_max.saturating_sub(left + 2).clamp(WIDTH_MIN, WIDTH_MAX);
        let mut chart = Self { left, width, cells: vec![(0, 0); width * ROWS], scale, marks, times };
        for (number, series) in series.iter().enumerate() {
            chart.draw(number, series, step_ms);
        }
        Some(chart)
    }

    /// Draws a series. Where a step has no sample its line is broken.
    fn draw(&mut self, number: usize, series: &Series, step_ms: i64) {
        let mut before: Option<(i64, (usize, usize))> = None;
        for (time, value) in series.points() {
            let dot = (place(time, self.times.0, self.times.1, self.width * ACROSS), row(&self.scale, value));
            let from = before.filter(|(earlier, _)| time - earlier < step_ms.saturating_mul(2));
            self.line(from.map_or(dot, |(_, from)| from), dot, number);
            before = Some((time, dot));
        }
    }

    /// Dots from one to another.
    fn line(&mut self, from: (usize, usize), to: (usize, usize), number: usize) {
        let dots = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for at in 0..=dots {
            let between = |from: usize, to: usize| {
                let share = at as f64 / dots as f64;
                (from as f64 + (to as f64 - from as f64) * share).round() as usize
            };
            let (x, y) = (between(from.0, to.0), between(from.1, to.1));
            let cell = &mut self.cells[y / DOWN * self.width + x / ACROSS];
            *cell = (cell.0 | DOTS[x % ACROSS][y % DOWN], number);
        }
    }

    /// All its lines, from the top.
    fn lines(&self, paint: Paint) -> Vec<String> {
        let left = self.left;
        let mut lines: Vec<String> = Vec::with_capacity(ROWS + 2);
        for (at, cells) in self.cells.chunks(self.width).enumerate() {
            let mark = self.marks.iter().find(|(row, _)| *row == at);
            let (text, axis) = mark.map_or(("", "│"), |(_, text)| (text, "┤"));
            let axis = paint.apply(Tone::Dim, &format!("{text:>left$} {axis}"));
            lines.push(format!("{axis}{}", painted(cells, paint)).trim_end().to_owned());
        }
        let (axis, times) = self.below();
        lines.push(paint.apply(Tone::Dim, &format!("{:left$} └{axis}", "")));
        lines.push(paint.apply(Tone::Dim, format!("{:left$}  {times}", "").trim_end()));
        lines
    }

    /// The axis below, and its times in UTC.
    fn below(&self) -> (String, String) {
        let (from, to) = self.times;
        let fits = |(distance, form): &(i64, &str)| {
            let wide = columns(&utc(0, form)) + TIME_GAP;
            ((to - from) / distance + 1).saturating_mul(wide as i64) <= self.width as i64
        };
        let (distance, form) = TIMES.into_iter().find(fits).unwrap_or(TIMES[TIMES.len() - 1]);
        let mut axis = vec!['─'; self.width];
        let mut times = String::new();
        let mut time = from.div_euclid(distance).saturating_add(1).saturating_mul(distance);
        while time <= to {
            let at = place(time, from, to, self.width);
            axis[at] = '┬';
            let text = utc(time.saturating_mul(1_000_000), form);
            let begin = at.saturating_sub(text.len() / 2).min(self.width.saturating_sub(text.len()));
            if begin >= times.len() {
                times.push_str(&format!("{:begin$}{text} ", "", begin = begin - times.len()));
            }
            time = time.saturating_add(distance);
        }
        (axis.into_iter().collect(), times)
    }
}

/// The row of dots that a number lies in, from the top.
fn row(scale: &Scale, value: f64) -> usize {
    let share = (scale.high - value) / (scale.high - scale.low);
    (share.clamp(0.0, 1.0) * (ROWS * DOWN - 1) as f64).round() as usize
}

/// Cells as text, neighbours of one colour together.
fn painted(cells: &[(u8, usize)], paint: Paint) -> String {
    let dots = |dots: u8| match dots {
        0 => ' ',
        dots => char::from_u32(BLANK + u32::from(dots)).unwrap_or(' '),
    };
    let runs = cells.chunk_by(|left, right| left.1 == right.1);
    let run = |cells: &[(u8, usize)]| {
        let text: String = cells.iter().map(|cell| dots(cell.0)).collect();
        if text.trim().is_empty() { text } else { paint.apply(Tone::One(cells[0].1), &text) }
    };
    runs.map(run).collect()
}

#[cfg(test)]
mod tests;
