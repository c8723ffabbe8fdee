//! Items in order: who hangs under whom, depth first, as bytes.
//!
//! Traces arrive as they please. A span whose parent is not stored stands with its siblings under a gap; spans that are
//! each other's ancestors are cut at the earliest and stand under a gap that says so; of spans that share an id the
//! first has what names it as its parent. Every item is in exactly one row. All walks are loops, so that depth costs
//! memory and never the stack.
//!
//! Siblings are in order of time; at equal times events come first, then logs, then spans, and these as they arrived.
//! Gaps come after everything that has a place: what is certain first.

use bytes::Bytes;
use model::TraceId;

use super::super::work::Memory;
use super::collect::{Collected, Item, NONE, Operation};
use super::{BUILD_ROW_BYTES, Token};
use crate::error::QueryError;
use crate::outline::{END, Encoder, Flags, Head, Row, Sort, TIME_MAX, encode_head};

/// Where children of nobody are found.
const TOP: u32 = 0;
/// Where gaps are found.
const GAPS: u32 = 1;
/// Where the children of the first item are found.
const ITEMS: u32 = 2;

/// What an outline is made of.
pub(super) struct Finished {
    pub(super) head: Head,
    pub(super) pieces: Vec<Bytes>,
    pub(super) sources: Vec<i64>,
    pub(super) flags: Vec<Flags>,
}

/// What is odd about a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    orphans: u64,
    logs_without_span: u64,
    missing: u64,
    early: u64,
    /// The longest time that a span begins before its parent.
    early_ns: i64,
    repeated: u64,
    cycles: u64,
    negative: u64,
    /// Rows that stand further from the start than can be said.
    far: u64,
}

/// Puts what was collected in order.
pub(super) fn finished(
    id: TraceId,
    token: Token,
    mut collected: Collected,
    late: bool,
    memory: &mut Memory,
) -> Result<Finished, QueryError> {
    let mut odd = Oddities::default();
    let before = collected.items.len();
    link(&mut collected, &mut odd);
    cut_rings(&mut collected, &mut odd);
    memory.hold((collected.items.len() - before) * BUILD_ROW_BYTES)?;
    mark(&mut collected.items, &mut odd);
    let order = depth_first(&collected.items);
    let extent = Extent::of(&collected.items);
    odd.far = collected.items.iter().filter(|item| extent.is_far(item)).count() as u64;
    let head = head(id, token, &collected, &odd, &extent, late);
    Ok(written(head, &collected, &order, &extent))
}

/// Finds the parent of each item by its id. What names a span that is not stored goes under a gap.
fn link(collected: &mut Collected, odd: &mut Oddities) {
    let Collected { items, ids, parents, .. } = collected;
    // Of spans that share an id the first in time comes first.
    ids.sort_unstable_by_key(|(id, item)| {
        let item = &items[*item as usize];
        (*id, item.time, item.source)
    });
    parents.sort_unstable();
    for pair in ids.chunk_by(|a, b| a.0 == b.0) {
        for (_, repeated) in &pair[1..] {
            items[*repeated as usize].operation.mark(Flags::REPEATED);
            odd.repeated += 1;
        }
    }
    let mut at = 0;
    for children in parents.chunk_by(|a, b| a.0 == b.0) {
        let id = children[0].0;
        while ids.get(at).is_some_and(|(other, _)| *other < id) {
            at += 1;
        }
        let found = ids.get(at).filter(|(other, _)| *other == id);
        let parent = match found {
            Some((_, parent)) => *parent,
            None => {
                let gap = gap(items, id, children);
                odd.missing += 1;
                gap
            }
        };
        for (_, child) in children {
            let child = &mut items[*child as usize];
            child.parent = parent;
            match child.operation.flags().sort() {
                Sort::Log if found.is_none() => odd.logs_without_span += 1,
                _ if found.is_none() => odd.orphans += 1,
                _ => {}
            }
        }
    }
    // They are large, and not needed any more.
    (*ids, *parents) = Default::default();
}

/// Adds a gap for an id that is not stored, at the time of the first that hangs under it.
fn gap(items: &mut Vec<Item>, id: u64, children: &[(u64, u32)]) -> u32 {
    let first = children.iter().map(|(_, child)| items[*child as usize]).min_by_key(|item| item.time);
    let (time, operation) = first.map_or((0, 0), |item| (item.time, item.operation.number()));
    push_gap(items, time, operation, id as i64, 0)
}

fn push_gap(items: &mut Vec<Item>, time: i64, operation: usize, source: i64, level: u8) -> u32 {
    let operation = Operation::new(operation as u32, Flags::new(Sort::Gap, level, 0));
    items.push(Item { time, duration: 0, source, parent: NONE, operation });
    (items.len() - 1) as u32
}

