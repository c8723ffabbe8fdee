//! The services of a trace as a graph: who called whom, drawn from the first caller on to the right.

use std::collections::BTreeMap;

use askama::Template;
use query::outline::{Decoded, Flags, Sort};

use super::choice::Choice;
use crate::address::{self, term};
use crate::colour::Palette;
use crate::format::{count, counted, duration};
use crate::tree::parent;

/// How many services are drawn; the table has all calls up to [`CALLS_MAX`].
const DRAWN_MAX: usize = 60;
/// How many calls the table lists.
const CALLS_MAX: usize = 500;
/// Sizes in pixels: a box, and from one to the next.
const BOX: (usize, usize) = (168, 44);
const STEP: (usize, usize) = (248, 64);
const MARGIN: usize = 12;
/// How much of a name fits into a box, in characters.
const NAME_CHARS: usize = 20;
/// The widest line of a call.
const LINE_MAX: f64 = 7.0;

/// The graph and its table.
#[derive(Debug, Template)]
#[template(path = "part/trace_services.html")]
pub(super) struct ServiceGraph {
    label: String,
    width: usize,
    height: usize,
    nodes: Vec<Node>,
    lines: Vec<Line>,
    calls: Vec<Call>,
    /// What is not drawn or listed.
    more: Option<String>,
}

/// A service.
#[derive(Debug)]
struct Node {
    x: usize,
    y: usize,
    colour: usize,
    name: String,
    whole: String,
    spans: String,
    failed: bool,
    /// Empty if its name is too long for a link.
    href: String,
}

/// A drawn call.
#[derive(Debug)]
struct Line {
    path: String,
    width: String,
    failed: bool,
    words: String,
}

/// A listed call.
#[derive(Debug)]
struct Call {
    from: String,
    from_colour: usize,
    to: String,
    to_colour: usize,
    count: String,
    errors: u64,
    total: String,
    longest: String,
}

/// What is counted between two services, or of one.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    count: u64,
    errors: u64,
    total: i64,
    longest: i64,
}

impl Tally {
    fn add(&mut self, failed: bool, duration: i64) {
        self.count += 1;
        self.errors += u64::from(failed);
        self.total = self.total.saturating_add(duration.max(0));
        self.longest = self.longest.max(duration);
    }
}

/// Services, and the calls between them, by their numbers.
#[derive(Debug, Default)]
struct Counted {
    services: BTreeMap<u32, Tally>,
    calls: BTreeMap<(u32, u32), Tally>,
}

impl Counted {
    fn of(outline: &Decoded, choice: &Choice) -> Self {
        let mut counted = Self::default();
        for (number, row) in outline.rows.iter().enumerate() {
            if row.flags.sort() != Sort::Span || !choice.window.has(row.start, row.duration) {
                continue;
            }
            let failed = row.flags.has(Flags::FAILED);
            counted.services.entry(row.service).or_default().add(failed, row.duration);
            let above = parent(&outline.rows, number).map(|above| outline.rows[above]);
            let caller =
                above.filter(|above| above.flags.sort() == Sort::Span && above.service != row.service);
            if let Some(caller) = caller {
                counted.calls.entry((caller.service, row.service)).or_default().add(failed, row.duration);
            }
        }
        counted
    }

    /// How far each service is from one that nobody calls, by the shortest way.
    fn layers(&self) -> BTreeMap<u32, usize> {
        let is_called = |service: &u32| self.calls.keys().any(|(_, to)| to == service);
        let mut layers: BTreeMap<u32, usize> = BTreeMap::new();
        let mut next: Vec<u32> =
            self.services.keys().copied().filter(|service| !is_called(service)).collect();
        // Where all are called by one another, the first begins.
        if next.is_empty() {
            next.extend(self.services.keys().next());
        }
        for layer in 0.. {
            next.retain(|service| !layers.contains_key(service));
            if next.is_empty() {
                match self.services.keys().find(|service| !layers.contains_key(service)) {
                    Some(left) => next.push(*left),
                    None => break,
                }
            }
            layers.extend(next.iter().map(|service| (*service, layer)));
            let called = self.calls.keys().filter(|(from, _)| next.contains(from)).map(|(_, to)| *to);
            next = called.collect();
            next.sort_unstable();
            next.dedup();
        }
        layers
    }
}

