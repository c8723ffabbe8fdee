//! A picture of the whole trace, drawn by the server.

use query::outline::{Decoded, Flags, Sort};

use crate::colour::Palette;
use crate::format::svg_percent;
use crate::tree::Tree;

/// How many places across the strip has.
const STRIP_COLUMNS: usize = 480;
/// How many levels it shows; deeper spans share the last.
const STRIP_LEVELS: usize = 9;
/// The height of a level.
const STRIP_LEVEL_HEIGHT: usize = 4;

/// A picture of the whole trace: by level, the longest span that wins each place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Strip {
    /// What is drawn.
    pub(super) blocks: Vec<Block>,
    /// Where spans failed.
    pub(super) errors: Vec<String>,
    /// How high the picture is.
    pub(super) height: usize,
}

/// A run of places won by one span.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: usize,
    pub(super) colour: usize,
}

impl Strip {
    /// Draws the spans of an outline.
    pub(super) fn new(outline: &Decoded, tree: &Tree, palette: &Palette) -> Self {
        let duration = outline.head.duration_ns.max(1) as f64;
        let place = |time: i64| {
            let share = time as f64 / duration;
            ((share * STRIP_COLUMNS as f64) as usize).min(STRIP_COLUMNS - 1)
        };
        let is_span = |row: &usize| outline.rows[*row].flags.sort() == Sort::Span;
        let mut order: Vec<usize> = (0..outline.rows.len()).filter(is_span).collect();
        let levels =
            order.iter().map(|row| tree.depths[*row] as usize + 1).max().unwrap_or(0).min(STRIP_LEVELS);
        let mut grid: Vec<Option<usize>> = vec![None; levels * STRIP_COLUMNS];
        // Longest first. What it took another need not look at again, so that a million spans are as many steps.
        order.sort_by_key(|row| std::cmp::Reverse(outline.rows[*row].duration));
        let mut frees = vec![Free::new(); levels];
        let mut errors = [false; STRIP_COLUMNS];
        for number in order {
            let row = &outline.rows[number];
            let (from, to) = (place(row.start), place(row.start.saturating_add(row.duration.max(0))));
            let level = (tree.depths[number] as usize).min(STRIP_LEVELS - 1);
            frees[level].take(from, to, |column| grid[level * STRIP_COLUMNS + column] = Some(number));
            errors[from] |= row.flags.has(Flags::FAILED);
        }
        let colour = |row: usize| palette.colour(outline.service(row));
        let marks = (0..STRIP_COLUMNS).filter(|column| errors[*column]);
        Self {
            blocks: (0..levels)
                .flat_map(|level| blocks(&grid[level * STRIP_COLUMNS..][..STRIP_COLUMNS], level, &colour))
                .collect(),
            errors: marks.map(|column| svg_percent((column as f64 + 0.5) / STRIP_COLUMNS as f64)).collect(),
            height: levels * (STRIP_LEVEL_HEIGHT + 1) + 7,
        }
    }
}

/// The columns that nobody has taken: each leads to the next that is free.
#[derive(Clone)]
struct Free([usize; STRIP_COLUMNS + 1]);

impl Free {
    fn new() -> Self {
        Self(std::array::from_fn(|column| column))
    }

    /// The first free column from one on.
    fn next(&mut self, mut column: usize) -> usize {
        while self.0[column] != column {
            self.0[column] = self.0[self.0[column]];
            column = self.0[column];
        }
        column
    }

    /// Takes what is free from one column to another.
    fn take(&mut self, from: usize, to: usize, mut each: impl FnMut(usize)) {
        let mut column = self.next(from);
        while column <= to {
            each(column);
            self.0[column] = column + 1;
            column = self.next(column);
        }
    }
}

fn blocks(places: &[Option<usize>], level: usize, colour: &impl Fn(usize) -> usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut from = 0;
    for run in places.chunk_by(|a, b| a == b) {
        if let Some(span) = run[0] {
            blocks.push(Block {
                x: svg_percent(from as f64 / STRIP_COLUMNS as f64),
                width: svg_percent(run.len() as f64 / STRIP_COLUMNS as f64),
                y: 6 + level * (STRIP_LEVEL_HEIGHT + 1),
                colour: colour(span),
            });
        }
        from += run.len();
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_longest_span_wins_its_place() {
        let mut trace = sample::trace_of(&["a - 0", "b a 0", "c a 0"], &[]);
        for (span, duration) in [(0, 480), (1, 240), (2, 480)] {
            trace.spans[span].duration_ns = duration;
            trace.spans[span].service = trace.spans[span].span_id.clone();
        }
        trace.duration_ns = 480;
        let palette = Palette::of(["a", "b", "c"]);
        let (outline, _) = sample::outlined(&trace);
        let strip = Strip::new(&outline, &Tree::of(&outline.rows), &palette);
        let drawn: Vec<_> = strip.blocks.iter().map(|block| (block.colour, block.width.as_str())).collect();
        assert_eq!(drawn, [(palette.colour("a"), "100%"), (palette.colour("c"), "100%")]);
    }
}
