//! Changes on one axis of time.

use askama::Template;
use diagnosis::Change;

use crate::colour;
use crate::format::{Moment, svg_percent};
use crate::pages::changes;

/// How many changes are drawn, the newest.
const MARKS_MAX: usize = 200;
/// How many lines names may be moved down to stand apart.
const LINES: usize = 4;
/// The height of a line of names in pixels.
const LINE: usize = 15;
/// How much of the axis a letter of a name takes, about.
const LETTER: f64 = 0.0062;

/// An axis with its marks.
#[derive(Debug, Template)]
#[template(path = "part/axis.html")]
pub(crate) struct Axis {
    pub(crate) marks: Vec<Mark>,
    pub(crate) height: usize,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// A change.
#[derive(Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) x: String,
    pub(crate) colour: usize,
    /// Where its name stands: how far down, and whether before the mark. None where there is no room.
    pub(crate) name: Option<(usize, bool)>,
    pub(crate) text: String,
    pub(crate) title: String,
}

impl Axis {
    /// Draws the changes of a time.
    pub(crate) fn new(found: &[Change], (from, to): (i64, i64)) -> Self {
        let length = to.saturating_sub(from).max(1) as f64;
        let at = |change: &Change| {
            let time: i64 = change.time.parse().ok()?;
            (from..=to).contains(&time).then(|| (time.saturating_sub(from) as f64 / length, time))
        };
        let mut places: Vec<(f64, i64, &Change)> =
            found.iter().filter_map(|change| at(change).map(|(share, time)| (share, time, change))).collect();
        places.sort_by_key(|place| std::cmp::Reverse(place.1));
        places.truncate(MARKS_MAX);
        places.reverse();
        // Up to where each line of names is taken.
        let mut taken = [f64::NEG_INFINITY; LINES];
        let marks: Vec<Mark> = places
            .into_iter()
            .map(|(share, time, change)| Mark::new(share, time, change, &mut taken))
            .collect();
        let lines = marks.iter().filter_map(|mark| mark.name).map(|(y, _)| y / LINE).max().unwrap_or(1);
        Self { height: 22 + LINE * lines, marks, from: Moment::to_second(from), to: Moment::to_second(to) }
    }
}

impl Mark {
    fn new(share: f64, time: i64, change: &Change, taken: &mut [f64; LINES]) -> Self {
        let version = change.version.as_deref().unwrap_or_default();
        let kind = changes::kind(change);
        let text = match version.is_empty() {
            true => format!("{} {kind}", change.service),
            false => format!("{} {version}", change.service),
        };
        let text = crate::format::first_line(&text, 32);
        let width = text.chars().count() as f64 * LETTER;
        let before = share + width > 1.0;
        let (begin, end) = if before { (share - width, share) } else { (share, share + width) };
        let line = (0..LINES).find(|line| taken[*line] <= begin);
        if let Some(line) = line {
            taken[line] = end + 2.0 * LETTER;
        }
        Self {
            x: svg_percent(share),
            colour: colour::of(&change.service),
            name: line.map(|line| ((line + 1) * LINE, before)),
            title: format!(
                "{} {}: {kind} of {} {}",
                Moment::to_second(time).text(),
                crate::zone::name(),
                change.service,
                changes::words(change)
            ),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, START};

    const MINUTE: i64 = 60_000_000_000;

    #[test]
    fn changes_stand_at_their_times_with_names_apart() {
        let first = sample::incident().changes.remove(0);
        let at = |minute: i64| Change { time: (START + minute * MINUTE).to_string(), ..first.clone() };
        let axis = Axis::new(&[at(30), at(0), at(1), at(60), at(61)], (START, START + 60 * MINUTE));
        let drawn: Vec<_> = axis.marks.iter().map(|mark| (mark.x.as_str(), mark.name)).collect();
        assert_eq!(
            drawn,
            [
                ("0%", Some((LINE, false))),
                ("1.667%", Some((2 * LINE, false))),
                ("50%", Some((LINE, false))),
                ("100%", Some((LINE, true)))
            ]
        );
        assert!(axis.marks[0].title.contains("deploy of payment 1.42.0"), "{}", axis.marks[0].title);
    }

    #[test]
    fn many_changes_are_drawn_without_their_names() {
        let first = sample::incident().changes.remove(0);
        let many: Vec<Change> =
            (0..500).map(|number| Change { time: (START + number).to_string(), ..first.clone() }).collect();
        let axis = Axis::new(&many, (START, START + 60 * MINUTE));
        assert_eq!(axis.marks.len(), MARKS_MAX);
        assert_eq!(axis.marks.iter().filter(|mark| mark.name.is_some()).count(), LINES);
        assert!(Axis::new(&[], (5, 5)).marks.is_empty());
    }
}
