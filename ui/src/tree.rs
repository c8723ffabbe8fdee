//! The rows of a trace's outline as a tree: how deep each stands, how many stand below it, and the lines that connect
//! them. All walks are loops, so depth costs memory and never the stack.

use std::ops::Range;

use query::outline::Row;

/// How many levels of connecting lines are kept; what is deeper is drawn at this level and says its depth.
pub(crate) const GUIDES_MAX: usize = 16;

/// The shape of an outline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    /// How many rows each hangs under.
    pub(crate) depths: Vec<u32>,
    /// How many rows each is with all below it.
    pub(crate) sizes: Vec<u32>,
}

impl Tree {
    /// The shape of these rows.
    pub(crate) fn of(rows: &[Row]) -> Self {
        let mut depths: Vec<u32> = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            depths.push(parent(rows, number).map_or(0, |parent| depths[parent] + 1));
            debug_assert!(row.distance as usize <= number, "a parent stands above");
        }
        let mut sizes = vec![1; rows.len()];
        for number in (0..rows.len()).rev() {
            if let Some(parent) = parent(rows, number) {
                sizes[parent] += sizes[number];
            }
        }
        Self { depths, sizes }
    }

    /// The rows that hang directly under one.
    pub(crate) fn children(&self, row: usize) -> impl Iterator<Item = usize> {
        let end = row + self.sizes[row] as usize;
        let mut at = row + 1;
        std::iter::from_fn(move || {
            let child = (at < end).then_some(at)?;
            at += self.sizes[child] as usize;
            Some(child)
        })
    }

    /// Which lines go on below each row of a range: bit k is the line between levels k and k + 1.
    pub(crate) fn guides(&self, range: Range<usize>) -> Vec<u32> {
        // The row of each level above the row that is looked at.
        let mut path = [0usize; GUIDES_MAX + 1];
        let mut all = Vec::with_capacity(range.len());
        for row in 0..range.end {
            let depth = self.depths[row] as usize;
            if let Some(place) = path.get_mut(depth) {
                *place = row;
            }
            if row < range.start {
                continue;
            }
            let has_next = |level: usize| {
                let (above, child) = (path[level], path[level + 1]);
                child + (self.sizes[child] as usize) < above + self.sizes[above] as usize
            };
            let lines = (0..depth.min(GUIDES_MAX)).filter(|level| has_next(*level));
            all.push(lines.fold(0, |lines, level| lines | 1 << level));
        }
        all
    }
}

/// The row that one hangs under.
pub(crate) fn parent(rows: &[Row], row: usize) -> Option<usize> {
    let distance = rows[row].distance as usize;
    (distance > 0).then(|| row - distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows at these depths.
    fn rows(depths: &[usize]) -> Vec<Row> {
        let mut path: Vec<usize> = Vec::new();
        let place = |(number, depth): (usize, &usize)| {
            path.truncate(*depth);
            let distance = path.last().map_or(0, |parent| number - parent);
            path.push(number);
            Row { distance: distance as u32, ..Row::default() }
        };
        depths.iter().enumerate().map(place).collect()
    }

    #[test]
    fn shapes() {
        let tree = Tree::of(&rows(&[0, 1, 2, 2, 1, 0, 1]));
        assert_eq!(tree.depths, [0, 1, 2, 2, 1, 0, 1]);
        assert_eq!(tree.sizes, [5, 3, 1, 1, 1, 2, 1]);
        assert_eq!(tree.children(0).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(tree.children(3).count(), 0);
        assert_eq!(tree.guides(0..7), [0, 0b1, 0b11, 0b1, 0, 0, 0]);
        assert_eq!(tree.guides(2..4), [0b11, 0b1]);
    }

    #[test]
    fn depth_needs_no_stack() {
        let chain: Vec<Row> =
            (0..100_000).map(|row| Row { distance: u32::from(row > 0), ..Row::default() }).collect();
        let tree = Tree::of(&chain);
        assert_eq!((tree.depths[99_999], tree.sizes[0]), (99_999, 100_000));
        assert_eq!(tree.guides(99_990..100_000), [0; 10]);
    }
}
