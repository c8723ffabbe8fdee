//! The operations of a trace: how often, how long, how much of it themselves.

use std::collections::HashMap;

use askama::Template;
use query::outline::{Decoded, Flags, Sort};

use super::choice::Choice;
use crate::address::{self, term};
use crate::colour::Palette;
use crate::format::{count, counted, duration, svg_percent};
use crate::tree::parent;

/// How many operations are listed.
const OPERATIONS_MAX: usize = 500;

/// A table by operation, the one with the most time of its own first.
#[derive(Debug, Template)]
#[template(path = "part/operations.html")]
pub(super) struct Operations {
    /// What is counted.
    caption: String,
    rows: Vec<Operation>,
    /// How many have no room.
    more: Option<String>,
}

/// One operation.
#[derive(Debug)]
struct Operation {
    service: String,
    colour: usize,
    name: String,
    /// The spans of it in the waterfall; empty if its names are too long for a link.
    href: String,
    count: String,
    errors: u64,
    total: String,
    own: String,
    own_width: String,
    p95: String,
    longest: String,
}

/// What is summed up of an operation.
#[derive(Debug, Default)]
struct Sum {
    durations: Vec<i64>,
    errors: u64,
    total: i64,
    own: i64,
}

impl Operations {
    pub(super) fn new(outline: &Decoded, palette: &Palette, choice: &Choice) -> Self {
        let own = own_times(outline);
        let mut sums: HashMap<(u32, u32), Sum> = HashMap::new();
        for (row, own) in outline.rows.iter().zip(own) {
            if row.flags.sort() != Sort::Span || !choice.window.has(row.start, row.duration) {
                continue;
            }
            let sum = sums.entry((row.service, row.name)).or_default();
            sum.durations.push(row.duration);
            sum.errors += u64::from(row.flags.has(Flags::FAILED));
            sum.total = sum.total.saturating_add(row.duration.max(0));
            sum.own = sum.own.saturating_add(own);
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        let text = |table: &[String], number: u32| table[number as usize].clone();
        sums.sort_by_cached_key(|((service, name), sum)| {
            (std::cmp::Reverse(sum.own), text(&outline.services, *service), text(&outline.names, *name))
        });
        let all = sums.len();
        let most = sums.first().map_or(1, |(_, sum)| sum.own.max(1));
        let rows = sums.into_iter().take(OPERATIONS_MAX).map(|((service, name), sum)| {
            let (service, name) = (text(&outline.services, service), text(&outline.names, name));
            Operation::new(&outline.head.trace_id, palette.colour(&service), (service, name), sum, most)
        });
        let part = if choice.window.is_part() { ", of the time that is zoomed to" } else { "" };
        Self {
            caption: format!("Operations of this trace{part}"),
            rows: rows.collect(),
            more: (all > OPERATIONS_MAX)
                .then(|| format!("and {} more", counted((all - OPERATIONS_MAX) as u64, "operation"))),
        }
    }
}

impl Operation {
    fn new(
        trace_id: &str,
        colour: usize,
        (service, name): (String, String),
        mut sum: Sum,
        most: i64,
    ) -> Self {
        sum.durations.sort_unstable();
        let last = sum.durations.len() - 1;
        let p95 = sum.durations[((sum.durations.len() * 95).div_ceil(100)).saturating_sub(1).min(last)];
        let find = format!("{} {}", term("service", &service), term("name", &name));
        Self {
            href: address::trace(trace_id).with("find", &find).link(),
            service,
            colour,
            name,
            count: count(sum.durations.len() as u64),
            errors: sum.errors,
            total: duration(sum.total),
            own: duration(sum.own),
            own_width: svg_percent(sum.own as f64 / most as f64),
            p95: duration(p95),
            longest: duration(sum.durations[last]),
        }
    }
}

/// The time of each span in which none of its children ran.
fn own_times(outline: &Decoded) -> Vec<i64> {
    let end = |row: usize| outline.rows[row].start.saturating_add(outline.rows[row].duration.max(0));
    let is_span = |row: usize| outline.rows[row].flags.sort() == Sort::Span;
    let mut own: Vec<i64> = outline.rows.iter().map(|row| row.duration.max(0)).collect();
    // How far each is covered by children, which come in order of their start.
    let mut reached: Vec<i64> = outline.rows.iter().map(|row| row.start).collect();
    for row in (0..outline.rows.len()).filter(|row| is_span(*row)) {
        let Some(above) = parent(&outline.rows, row).filter(|above| is_span(*above)) else { continue };
        let from = outline.rows[row].start.max(reached[above]);
        let to = end(row).min(end(above));
        if to > from {
            own[above] -= to - from;
            reached[above] = to;
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn own_time_is_what_no_child_covers() {
        let mut trace = sample::trace_of(&["a - 0", "b a 10", "c a 20", "d b 15", "e a 95"], &[]);
        for (span, duration) in [100, 30, 20, 5, 50].into_iter().enumerate() {
            trace.spans[span].duration_ns = duration;
        }
        let (outline, _) = sample::outlined(&trace);
        // a, b, d, c, e: b and c cover 10 to 40 of a, e the last five.
        assert_eq!(own_times(&outline), [65, 25, 5, 20, 50]);
        let table = Operations::new(&outline, &Palette::default(), &Choice::default());
        let rows: Vec<_> = table.rows.iter().map(|row| (row.name.as_str(), row.own.as_str())).collect();
        assert_eq!(rows[0], ("span a", "65 ns"));
        assert!(
            table.rows[0].href.ends_with("?find=service%3Ashop%20name%3A%22span%20a%22"),
            "{}",
            table.rows[0].href
        );
    }
}