impl ServiceGraph {
    pub(super) fn new(outline: &Decoded, palette: &Palette, choice: &Choice) -> Self {
        let counted_all = Counted::of(outline, choice);
        let name = |service: u32| outline.services[service as usize].as_str();
        let drawn = counted_all.services.len() <= DRAWN_MAX;
        let places = if drawn { places(&counted_all, &name) } else { BTreeMap::new() };
        let nodes: Vec<Node> = places
            .iter()
            .map(|(service, (x, y))| {
                let tally = counted_all.services[service];
                let whole = name(*service).to_owned();
                Node {
                    x: *x,
                    y: *y,
                    colour: palette.colour(&whole),
                    name: cut(&whole),
                    spans: counted(tally.count, "span"),
                    failed: tally.errors > 0,
                    href: address::trace(&outline.head.trace_id)
                        .with("find", &term("service", &whole))
                        .link(),
                    whole,
                }
            })
            .collect();
        let mut by_count: Vec<_> = counted_all.calls.iter().collect();
        by_count.sort_by_key(|((from, to), tally)| (std::cmp::Reverse(tally.count), name(*from), name(*to)));
        let most = by_count.first().map_or(1, |(_, tally)| tally.count);
        let lines = by_count.iter().filter_map(|((from, to), tally)| {
            let words = format!("{} calls {}: {}", name(*from), name(*to), counted(tally.count, "call"));
            Some(Line::new(*places.get(from)?, *places.get(to)?, tally, most, words))
        });
        let far = |at: fn(&Node) -> usize| nodes.iter().map(at).max().unwrap_or(0);
        let services = counted_all.services.len();
        Self {
            label: format!("Services of this trace: {}", counted(services as u64, "service")),
            width: far(|node| node.x) + BOX.0 + MARGIN,
            height: far(|node| node.y) + BOX.1 + MARGIN,
            lines: lines.collect(),
            calls: by_count
                .iter()
                .take(CALLS_MAX)
                .map(|(ends, tally)| Call::new(**ends, tally, &name, palette))
                .collect(),
            more: left_out(services, by_count.len()),
            nodes,
        }
    }
}

fn left_out(services: usize, calls: usize) -> Option<String> {
    if calls > CALLS_MAX {
        return Some(format!("{} of {} pairs of services are listed", CALLS_MAX, count(calls as u64)));
    }
    (services > DRAWN_MAX)
        .then(|| format!("{} are more than can be drawn ({DRAWN_MAX})", counted(services as u64, "service")))
}

/// Where the boxes are: a column for each layer, names from above.
fn places<'a>(counted: &Counted, name: &impl Fn(u32) -> &'a str) -> BTreeMap<u32, (usize, usize)> {
    let mut columns: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for (service, layer) in counted.layers() {
        columns.entry(layer).or_default().push(service);
    }
    let mut places = BTreeMap::new();
    for (layer, mut services) in columns {
        services.sort_by_key(|service| name(*service));
        for (place, service) in services.into_iter().enumerate() {
            places.insert(service, (MARGIN + layer * STEP.0, MARGIN + place * STEP.1));
        }
    }
    places
}

fn cut(name: &str) -> String {
    let mut shown: String = name.chars().take(NAME_CHARS).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

impl Line {
    /// A line from the right side of a box to the left one of another, bent more where it goes back.
    fn new(from: (usize, usize), to: (usize, usize), tally: &Tally, most: u64, words: String) -> Self {
        let (x1, y1) = (from.0 + BOX.0, from.1 + BOX.1 / 2);
        let (x2, y2) = (to.0, to.1 + BOX.1 / 2);
        let bend = if x2 > x1 { (x2 - x1) / 2 } else { STEP.0 / 3 };
        let share = (tally.count as f64).ln_1p() / (most as f64).ln_1p().max(f64::MIN_POSITIVE);
        Self {
            path: format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2 as i64 - bend as i64),
            width: format!("{:.1}", 1.0 + share * (LINE_MAX - 1.0)),
            failed: tally.errors > 0,
            words,
        }
    }
}

impl Call {
    fn new<'a>(
        (from, to): (u32, u32),
        tally: &Tally,
        name: &impl Fn(u32) -> &'a str,
        palette: &Palette,
    ) -> Self {
        Self {
            from: name(from).to_owned(),
            from_colour: palette.colour(name(from)),
            to: name(to).to_owned(),
            to_colour: palette.colour(name(to)),
            count: count(tally.count),
            errors: tally.errors,
            total: duration(tally.total),
            longest: duration(tally.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn services_stand_behind_those_that_call_them() {
        let trace = sample::shop();
        let (outline, _) = sample::outlined(&trace);
        let counted = Counted::of(&outline, &Choice::default());
        let layers = counted.layers();
        let number = |name: &str| outline.services.iter().position(|service| service == name).unwrap() as u32;
        for (name, layer) in [("frontend", 0), ("checkout", 1), ("session", 1), ("cart", 2), ("payment", 2)] {
            assert_eq!(layers[&number(name)], layer, "{name}");
        }
        let tally = counted.calls[&(number("checkout"), number("payment"))];
        assert_eq!((tally.count, tally.errors, tally.total), (1, 1, 696_000_000));
        let graph = ServiceGraph::new(&outline, &Palette::default(), &Choice::default());
        assert_eq!(graph.nodes.len(), layers.len());
        assert_eq!(graph.calls.len(), counted.calls.len());
    }

    #[test]
    fn rings_of_services_have_a_place_too() {
        let mut trace = sample::trace_of(&["a - 0", "b a 1", "c b 2", "d - 0"], &[]);
        for (span, service) in ["x", "y", "x", "z"].into_iter().enumerate() {
            trace.spans[span].service = service.to_owned();
        }
        let (outline, _) = sample::outlined(&trace);
        assert_eq!(Counted::of(&outline, &Choice::default()).layers().len(), 3);
    }
}
