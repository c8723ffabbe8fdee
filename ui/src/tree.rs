//! A trace as rows, depth first: each span, and under it in order of time its child spans, events and logs.
//!
//! Traces arrive as they please. A span whose parent is not stored stands with its siblings under a *gap*; spans
//! that are each other's ancestors stand under a gap that says so; spans that share an id all appear, and what
//! names that id as its parent hangs under the first of them. Every span and log is in exactly one row. All
//! walks are loops, so depth costs memory but never the stack.

use std::collections::HashMap;

use query::rows::Trace;

/// How many levels of connecting lines are kept; what is deeper is drawn at this level and says its depth.
pub(crate) const GUIDES_MAX: usize = 16;

/// What a row shows; numbers are places in the trace's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// A span.
    Span(usize),
    /// An event of a span.
    Event(usize, usize),
    /// A log record.
    Log(usize),
    /// A place where something is missing: number in [`Layout::gaps`].
    Gap(usize),
}

/// Why there is a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The span of this id is named but not stored.
    Missing(String),
    /// The spans below are each other's ancestors.
    Cycle,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// What it shows.
    pub(crate) item: Item,
    /// How many rows it hangs under.
    pub(crate) depth: usize,
    /// Which connecting lines go on below: bit k is the line between levels k and k + 1.
    pub(crate) guides: u32,
    /// How many rows hang directly under it.
    pub(crate) children: usize,
}

/// All rows of a trace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// Depth first.
    pub(crate) rows: Vec<Row>,
    /// The gaps among them.
    pub(crate) gaps: Vec<Gap>,
}

/// A row to be placed among its siblings.
#[derive(Debug, Clone, Copy)]
struct Node {
    time: i64,
    /// At equal times events come first, then logs, then child spans.
    rank: u8,
    item: Item,
}

impl Node {
    fn new(time: i64, item: Item) -> Self {
        let rank = match item {
            Item::Event(..) => 0,
            Item::Log(_) => 1,
            Item::Span(_) => 2,
            Item::Gap(_) => 3,
        };
        Self { time, rank, item }
    }
}

/// Lays out a trace.
pub(crate) fn layout(trace: &Trace) -> Layout {
    let mut forest = Forest::of(trace);
    forest.break_cycles(trace);
    forest.walk()
}

/// Who hangs under whom.
struct Forest {
    /// By span.
    children: Vec<Vec<Node>>,
    /// By gap.
    orphans: Vec<Vec<Node>>,
    gaps: Vec<Gap>,
    top: Vec<Node>,
    /// The stored parent of each span.
    parents: Vec<Option<usize>>,
}

impl Forest {
    fn of(trace: &Trace) -> Self {
        let mut by_id: HashMap<&str, usize> = HashMap::with_capacity(trace.spans.len());
        for (index, span) in trace.spans.iter().enumerate() {
            by_id.entry(span.span_id.as_str()).or_insert(index);
        }
        let mut forest = Self {
            children: vec![Vec::new(); trace.spans.len()],
            orphans: Vec::new(),
            gaps: Vec::new(),
            top: Vec::new(),
            parents: vec![None; trace.spans.len()],
        };
        let mut missing: HashMap<&str, usize> = HashMap::new();
        for (index, span) in trace.spans.iter().enumerate() {
            let named = span.parent_span_id.as_deref().filter(|id| !id.is_empty());
            forest.parents[index] = named.and_then(|id| by_id.get(id).copied());
            forest.hang(Node::new(span.start, Item::Span(index)), named, &by_id, &mut missing);
            let events = span.events.iter().enumerate();
            let events = events.map(|(number, event)| Node::new(event.time, Item::Event(index, number)));
            forest.children[index].extend(events);
        }
        for (index, log) in trace.logs.iter().enumerate() {
            let named = log.span_id.as_deref().filter(|id| !id.is_empty());
            forest.hang(Node::new(log.time, Item::Log(index)), named, &by_id, &mut missing);
        }
        forest
    }