/// Cuts each ring of parents at its earliest span, which then hangs under a gap.
fn cut_rings(collected: &mut Collected, odd: &mut Oddities) {
    let items = &mut collected.items;
    // Which walk upwards came by first; a walk that meets itself has gone round a ring.
    let mut seen_by = vec![NONE; items.len()];
    for first in 0..seen_by.len() {
        let mut at = first as u32;
        while at != NONE && seen_by.get(at as usize) == Some(&NONE) {
            seen_by[at as usize] = first as u32;
            at = items[at as usize].parent;
        }
        // A gap that was added meanwhile is not in `seen_by`, and above everything.
        if seen_by.get(at as usize) == Some(&(first as u32)) {
            cut(items, at);
            odd.cycles += 1;
        }
    }
}

fn cut(items: &mut Vec<Item>, on_ring: u32) {
    let key = |at: u32| (items[at as usize].time, items[at as usize].source);
    let (mut earliest, mut at) = (on_ring, items[on_ring as usize].parent);
    while at != on_ring {
        if key(at) < key(earliest) {
            earliest = at;
        }
        at = items[at as usize].parent;
    }
    let first = items[earliest as usize];
    let gap = push_gap(items, first.time, first.operation.number(), 0, Flags::CYCLE);
    items[earliest as usize].parent = gap;
}

/// Marks what begins before its parent.
fn mark(items: &mut [Item], odd: &mut Oddities) {
    for at in 0..items.len() {
        let item = items[at];
        let is_span = item.operation.flags().sort() == Sort::Span;
        odd.negative += u64::from(is_span && item.duration < 0);
        let Some(parent) = items.get(item.parent as usize) else { continue };
        if is_span && parent.operation.flags().sort() == Sort::Span && item.time < parent.time {
            odd.early += 1;
            odd.early_ns = odd.early_ns.max(parent.time.saturating_sub(item.time));
            items[at].operation.mark(Flags::EARLY);
        }
    }
}

/// Items depth first, each with the row of its parent or [`NONE`].
fn depth_first(items: &[Item]) -> Vec<(u32, u32)> {
    let (children, firsts) = children(items);
    let below = |key: u32| firsts[key as usize] as usize..firsts[key as usize + 1] as usize;
    let mut order = Vec::with_capacity(items.len());
    for top in [TOP, GAPS] {
        // What is left of the children of each item above, and its row.
        let mut left = vec![(below(top), NONE)];
        while let Some((rest, parent)) = left.last_mut() {
            let Some(child) = rest.next() else {
                left.pop();
                continue;
            };
            let (item, parent) = (children[child], *parent);
            let row = order.len() as u32;
            order.push((item, parent));
            let own = below(item + ITEMS);
            if !own.is_empty() {
                left.push((own, row));
            }
        }
    }
    order
}

/// All items by parent and in order among siblings, and where those of each parent begin.
fn children(items: &[Item]) -> (Vec<u32>, Vec<u32>) {
    let key = |item: &Item| match (item.parent, item.operation.flags().sort()) {
        (NONE, Sort::Gap) => GAPS,
        (NONE, _) => TOP,
        (parent, _) => parent + ITEMS,
    };
    let rank = |item: &Item| match item.operation.flags().sort() {
        Sort::Event => 0u8,
        Sort::Log => 1,
        Sort::Span => 2,
        Sort::Gap => 3,
    };
    let mut firsts = vec![0u32; items.len() + ITEMS as usize + 1];
    let mut sorted: Vec<(u32, i64, u32)> = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        let key = key(item);
        firsts[key as usize + 1] += 1;
        sorted.push((key, item.time, number as u32));
    }
    for at in 1..firsts.len() {
        firsts[at] += firsts[at - 1];
    }
    sorted.sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| {
            let (a, b) = (&items[a.2 as usize], &items[b.2 as usize]);
            (rank(a), a.source).cmp(&(rank(b), b.source))
        })
    });
    (sorted.into_iter().map(|(_, _, number)| number).collect(), firsts)
}

/// The time that a trace takes.
struct Extent {
    start: i64,
    end: i64,
}

impl Extent {
    fn of(items: &[Item]) -> Self {
        let start = items.iter().map(|item| item.time).min().unwrap_or(0);
        let ends = items.iter().map(|item| item.time.saturating_add(item.duration.max(0)));
        Self { start, end: ends.max().unwrap_or(start) }
    }

    /// Nanoseconds from the start, as far as can be said.
    fn offset(&self, time: i64) -> i64 {
        time.saturating_sub(self.start).clamp(0, TIME_MAX)
    }

    fn is_far(&self, item: &Item) -> bool {
        item.time.saturating_sub(self.start) > TIME_MAX || item.duration.unsigned_abs() > TIME_MAX as u64
    }
}

