//! The spans of one trace as trees, with the time that each spent itself and on the critical path.
//!
//! The critical path of a tree is what its duration consists of: if a part of it had been shorter, the whole would
//! have been. It is found backwards from the root's end, as CRISP does it (Zhang et al., "CRISP: Critical Path
//! Analysis of Large-Scale Microservice Architectures", USENIX ATC 2022) and the page of Jaeger: of the children that
//! ended by then the last one to end was waited for; the time between its end and then is the span's own. The walk
//! goes on within that child, and in the span from where the child began. A child is cut to the time of its parent
//! before, so that what goes on after its parent, such as asynchronous work, counts as far as its parent goes.
//!
//! Traces arrive as they please: of spans that share an id the first has the children; spans that are each other's
//! ancestors are cut at the earliest. All walks are loops, so that depth costs memory and never the stack.

use std::cmp::Reverse;
use std::collections::HashMap;

/// The id of a span.
pub(super) type SpanId = [u8; 8];

/// What is needed of a span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    /// Nanoseconds.
    pub(super) start: i64,
    pub(super) duration: i64,
}

impl Span {
    fn time(&self) -> Time {
        Time { start: self.start, end: self.start.saturating_add(self.duration.max(0)) }
    }
}

/// A span in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number in what was given.
    pub(super) span: usize,
    /// How far below its root, which is 0.
    pub(super) depth: i64,
    /// The number of its root.
    pub(super) root: usize,
    pub(super) on_critical_path: bool,
    /// Time on the critical path that is its own, and not of a child.
    pub(super) critical_ns: i64,
    /// Time in which none of its children ran.
    pub(super) self_ns: i64,
}

/// A stretch of time in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Time {
    start: i64,
    end: i64,
}

impl Time {
    fn within(self, outer: Self) -> Self {
        let start = self.start.max(outer.start);
        Self { start, end: self.end.min(outer.end).max(start) }
    }

    fn length(self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// Spans, given by start, as trees: depth first, children by start.
pub(super) fn places(spans: &[Span]) -> Vec<Place> {
    let parents = parents(spans);
    let mut children = vec![Vec::new(); spans.len()];
    for (span, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(span);
        }
    }
    let mut places = depth_first(&parents, &children);
    for place in &mut places {
        place.self_ns = alone(spans, place.span, &children[place.span]);
    }
    find_critical(spans, &children, &mut places);
    places
}

/// The stored parent of each span. Each ring of parents is cut at its earliest span.
fn parents(spans: &[Span]) -> Vec<Option<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut by_id: HashMap<SpanId, usize> = HashMap::with_capacity(spans.len());
    for (number, span) in spans.iter().enumerate() {
        by_id.entry(span.id).or_insert(number);
    }
    let parent = |span: &Span| by_id.get(&span.parent?).copied();
    let mut parents: Vec<Option<usize>> = spans.iter().map(parent).collect();
    // Which walk upwards came by first; a walk that meets itself has gone round a ring.
    let mut seen_by = vec![UNSEEN; spans.len()];
    for first in 0..spans.len() {
        let mut at = Some(first);
        while let Some(span) = at.filter(|span| seen_by[*span] == UNSEEN) {
            seen_by[span] = first;
            at = parents[span];
        }
        if let Some(met) = at.filter(|span| seen_by[*span] == first) {
            let mut earliest = met;
            let mut around = parents[met];
            while let Some(span) = around.filter(|span| *span != met) {
                earliest = earliest.min(span);
                around = parents[span];
            }
            parents[earliest] = None;
        }
    }
    parents
}

fn depth_first(parents: &[Option<usize>], children: &[Vec<usize>]) -> Vec<Place> {
    let mut places = Vec::with_capacity(parents.len());
    let roots = (0..parents.len()).rev().filter(|span| parents[*span].is_none());
    let mut left: Vec<(usize, i64, usize)> = roots.map(|root| (root, 0, root)).collect();
    while let Some((span, depth, root)) = left.pop() {
        places.push(Place { span, depth, root, on_critical_path: false, critical_ns: 0, self_ns: 0 });
        left.extend(children[span].iter().rev().map(|child| (*child, depth + 1, root)));
    }
    places
}

/// The time of a span in which none of its children ran.
fn alone(spans: &[Span], span: usize, children: &[usize]) -> i64 {
    let own = spans[span].time();
    let (mut covered, mut reached) = (0i64, own.start);
    for child in children {
        let child = spans[*child].time().within(Time { start: reached, end: own.end });
        covered = covered.saturating_add(child.length());
        reached = reached.max(child.end);
    }
    own.length().saturating_sub(covered)
}

