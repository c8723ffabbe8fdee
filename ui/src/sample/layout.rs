//! A trace as the engine would outline it, for tests of pages.

use std::collections::{HashMap, HashSet};

use query::outline::{Decoded, Flags, Head, Row as OutlineRow, Sort};
use query::rows::{RowDetail, Trace, TraceRow};

/// The outline of a trace, and what is behind all of its rows.
pub(crate) fn outlined(trace: &Trace) -> (Decoded, Vec<TraceRow>) {
    let layout = layout(trace);
    let mut outline = Decoded { head: head(trace, &layout), ..Decoded::default() };
    let mut ids = HashSet::new();
    let (mut details, mut path, mut rows_of_spans) = (Vec::new(), Vec::new(), HashMap::new());
    for (number, row) in layout.rows.iter().enumerate() {
        path.truncate(row.depth);
        let distance = path.last().map_or(0, |parent| number - parent);
        path.push(number);
        if let Item::Span(span) = row.item {
            rows_of_spans.insert(span, number);
        }
        let detail = detail(trace, &layout, row.item, &rows_of_spans);
        outline_row(&mut outline, &detail, distance, trace.start);
        if let RowDetail::Span(span) = &detail {
            let flags = &mut outline.rows[number].flags.0;
            *flags |= if ids.insert(span.span_id.clone()) { 0 } else { Flags::REPEATED };
        }
        details.push(TraceRow { row: number as u64, detail });
    }
    (outline, details)
}

fn head(trace: &Trace, layout: &Layout) -> Head {
    let (spans, logs) = (trace.spans.len() as u64, trace.logs.len() as u64);
    Head {
        trace_id: trace.trace_id.clone(),
        outline: "1.2.3".to_owned(),
        start: trace.start.to_string(),
        duration_ns: trace.duration_ns,
        rows: layout.rows.len() as u64,
        spans,
        events: trace.spans.iter().map(|span| span.events.len() as u64).sum(),
        logs,
        errors: trace.spans.iter().filter(|span| span.status == "error").count() as u64,
        spans_stored: spans,
        logs_stored: logs,
        warnings: trace.warnings.clone(),
        truncated: trace.truncated,
    }
}

fn detail(trace: &Trace, layout: &Layout, item: Item, rows_of_spans: &HashMap<usize, usize>) -> RowDetail {
    match item {
        Item::Span(span) => RowDetail::Span(trace.spans[span].clone()),
        Item::Log(log) => RowDetail::Log(trace.logs[log].clone()),
        Item::Event(span, number) => RowDetail::Event {
            span_id: trace.spans[span].span_id.clone(),
            row: rows_of_spans[&span] as u64,
            number: number as u64,
            event: trace.spans[span].events[number].clone(),
        },
        Item::Gap(gap) => match &layout.gaps[gap] {
            Gap::Missing(id) => RowDetail::Missing { span_id: id.clone() },
            Gap::Cycle => RowDetail::Cycle,
        },
    }
}

fn outline_row(outline: &mut Decoded, detail: &RowDetail, distance: usize, start: i64) {
    let failed = |failed: bool| if failed { Flags::FAILED } else { 0 };
    let above = outline.rows.len() - distance;
    let (service, name, time, duration, flags) = match detail {
        RowDetail::Span(span) => {
            let flags = Flags::new(Sort::Span, 1, failed(span.status == "error"));
            (span.service.clone(), span.name.clone(), span.start, span.duration_ns, flags)
        }
        RowDetail::Log(log) => {
            let flags = Flags::new(Sort::Log, 3, failed(log.severity.as_deref() == Some("error")));
            (log.service.clone(), String::new(), log.time, 0, flags)
        }
        RowDetail::Event { event, .. } => {
            let service = outline.services[outline.rows[above].service as usize].clone();
            let flags = Flags::new(Sort::Event, 0, failed(event.name == "exception"));
            (service, event.name.clone(), event.time, 0, flags)
        }
        RowDetail::Missing { .. } => ("".into(), "".into(), start, 0, Flags::new(Sort::Gap, 0, 0)),
        RowDetail::Cycle => ("".into(), "".into(), start, 0, Flags::new(Sort::Gap, Flags::CYCLE, 0)),
    };
    let number = |table: &mut Vec<String>, text: String| {
        let known = table.iter().position(|known| *known == text);
        known.unwrap_or_else(|| {
            table.push(text);
            table.len() - 1
        })
    };
    outline.rows.push(OutlineRow {
        start: time.saturating_sub(start),
        duration,
        distance: distance as u32,
        service: number(&mut outline.services, service) as u32,
        name: number(&mut outline.names, name) as u32,
        flags,
    });
}

/// What a row shows; numbers are places in the trace's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
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
enum Gap {
    /// The span of this id is named but not stored.
    Missing(String),
    /// The spans below are each other's ancestors.
    Cycle,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    /// What it shows.
    item: Item,
    /// How many rows it hangs under.
    depth: usize,
}

/// All rows of a trace.
#[derive(Debug, Clone, Default)]
struct Layout {
    /// Depth first.
    rows: Vec<Row>,
    /// The gaps among them.
    gaps: Vec<Gap>,
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
fn layout(trace: &Trace) -> Layout {
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
        let mut stack: Vec<(Item, usize)> = self.top.iter().rev().map(|node| (node.item, 0)).collect();
        while let Some((item, depth)) = stack.pop() {
            let mut below = match item {
                Item::Span(span) => std::mem::take(&mut self.children[span]),
                Item::Gap(gap) => std::mem::take(&mut self.orphans[gap]),
                Item::Event(..) | Item::Log(_) => Vec::new(),
            };
            below.sort_by_key(|node| (node.time, node.rank));
            rows.push(Row { item, depth });
            stack.extend(below.iter().rev().map(|node| (node.item, depth + 1)));
        }
        Layout { rows, gaps: self.gaps }
    }
}
