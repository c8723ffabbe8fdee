//! What stands under what in a trace. Parents may be missing, be named twice, or form a circle, and a chain
//! of them may be as long as the trace: every span is shown once, and nothing here recurses.

use std::collections::HashMap;
use std::io;

use query::rows::{Event, Log, Span, Trace};

/// One line of a waterfall.
pub(super) enum Node<'a> {
    /// A span.
    Span(&'a Span),
    /// The heading of spans whose parent, of this id, is not stored.
    Missing(&'a str),
    /// The heading of spans that are each other's ancestors.
    Cycle,
    /// The heading of logs that belong to no span shown.
    Outside,
    /// What a failed span says.
    Message(&'a str),
    /// An event of the span above.
    Event(&'a Event),
    /// A log of the span above.
    Log(&'a Log),
}

/// A node and where it stands among its siblings.
struct Place<'a> {
    node: Node<'a>,
    time: i64,
    children: Vec<usize>,
}

/// The lines of a trace, in order. The first places are the spans, in the order of the trace.
pub(super) struct Tree<'a> {
    places: Vec<Place<'a>>,
    tops: Vec<usize>,
}

impl<'a> Tree<'a> {
    /// Puts everything under what it belongs to.
    pub(super) fn new(trace: &'a Trace) -> Self {
        let spans = &trace.spans;
        let place = |span: &'a Span| Place { node: Node::Span(span), time: span.start, children: Vec::new() };
        let mut tree = Self { places: spans.iter().map(place).collect(), tops: Vec::new() };
        let mut by_id: HashMap<&str, usize> = HashMap::with_capacity(spans.len());
        for (at, span) in spans.iter().enumerate() {
            // A span id that is there twice: what names it stands under the first.
            by_id.entry(&span.span_id).or_insert(at);
        }
        let parents = spans.iter().map(|span| parent_id(span).and_then(|id| by_id.get(id).copied()));
        let mut parents: Vec<Option<usize>> = parents.collect();
        let cycles = break_cycles(&mut parents, spans);
        let mut headings = Vec::new();
        tree.add_spans(spans, &parents, &cycles, &mut by_id, &mut headings);
        tree.add_rows(trace, &by_id, &mut headings);
        tree.sort(spans.len(), headings);
        tree
    }

    /// The first span without a parent, else the first of all.
    pub(super) fn first_root(&self) -> Option<&'a Span> {
        let span = |at: usize| match self.places.get(at)?.node {
            Node::Span(span) => Some(span),
            _ => None,
        };
        self.tops.iter().find_map(|top| span(*top)).or_else(|| span(0))
    }

    /// Visits every line in order. With it goes, for each level above it and its own, whether more siblings
    /// follow there.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(&[bool], &Node<'_>) -> io::Result<()>) -> io::Result<()> {
        for top in &self.tops {
            visit(&[], &self.places[*top].node)?;
            let mut stack = vec![self.places[*top].children.iter()];
            let mut levels = Vec::new();
            while let Some(siblings) = stack.last_mut() {
                let Some(at) = siblings.next() else {
                    stack.pop();
                    continue;
                };
                let more = !siblings.as_slice().is_empty();
                levels.truncate(stack.len() - 1);
                levels.push(more);
                visit(&levels, &self.places[*at].node)?;
                stack.push(self.places[*at].children.iter());
            }
        }
        Ok(())
    }

    fn add(&mut self, node: Node<'a>, time: i64) -> usize {
        self.places.push(Place { node, time, children: Vec::new() });
        self.places.len() - 1
    }

    /// Spans under their parents; those without one on top, under a heading where that needs a word. The
    /// headings of missing parents join `by_id`, so that logs of those find them.
    fn add_spans(
        &mut self,
        spans: &'a [Span],
        parents: &[Option<usize>],
        cycles: &[bool],
        by_id: &mut HashMap<&'a str, usize>,
        headings: &mut Vec<usize>,
    ) {
        for (at, span) in spans.iter().enumerate() {
            match (parents[at], parent_id(span)) {
                (Some(parent), _) => self.places[parent].children.push(at),
                (None, None) => self.tops.push(at),
                (None, Some(_)) if cycles[at] => {
                    let heading = self.add(Node::Cycle, span.start);
                    self.places[heading].children.push(at);
                    headings.push(heading);
                }
                (None, Some(id)) => {
                    let heading = *by_id.entry(id).or_insert_with(|| {
                        headings.push(self.places.len());
                        self.places.push(Place {
                            node: Node::Missing(id),
                            time: span.start,
                            children: Vec::new(),
                        });
                        self.places.len() - 1
                    });
                    self.places[heading].children.push(at);
                }
            }
        }
    }

    /// Events, messages and logs under their spans; logs without one under a heading at the end.
    fn add_rows(&mut self, trace: &'a Trace, by_id: &HashMap<&'a str, usize>, headings: &mut Vec<usize>) {
        for (at, span) in trace.spans.iter().enumerate() {
            if let Some(message) = span.status_message.as_deref().filter(|message| !message.is_empty()) {
                let row = self.add(Node::Message(message), i64::MIN);
                self.places[at].children.push(row);
            }
            for event in &span.events {
                let row = self.add(Node::Event(event), event.time);
                self.places[at].children.push(row);
            }
        }
        let mut outside = None;
        for log in &trace.logs {
            let above = log.span_id.as_deref().and_then(|id| by_id.get(id).copied());
            let above = above.or(outside).unwrap_or_else(|| {
                let heading = self.add(Node::Outside, i64::MAX);
                headings.push(heading);
                outside = Some(heading);
                heading
            });
            let row = self.add(Node::Log(log), log.time);
            self.places[above].children.push(row);
        }
    }

    /// Siblings in order of time, what happened before what began at the same time; headings after the roots.
    fn sort(&mut self, spans: usize, headings: Vec<usize>) {
        let times: Vec<i64> = self.places.iter().map(|place| place.time).collect();
        for place in &mut self.places {
            place.children.sort_by_key(|at| (times[*at], *at < spans, *at));
        }
        self.tops.sort_by_key(|at| (times[*at], *at));
        let (mut headings, outside): (Vec<_>, Vec<_>) =
            headings.into_iter().partition(|at| !matches!(self.places[*at].node, Node::Outside));
        headings.sort_by_key(|at| (times[*at], *at));
        self.tops.extend(headings);
        self.tops.extend(outside);
    }
}

/// The id of a span's parent, if it has one.
fn parent_id(span: &Span) -> Option<&str> {
    span.parent_span_id.as_deref().filter(|id| !id.is_empty())
}

/// Takes the parent from the earliest span of every circle, and returns which spans those are.
fn break_cycles(parents: &mut [Option<usize>], spans: &[Span]) -> Vec<bool> {
    /// Never walked over.
    const NEW: usize = 0;
    let mut walked = vec![NEW; parents.len()];
    let mut cut = vec![false; parents.len()];
    for start in 0..parents.len() {
        let walk = start + 1;
        let mut at = Some(start);
        while let Some(span) = at.filter(|span| walked[*span] == NEW) {
            walked[span] = walk;
            at = parents[span];
        }
        // Walked over in this walk already: the way up led back.
        if let Some(met) = at.filter(|span| walked[*span] == walk) {
            let circle = std::iter::successors(parents[met], |span| parents[*span].filter(|_| *span != met));
            let earliest = circle.min_by_key(|span| (spans[*span].start, *span)).unwrap_or(met);
            parents[earliest] = None;
            cut[earliest] = true;
        }
    }
    cut
}