/// Marks the critical path of each tree. Parents come before their children.
fn find_critical(spans: &[Span], children: &[Vec<usize>], places: &mut [Place]) {
    let mut times: Vec<Time> = spans.iter().map(Span::time).collect();
    let mut on_path = vec![false; spans.len()];
    for place in places {
        let span = place.span;
        for child in &children[span] {
            times[*child] = times[*child].within(times[span]);
        }
        if !(place.depth == 0 || on_path[span]) {
            continue;
        }
        place.on_critical_path = true;
        let mut by_end: Vec<usize> =
            children[span].iter().copied().filter(|child| times[*child].length() > 0).collect();
        by_end.sort_by_key(|child| (Reverse(times[*child].end), times[*child].start, *child));
        let mut then = times[span].end;
        for child in by_end {
            let child_time = times[child];
            if child_time.end <= then {
                place.critical_ns = place.critical_ns.saturating_add(then.saturating_sub(child_time.end));
                on_path[child] = true;
                then = child_time.start;
            }
        }
        let before = then.saturating_sub(times[span].start);
        place.critical_ns = place.critical_ns.saturating_add(before);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(id: u8, parent: u8, start: i64, end: i64) -> Span {
        let id_of = |number: u8| [number; 8];
        let parent = (parent > 0).then(|| id_of(parent));
        Span { id: id_of(id), parent, start, duration: end - start }
    }

    /// Per span: id, depth, id of the root, on the path, critical, self.
    fn found(spans: &[Span]) -> Vec<(u8, i64, u8, bool, i64, i64)> {
        let id = |number: usize| spans[number].id[0];
        let shown = |place: &Place| {
            let Place { span, depth, root, on_critical_path, critical_ns, self_ns } = *place;
            (id(span), depth, id(root), on_critical_path, critical_ns, self_ns)
        };
        places(spans).iter().map(shown).collect()
    }

    #[test]
    fn trees_and_paths() {
        let cases = [
            ("nothing", vec![], vec![]),
            (
                "one after the other, and one beside them that ends before",
                vec![span(1, 0, 0, 100), span(2, 1, 10, 40), span(4, 1, 20, 80), span(3, 1, 50, 90)],
                vec![
                    (1, 0, 1, true, 30, 20),
                    (2, 1, 1, true, 30, 30),
                    (4, 1, 1, false, 0, 60),
                    (3, 1, 1, true, 40, 40),
                ],
            ),
            (
                "work that goes on after its parent is cut, as is its own child",
                vec![span(1, 0, 0, 100), span(2, 1, 60, 200), span(3, 2, 90, 150), span(4, 1, 120, 130)],
                vec![
                    (1, 0, 1, true, 60, 60),
                    (2, 1, 1, true, 30, 80),
                    (3, 2, 1, true, 10, 60),
                    (4, 1, 1, false, 0, 10),
                ],
            ),
            (
                "a parent that is not stored makes a root, with a path of its own",
                vec![span(1, 0, 0, 10), span(2, 9, 5, 30), span(3, 2, 10, 20)],
                vec![(1, 0, 1, true, 10, 10), (2, 0, 2, true, 15, 15), (3, 1, 2, true, 10, 10)],
            ),
            (
                "a ring is cut at its earliest, and a span may name itself",
                vec![span(5, 5, 0, 1), span(1, 3, 10, 40), span(2, 1, 15, 30), span(3, 2, 20, 25)],
                vec![
                    (5, 0, 5, true, 1, 1),
                    (1, 0, 1, true, 15, 15),
                    (2, 1, 1, true, 10, 10),
                    (3, 2, 1, true, 5, 5),
                ],
            ),
            (
                "of spans with one id the first has the children",
                vec![span(1, 0, 0, 10), span(1, 0, 2, 9), span(2, 1, 3, 5)],
                vec![(1, 0, 1, true, 8, 8), (2, 1, 1, true, 2, 2), (1, 0, 1, true, 7, 7)],
            ),
            (
                "times that make no sense",
                vec![span(1, 0, 10, 5), span(2, 1, 12, 14), span(3, 0, i64::MAX - 1, i64::MAX)],
                vec![(1, 0, 1, true, 0, 0), (2, 1, 1, false, 0, 2), (3, 0, 3, true, 1, 1)],
            ),
        ];
        for (what, spans, expected) in cases {
            assert_eq!(found(&spans), expected, "{what}");
        }
    }

    #[test]
    fn deep_traces_do_not_need_the_stack() {
        let chain: Vec<Span> = (0..100_000u64)
            .map(|number| Span {
                id: number.to_be_bytes(),
                parent: number.checked_sub(1).map(u64::to_be_bytes),
                start: number as i64,
                duration: 1_000_000,
            })
            .collect();
        let places = places(&chain);
        assert_eq!(places.last().map(|place| place.depth), Some(99_999));
    }

    proptest! {
        /// Every span has one place, and the path of a tree is as long as its root.
        #[test]
        fn paths_are_whole(mut spans in prop::collection::vec((1u8..12, 0u8..12, 0i64..50, 0i64..50), 0..20)) {
            spans.sort_by_key(|(_, _, start, _)| *start);
            let spans: Vec<Span> =
                spans.iter().map(|(id, parent, start, long)| span(*id, *parent, *start, start + long)).collect();
            let places = places(&spans);
            let mut seen: Vec<usize> = places.iter().map(|place| place.span).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..spans.len()).collect::<Vec<_>>());
            for root in places.iter().filter(|place| place.depth == 0) {
                let of_root = places.iter().filter(|place| place.root == root.span);
                let length: i64 = of_root.map(|place| place.critical_ns).sum();
                prop_assert_eq!(length, spans[root.span].duration);
            }
        }
    }
}