    fn hang<'a>(
        &mut self,
        node: Node,
        under: Option<&'a str>,
        by_id: &HashMap<&str, usize>,
        missing: &mut HashMap<&'a str, usize>,
    ) {
        let Some(id) = under else { return self.top.push(node) };
        match by_id.get(id) {
            Some(parent) => self.children[*parent].push(node),
            None => {
                let gap = *missing.entry(id).or_insert_with(|| {
                    self.gaps.push(Gap::Missing(id.to_owned()));
                    self.orphans.push(Vec::new());
                    self.gaps.len() - 1
                });
                self.orphans[gap].push(node);
            }
        }
    }

    /// Cuts each ring of parents at its earliest span and hangs that under a gap.
    fn break_cycles(&mut self, trace: &Trace) {
        const UNSEEN: usize = usize::MAX;
        // Which walk upwards came by first; a walk that meets itself has gone round a ring.
        let mut seen_by = vec![UNSEEN; self.parents.len()];
        for first in 0..self.parents.len() {
            let mut at = first;
            while seen_by[at] == UNSEEN {
                seen_by[at] = first;
                match self.parents[at] {
                    Some(parent) => at = parent,
                    None => break,
                }
            }
            if seen_by[at] == first && self.is_ring(at) {
                self.cut(trace, at);
            }
        }
    }

    /// Whether walking up from a span leads back to it.
    fn is_ring(&self, start: usize) -> bool {
        let mut at = self.parents[start];
        for _ in 0..self.parents.len() {
            match at {
                Some(span) if span == start => return true,
                Some(span) => at = self.parents[span],
                None => return false,
            }
        }
        false
    }

    fn cut(&mut self, trace: &Trace, on_ring: usize) {
        let mut earliest = on_ring;
        let mut at = self.parents[on_ring];
        while let Some(span) = at.filter(|span| *span != on_ring) {
            if (trace.spans[span].start, span) < (trace.spans[earliest].start, earliest) {
                earliest = span;
            }
            at = self.parents[span];
        }
        if let Some(parent) = self.parents[earliest].take() {
            self.children[parent].retain(|node| node.item != Item::Span(earliest));
        }
        self.gaps.push(Gap::Cycle);
        self.orphans.push(vec![Node::new(trace.spans[earliest].start, Item::Span(earliest))]);
    }

    fn walk(mut self) -> Layout {
        // Gaps follow the roots: what is certain first.
        self.top.sort_by_key(|node| (node.time, node.rank));
        let mut gaps: Vec<Node> = Vec::with_capacity(self.gaps.len());
        for (gap, orphans) in self.orphans.iter().enumerate() {
            let time = orphans.iter().map(|node| node.time).min().unwrap_or_default();
            gaps.push(Node::new(time, Item::Gap(gap)));
        }
        gaps.sort_by_key(|node| node.time);
        self.top.append(&mut gaps);

        let mut rows = Vec::new();
        let mut stack: Vec<(Item, usize, u32)> =
            self.top.iter().rev().map(|node| (node.item, 0, 0)).collect();
        while let Some((item, depth, guides)) = stack.pop() {
            let mut below = match item {
                Item::Span(span) => std::mem::take(&mut self.children[span]),
                Item::Gap(gap) => std::mem::take(&mut self.orphans[gap]),
                Item::Event(..) | Item::Log(_) => Vec::new(),
            };
            below.sort_by_key(|node| (node.time, node.rank));
            rows.push(Row { item, depth, guides, children: below.len() });
            let line = if depth < GUIDES_MAX { 1 << depth } else { 0 };
            for (place, node) in below.iter().enumerate().rev() {
                let goes_on = if place + 1 < below.len() { guides | line } else { guides };
                stack.push((node.item, depth + 1, goes_on));
            }
        }
        Layout { rows, gaps: self.gaps }
    }
}

#[cfg(test)]
mod tests;
