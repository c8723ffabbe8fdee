//! What usually follows and now does not, and what happens now and usually does not.
//!
//! Pairs of events as in Nezha (Yu et al. 2023), but conditional: among the spans of one context that contain the event
//! A, does B, which stands next to A in the reference, still occur? It is presence that is asked for, not order, since
//! clocks of logs and spans differ by milliseconds. Fisher's exact test, one-sided, over counts divided by their
//! over-dispersion; pairs that cannot be a discovery are left out (Tarone 1990); a false discovery rate over all pairs
//! (Benjamini and Hochberg 1995).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::counts::{self, Logging, Rate, ShapeCounts, by_minute, pooled};
use crate::frame::{EMPTY, Event, FAILED, Frame, START};
use crate::stats::{Urn, discoveries};

/// What no test of a few thousand can discover.
const P_HOPELESS: f64 = 1e-3;
/// How much a statement counts as a follower of another where calls stand between: a tie goes to what follows directly.
const NOT_DIRECT: f64 = 0.9;
/// Spans of a context in the reference, and in the window, that are needed.
const REFERENCE_SPANS_MIN: f64 = 3.0;
const WINDOW_SPANS_MIN: f64 = 2.0;

/// An event and what no longer, or only now, follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair {
    pub(crate) before: u32,
    pub(crate) after: u32,
    /// Whether it is new; else it is missing.
    pub(crate) is_new: bool,
}

/// A shape that is not as usual.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broken {
    /// How much of such spans is due to what changed: from 0 to 1.
    pub(crate) weight: f64,
    /// Where it broke, the most telling first.
    pub(crate) pairs: Vec<Pair>,
}

/// A difference that is a discovery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Difference {
    pub(crate) context: u32,
    pub(crate) pair: Pair,
    pub(crate) p: f64,
    /// The rate in the reference and in the window.
    pub(crate) usual: f64,
    pub(crate) now: f64,
    /// Spans of the window that it is a rate of.
    pub(crate) spans: f64,
    hits: f64,
    /// How often the second stood directly after the first.
    follows: f64,
}

/// Tests that share a false discovery rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    NewError,
    Missing,
    NewNothing,
}

const FAMILIES: [Family; 3] = [Family::NewError, Family::Missing, Family::NewNothing];

impl Difference {
    fn family(&self, frame: &Frame) -> Family {
        match self.pair.is_new {
            false => Family::Missing,
            true if is_error(frame, self.pair.after) => Family::NewError,
            true => Family::NewNothing,
        }
    }
}

/// Whether an event says that something failed.
pub(crate) fn is_error(frame: &Frame, event: u32) -> bool {
    event == FAILED || matches!(frame.events[event as usize], Event::Log(_, _, true))
}

/// What the structure of the traces tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Structure {
    /// By context and shape.
    pub(crate) broken: HashMap<(u32, u32), Broken>,
    pub(crate) differences: Vec<Difference>,
}

/// Compares a window with its reference.
pub(crate) fn structure(frame: &Frame, window: &[u32], reference: &[u32], logging: &Logging) -> Structure {
    let now = counts::shapes(frame, window, logging);
    let then = counts::shapes(frame, reference, logging);
    let minutes: Vec<ShapeCounts> =
        by_minute(frame, reference).values().map(|rows| counts::shapes(frame, rows, logging)).collect();
    let mut tests = Vec::new();
    for (context, now) in &now {
        let Some(then) = then.get(context) else { continue };
        let minutes: Vec<&BTreeMap<u32, f64>> =
            minutes.iter().filter_map(|minute| minute.get(context)).collect();
        Place { frame, context: *context, now, then, minutes }.test(&mut tests);
    }
    // Families of their own, so that the few tests of errors do not pay for the many others.
    let cuts = FAMILIES.map(|family| {
        let of: Vec<f64> =
            tests.iter().filter(|test| test.family(frame) == family).map(|test| test.p).collect();
        (family, discoveries(&of))
    });
    tests.retain(|test| {
        let cut = cuts.iter().find(|(family, _)| *family == test.family(frame));
        cut.is_some_and(|(_, cut)| test.p <= *cut)
    });
    Structure { broken: broken(frame, &now, &then, &tests), differences: tests }
}

/// One context in the window and the reference.
struct Place<'a> {
    frame: &'a Frame,
    context: u32,
    now: &'a BTreeMap<u32, f64>,
    then: &'a BTreeMap<u32, f64>,
    minutes: Vec<&'a BTreeMap<u32, f64>>,
}