fn written(mut head: Head, collected: &Collected, order: &[(u32, u32)], extent: &Extent) -> Finished {
    let Collected { items, operations, services, names, .. } = collected;
    head.rows = order.len() as u64;
    let mut pieces = vec![Bytes::from(encode_head(&head, services, names))];
    let (mut sources, mut all_flags) = (Vec::with_capacity(order.len()), Vec::with_capacity(order.len()));
    let mut encoder = Encoder::default();
    for (number, (item, parent)) in order.iter().enumerate() {
        let item = &items[*item as usize];
        let (service, name) = operations.get(item.operation.number()).copied().unwrap_or_default();
        let above = order.get(*parent as usize).map(|(above, _)| &items[*above as usize]);
        let flags = item.operation.flags();
        let row = Row {
            start: extent.offset(item.time),
            duration: item.duration.clamp(-TIME_MAX, TIME_MAX),
            distance: if above.is_some() { number as u32 - parent } else { 0 },
            service,
            name,
            flags,
        };
        pieces.extend(encoder.push(row, above.map_or(0, |above| extent.offset(above.time))).map(Bytes::from));
        let is_event = flags.sort() == Sort::Event;
        sources.push(if is_event { item.source << 32 | i64::from(*parent) } else { item.source });
        all_flags.push(flags);
    }
    pieces.extend(encoder.block().map(Bytes::from));
    pieces.push(Bytes::from_static(&END));
    Finished { head, pieces, sources, flags: all_flags }
}

fn head(
    id: TraceId,
    token: Token,
    collected: &Collected,
    odd: &Oddities,
    extent: &Extent,
    late: bool,
) -> Head {
    let count =
        |sort: Sort| collected.items.iter().filter(|item| item.operation.flags().sort() == sort).count();
    let [spans, events, logs] = [Sort::Span, Sort::Event, Sort::Log].map(|sort| count(sort) as u64);
    let is_failed = |item: &&Item| {
        let flags = item.operation.flags();
        flags.sort() == Sort::Span && flags.has(Flags::FAILED)
    };
    let left = [
        ("spans", spans, collected.spans),
        ("logs", logs, collected.logs),
        ("events", events, events + collected.events_left),
    ];
    let truncated = late || left.iter().any(|(_, shown, stored)| shown < stored);
    let mut warnings: Vec<String> = left
        .iter()
        .filter(|(_, shown, stored)| shown < stored)
        .map(|(what, shown, stored)| format!("{shown} of {stored} {what} are shown, as more have no room"))
        .collect();
    if late {
        warnings.push("the time limit passed before everything was read".to_owned());
    }
    warnings.extend(odd.words());
    Head {
        trace_id: id.to_string(),
        outline: token.to_string(),
        start: extent.start.to_string(),
        duration_ns: extent.end.saturating_sub(extent.start).min(TIME_MAX),
        rows: 0,
        spans,
        events,
        logs,
        errors: collected.items.iter().filter(is_failed).count() as u64,
        spans_stored: collected.spans,
        logs_stored: collected.logs,
        warnings,
        truncated,
    }
}

impl Oddities {
    /// What a reader should know, with numbers.
    fn words(&self) -> Vec<String> {
        let are = |count: u64, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let spans = |count: u64| are(count, "span", "spans");
        let mut words = Vec::new();
        if self.orphans > 0 {
            let missing = are(self.missing, "parent missing", "parents missing");
            let have = if self.orphans == 1 { "has" } else { "have" };
            words.push(format!("{} {have} a parent that is not stored ({missing})", spans(self.orphans)));
        }
        if self.logs_without_span > 0 {
            let logs = are(self.logs_without_span, "log names", "logs name");
            words.push(format!("{logs} a span that is not stored"));
        }
        if self.early > 0 {
            let begin = are(self.early, "span begins", "spans begin");
            let by = milliseconds(self.early_ns);
            words.push(format!("{begin} before the parent, by up to {by}: clocks disagree"));
        }
        if self.repeated > 0 {
            let repeat = are(self.repeated, "span repeats", "spans repeat");
            words.push(format!("{repeat} the id of another span"));
        }
        if self.cycles > 0 {
            let rings = are(self.cycles, "ring of spans", "rings of spans");
            words.push(format!("{rings} that are each other's ancestors, cut at the earliest"));
        }
        if self.negative > 0 {
            let end = are(self.negative, "span ends", "spans end");
            words.push(format!("{end} before beginning, as recorded"));
        }
        if self.far > 0 {
            let stand = are(self.far, "row stands", "rows stand");
            words.push(format!("{stand} more than 104 days from the start, and are drawn there"));
        }
        words
    }
}

/// A length of time in milliseconds, as exact as it is short.
fn milliseconds(nanos: i64) -> String {
    let millis = nanos as f64 / 1e6;
    if millis < 0.001 { format!("{nanos} ns") } else { format!("{} ms", (millis * 1000.0).round() / 1000.0) }
}