impl Place<'_> {
    fn test(&self, tests: &mut Vec<Difference>) {
        let all_then: f64 = self.then.values().sum();
        let all_now: f64 = self.now.values().sum();
        if all_then < REFERENCE_SPANS_MIN || all_now < WINDOW_SPANS_MIN {
            return;
        }
        let (usual, present) = (self.spans_with(self.then), self.spans_with(self.now));
        for ((before, after), follows) in self.neighbours() {
            let spans = present.get(&before).copied().unwrap_or(0.0);
            // An error that no longer comes is no fault.
            if spans >= WINDOW_SPANS_MIN && !is_error(self.frame, after) {
                tests.extend(self.gone(before, after, usual[&before], spans, follows));
            }
        }
        // What says that the code failed or did nothing. To go further than usual is no fault, and a detour shows as what
        // is missing.
        for (event, hits) in present {
            if event == EMPTY || is_error(self.frame, event) {
                tests.extend(self.fresh(event, hits, all_then, all_now));
            }
        }
    }

    fn events(&self, shape: u32) -> &[u32] {
        &self.frame.shapes[shape as usize]
    }

    /// How many spans have each event.
    fn spans_with(&self, shapes: &BTreeMap<u32, f64>) -> BTreeMap<u32, f64> {
        let mut spans = BTreeMap::new();
        for (shape, count) in shapes {
            let events: BTreeSet<u32> = self.events(*shape).iter().copied().collect();
            events.into_iter().for_each(|event| *spans.entry(event).or_default() += count);
        }
        spans
    }

    /// In how many spans of the reference one event stood next to another; statements also where calls stand between,
    /// which counts a little less.
    fn neighbours(&self) -> BTreeMap<(u32, u32), f64> {
        let is_log = |event: &u32| matches!(self.frame.events[*event as usize], Event::Log(..));
        let mut found = BTreeMap::new();
        for (shape, count) in self.then {
            let events = self.events(*shape);
            let logs: Vec<u32> = events.iter().copied().filter(is_log).collect();
            let pairs = |events: &[u32]| -> BTreeSet<(u32, u32)> {
                let pairs = events.windows(2).map(|pair| (pair[0], pair[1]));
                pairs.filter(|(_, after)| ![EMPTY, FAILED].contains(after)).collect()
            };
            let (direct, of_logs) = (pairs(events), pairs(&logs));
            for pair in of_logs.difference(&direct) {
                *found.entry(*pair).or_default() += NOT_DIRECT * count;
            }
            direct.into_iter().for_each(|pair| *found.entry(pair).or_default() += count);
        }
        found
    }

    /// Spans with an event, and those of them with the other one too.
    fn both(&self, shapes: &BTreeMap<u32, f64>, before: u32, after: u32) -> (f64, f64) {
        let (mut spans, mut hits) = (0.0, 0.0);
        for (shape, count) in shapes {
            let events = self.events(*shape);
            if events.contains(&before) {
                spans += count;
                hits += if events.contains(&after) { *count } else { 0.0 };
            }
        }
        (spans, hits)
    }

    fn gone(
        &self,
        before: u32,
        after: u32,
        usual_spans: f64,
        spans: f64,
        follows: f64,
    ) -> Option<Difference> {
        let trials =
            self.minutes.iter().map(|minute| self.both(minute, before, after)).filter(|(n, _)| *n > 0.0);
        let usual = pooled(trials)?;
        let (_, hits) = self.both(self.now, before, after);
        let now = hits / spans;
        let (urn, found) = urn(usual, usual_spans, spans, now);
        if urn.at_most(urn.fewest()) > P_HOPELESS {
            return None;
        }
        let p = if now < usual.rate { urn.at_most(found) } else { 1.0 };
        let (pair, follows) = (Pair { before, after, is_new: false }, follows / usual_spans);
        Some(Difference { context: self.context, pair, p, usual: usual.rate, now, spans, hits, follows })
    }

    fn fresh(&self, event: u32, hits: f64, all_then: f64, all_now: f64) -> Option<Difference> {
        let with = |shapes: &BTreeMap<u32, f64>| -> f64 {
            shapes
                .iter()
                .filter(|(shape, _)| self.events(**shape).contains(&event))
                .map(|(_, count)| count)
                .sum()
        };
        let usual = pooled(self.minutes.iter().map(|minute| (minute.values().sum(), with(minute))))?;
        let now = hits / all_now;
        let (urn, found) = urn(usual, all_then, all_now, now);
        if urn.at_least(urn.most()) > P_HOPELESS {
            return None;
        }
        let p = if now > usual.rate { urn.at_least(found) } else { 1.0 };
        let pair = Pair { before: START, after: event, is_new: true };
        let (context, usual) = (self.context, usual.rate);
        Some(Difference { context, pair, p, usual, now, spans: all_now, hits, follows: 0.0 })
    }
}

/// What both counts are drawn from, divided by their over-dispersion, and how many of the window's were drawn.
fn urn(usual: Rate, usual_spans: f64, spans: f64, now: f64) -> (Urn, u64) {
    let scaled = |count: f64| (count / usual.dispersion).round().max(1.0);
    let (then, draws) = (scaled(usual_spans), scaled(spans));
    let (usual_hits, hits) = ((usual.rate * then).round(), (now * draws).round());
    let urn =
        Urn { population: (then + draws) as u64, marked: (usual_hits + hits) as u64, draws: draws as u64 };
    (urn, hits as u64)
}

/// The shapes in which something is missing or new.
fn broken(
    frame: &Frame,
    now: &ShapeCounts,
    then: &ShapeCounts,
    found: &[Difference],
) -> HashMap<(u32, u32), Broken> {
    let mut of_contexts: BTreeMap<u32, Vec<&Difference>> = BTreeMap::new();
    found.iter().for_each(|difference| of_contexts.entry(difference.context).or_default().push(difference));
    let mut broken = HashMap::new();
    for (context, found) in of_contexts {
        let usual = then.get(&context).map(|shapes| followers(frame, shapes)).unwrap_or_default();
        let shapes = |counts: &ShapeCounts| -> Vec<u32> {
            counts.get(&context).into_iter().flat_map(|shapes| shapes.keys().copied()).collect()
        };
        let shapes: BTreeSet<u32> = shapes(now).into_iter().chain(shapes(then)).collect();
        for shape in shapes {
            if let Some(of) =
                of_shape(frame, &frame.shapes[shape as usize], &found, now.get(&context), &usual)
            {
                broken.insert((context, shape), of);
            }
        }
    }
    broken
}

/// By event, what most often follows it.
fn followers(frame: &Frame, shapes: &BTreeMap<u32, f64>) -> BTreeMap<u32, u32> {
    let mut counts: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (shape, count) in shapes {
        for pair in frame.shapes[*shape as usize].windows(2) {
            if ![EMPTY, FAILED].contains(&pair[1]) {
                *counts.entry((pair[0], pair[1])).or_default() += count;
            }
        }
    }
    let mut most: BTreeMap<u32, (f64, u32)> = BTreeMap::new();
    for ((before, after), count) in counts {
        let known = most.entry(before).or_default();
        if count > known.0 {
            *known = (count, after);
        }
    }
    most.into_iter().map(|(before, (_, after))| (before, after)).collect()
}

/// What is broken in one sequence of events.
fn of_shape(
    frame: &Frame,
    events: &[u32],
    found: &[&Difference],
    now: Option<&BTreeMap<u32, f64>>,
    usual: &BTreeMap<u32, u32>,
) -> Option<Broken> {
    let mut gone: Vec<(i64, std::cmp::Reverse<usize>, Pair, f64)> = Vec::new();
    let mut new: Option<(f64, Pair)> = None;
    for difference in found.iter().filter(|difference| !difference.pair.is_new) {
        let Pair { before, after, .. } = difference.pair;
        let Some(at) = events.iter().position(|event| *event == before) else { continue };
        if events.contains(&after) {
            continue;
        }
        let missing = (difference.spans - difference.hits).max(1.0);
        // It explains the bad ones, and the good ones do not have it (Ochiai's two factors).
        let lost = difference.usual - difference.now;
        let weight = lost * difference.spans / missing * (lost / difference.usual).sqrt();
        // Most telling first: how much is due to it, and how directly it followed; then the last that still happened.
        let order = -(weight * difference.follows * 1e3).round() as i64;
        gone.push((order, std::cmp::Reverse(at), difference.pair, weight));
    }
    for (at, event) in events.iter().enumerate().skip(1) {
        let is_it = |difference: &&&Difference| difference.pair.is_new && difference.pair.after == *event;
        if let Some(difference) = found.iter().find(is_it) {
            let with_before: f64 = now
                .into_iter()
                .flatten()
                .filter(|(shape, _)| frame.shapes[**shape as usize].contains(&events[at - 1]))
                .map(|(_, count)| count)
                .sum();
            let complete = (difference.hits / with_before.max(1e-9)).min(1.0).sqrt();
            let weight = (1.0 - difference.usual / difference.now) * complete;
            if new.is_none_or(|(most, _)| weight > most) && weight > 0.0 {
                new = Some((weight, Pair { before: events[at - 1], ..difference.pair }));
            }
        }
    }
    gone.sort_by_key(|(order, at, pair, _)| (*order, *at, *pair));
    let weights = gone.iter().map(|(.., weight)| *weight).chain(new.map(|(weight, _)| weight));
    let weight = weights.fold(0.0_f64, f64::max);
    let mut pairs: Vec<Pair> = gone.iter().map(|(.., pair, _)| *pair).collect();
    if let Some((_, fresh)) = new {
        // What should have come instead stands before what came.
        let instead = usual.get(&fresh.before).filter(|after| !events.contains(after));
        let instead = instead.map(|after| Pair { before: fresh.before, after: *after, is_new: false });
        pairs.extend(instead.filter(|pair| !pairs.contains(pair)).into_iter().collect::<Vec<_>>());
        pairs.push(fresh);
    }
    (!pairs.is_empty()).then_some(Broken { weight, pairs })
}

impl Structure {
    /// What is broken in a row.
    pub(crate) fn of_row(&self, frame: &Frame, row: u32, logging: &Logging) -> Option<&Broken> {
        self.broken.get(&(frame.context[row as usize], logging.shape(frame, row)))
    }
}
