//! Makes a frame of rows as they were read.

use std::collections::HashMap;

use super::{Context, Event, Frame, Key, Kind, NONE, Raw, RawLog, RawSpan};
use super::{EMPTY, FAILED, START};

/// What is logged in one span, in order of time.
type Logs = Vec<(i64, Event)>;

/// Numbers for things in the order in which they are met.
struct Numbers<T> {
    of: HashMap<T, u32>,
    all: Vec<T>,
}

impl<T: Clone + Eq + std::hash::Hash> Numbers<T> {
    fn new() -> Self {
        Self { of: HashMap::new(), all: Vec::new() }
    }

    fn number(&mut self, thing: T) -> u32 {
        let all = &mut self.all;
        *self.of.entry(thing).or_insert_with_key(|thing| {
            all.push(thing.clone());
            all.len() as u32 - 1
        })
    }
}

/// Makes a frame. Rows of one trace and span id are one span: the first in the order of rows stands.
pub(crate) fn build(raw: Raw) -> Frame {
    let raw = renumbered(raw);
    let mut frame = columns(&raw.spans);
    let children = children(&frame);
    times(&mut frame, &children);
    let logs = logs_of_rows(&frame, &raw.logs);
    shapes(&mut frame, &children, logs);
    let Raw { services, instances, versions, names, statements, .. } = raw;
    Frame { services, instances, versions, names, statements, ..frame }
}

/// The same rows with numbers in the order of their texts, and in an order of their own.
fn renumbered(raw: Raw) -> Raw {
    let (services, of_service) = raw.services.sorted();
    let (instances, of_instance) = raw.instances.sorted();
    let (versions, of_version) = raw.versions.sorted();
    let (names, of_name) = raw.names.sorted();
    let (statements, of_statement) = raw.statements.sorted();
    let new = |numbers: &[u32], old: u32| numbers.get(old as usize).copied().unwrap_or(NONE);
    let (mut spans, mut logs) = (raw.spans, raw.logs);
    for span in &mut spans {
        span.service = new(&of_service, span.service);
        span.instance = new(&of_instance, span.instance);
        span.version = new(&of_version, span.version);
        span.name = new(&of_name, span.name);
    }
    for log in &mut logs {
        log.service = new(&of_service, log.service);
        log.statement = new(&of_statement, log.statement);
    }
    spans.sort_unstable_by_key(|span| {
        (span.trace, span.start, span.id, span.duration, span.service, span.name, span.instance)
    });
    logs.sort_unstable_by_key(|log| {
        (log.trace, log.span, log.time, log.service, log.statement, log.is_error)
    });
    logs.dedup();
    Raw { spans, logs, services, instances, versions, names, statements }
}

fn columns(spans: &[RawSpan]) -> Frame {
    let mut frame = Frame::default();
    let mut ids: HashMap<[u8; 8], u32> = HashMap::new();
    let mut parents: Vec<Option<[u8; 8]>> = Vec::with_capacity(spans.len());
    for of_trace in spans.chunk_by(|a, b| a.trace == b.trace) {
        ids.clear();
        let first = frame.len() as u32;
        for span in of_trace {
            let row = frame.len() as u32;
            if *ids.entry(span.id).or_insert(row) != row {
                continue;
            }
            frame.trace.push(frame.traces.len() as u32);
            frame.id.push(span.id);
            frame.start.push(span.start);
            frame.duration.push(span.duration.max(0));
            frame.service.push(span.service);
            frame.instance.push(span.instance);
            frame.version.push(span.version);
            frame.name.push(span.name);
            frame.kind.push(span.kind);
            frame.failed.push(span.failed);
            parents.push(span.parent);
        }
        let end = frame.len() as u32;
        for row in first..end {
            let parent = parents[row as usize].and_then(|id| ids.get(&id).copied());
            frame.parent.push(parent.filter(|parent| *parent != row).unwrap_or(NONE));
        }
        let roots = (first..end).filter(|row| frame.parent[*row as usize] == NONE);
        let began = roots.map(|row| frame.start[row as usize]).min();
        frame.began.push(began.unwrap_or(frame.start[first as usize]));
        frame.rows.push((first, end));
        frame.traces.push(of_trace[0].trace);
    }
    frame
}

/// The children of every row in order of their start.
struct Children {
    rows: Vec<u32>,
    /// Where each row's begin.
    begin: Vec<u32>,
}

impl Children {
    fn of(&self, row: usize) -> &[u32] {
        &self.rows[self.begin[row] as usize..self.begin[row + 1] as usize]
    }
}

fn children(frame: &Frame) -> Children {
    let mut begin = vec![0_u32; frame.len() + 1];
    for parent in frame.parent.iter().filter(|parent| **parent != NONE) {
        begin[*parent as usize + 1] += 1;
    }
    for at in 1..begin.len() {
        begin[at] += begin[at - 1];
    }
    let mut next = begin.clone();
    let mut rows = vec![0_u32; begin[frame.len()] as usize];
    // Rows of a trace are in order of their start, and so are the children.
    for (row, parent) in frame.parent.iter().enumerate().filter(|(_, parent)| **parent != NONE) {
        rows[next[*parent as usize] as usize] = row as u32;
        next[*parent as usize] += 1;
    }
    Children { rows, begin }
}

/// Own times, callees and keys.
fn times(frame: &mut Frame, children: &Children) {
    let count = frame.len();
    frame.own = frame.duration.iter().map(|duration| *duration as f64).collect();
    frame.callee = vec![NONE; count];
    for row in 0..count {
        let below = children.of(row);
        let remote = |child: u32| {
            let child = child as usize;
            frame.service[child] != frame.service[row] || frame.instance[child] != frame.instance[row]
        };
        let callee = below.iter().copied().find(|child| remote(*child));
        frame.callee[row] = callee.unwrap_or(NONE);
        let own = match (below, callee) {
            ([], _) => continue,
            ([only], Some(_)) => frame.duration[row].saturating_sub(frame.duration[*only as usize]),
            _ => frame.duration[row] - covered(frame, row, below, |_| true),
        };
        frame.own[row] = own.max(0) as f64;
    }
    waits(frame, children);
    let mut keys = Numbers::new();
    frame.key = (0..count)
        .map(|row| {
            let (service, name) = (frame.service[row], frame.name[row]);
            keys.number(match frame.callee[row] {
                NONE if frame.kind[row].calls() => Key::Peer(service, name),
                NONE => Key::Own(service, name),
                callee => {
                    Key::Edge(service, name, frame.service[callee as usize], frame.name[callee as usize])
                }
            })
        })
        .collect();
    frame.keys = keys.all;
}

/// How much of a row's time those rows cover that count; they are in order of their start.
fn covered(frame: &Frame, row: usize, rows: &[u32], counts: impl Fn(usize) -> bool) -> i64 {
    let end = |row: usize| frame.start[row].saturating_add(frame.duration[row]);
    let (mut sum, mut until, last) = (0, frame.start[row], end(row));
    for child in rows.iter().map(|child| *child as usize).filter(|child| counts(*child)) {
        let (from, to) = (frame.start[child].max(until), end(child).min(last));
        if to > from {
            sum += to - from;
            until = to;
        }
    }
    sum
}

/// Asynchronous code: while an internal span stands beside a call that began later, it waits.
fn waits(frame: &mut Frame, children: &Children) {
    for row in 0..frame.len() {
        let below = children.of(row);
        let is_call = |row: usize| frame.kind[row] == Kind::Client;
        let calls = below.iter().filter(|child| is_call(**child as usize)).count();
        if calls == 0 || calls == below.len() {
            continue;
        }
        let mut waited = Vec::new();
        for child in below.iter().map(|child| *child as usize) {
            if frame.kind[child] == Kind::Internal {
                let later = |call: usize| is_call(call) && frame.start[call] >= frame.start[child];
                waited.push((child, covered(frame, child, below, later)));
            }
        }
        for (child, waited) in waited {
            if waited > 0 {
                frame.own[child] = (frame.own[child] - waited as f64).max(0.0);
            }
        }
    }
}

/// The logs of each row that has some.
fn logs_of_rows(frame: &Frame, logs: &[RawLog]) -> HashMap<u32, Logs> {
    let traces: HashMap<[u8; 16], u32> = frame.traces.iter().copied().zip(0..).collect();
    let mut found: HashMap<u32, Logs> = HashMap::new();
    for of_trace in logs.chunk_by(|a, b| a.trace == b.trace) {
        let Some(trace) = traces.get(&of_trace[0].trace) else { continue };
        let (first, end) = frame.rows[*trace as usize];
        let rows: HashMap<[u8; 8], u32> = (first..end).map(|row| (frame.id[row as usize], row)).collect();
        for log in of_trace {
            let Some(row) = rows.get(&log.span) else { continue };
            let event = Event::Log(log.service, log.statement, log.is_error);
            found.entry(*row).or_default().push((log.time, event));
        }
    }
    found
}

fn shapes(frame: &mut Frame, children: &Children, mut logs: HashMap<u32, Logs>) {
    let (mut contexts, mut events, mut shapes) = (Numbers::new(), Numbers::new(), Numbers::new());
    for fixed in [Event::Start, Event::Empty, Event::Failed] {
        events.number(fixed);
    }
    for row in 0..frame.len() {
        let caller = match frame.parent[row] {
            NONE => NONE,
            _ if !frame.kind[row].calls() => NONE,
            parent => frame.name[parent as usize],
        };
        let context = Context { service: frame.service[row], name: frame.name[row], caller };
        frame.context.push(contexts.number(context));
        let mut inside: Logs = Vec::new();
        for child in children.of(row).iter().map(|child| *child as usize) {
            let remote = frame.kind[row].calls() && frame.service[child] != frame.service[row];
            let event = match remote {
                true => Event::Callee,
                false => Event::Span(frame.service[child], frame.name[child]),
            };
            inside.push((frame.start[child], event));
        }
        let failed = frame.failed[row];
        let mut shape = |inside: &Logs| {
            let of: Vec<u32> = inside.iter().map(|(_, event)| events.number(*event)).collect();
            shapes.number(closed(&of, failed))
        };
        let bare = shape(&inside);
        let written = logs.remove(&(row as u32));
        frame.has_log.push(written.is_some());
        let whole = written.map_or(bare, |written| {
            inside.extend(written);
            // Of one time the statement comes first: it was written before the call.
            inside.sort_by_key(|(time, event)| (*time, !matches!(event, Event::Log(..))));
            shape(&inside)
        });
        frame.bare.push(bare);
        frame.shape.push(whole);
    }
    frame.contexts = contexts.all;
    frame.events = events.all;
    frame.shapes = shapes.all;
}

/// A shape with its first and last events. What repeats directly stands once.
fn closed(inside: &[u32], failed: bool) -> Box<[u32]> {
    let mut shape = vec![START];
    for event in inside {
        if shape.last() != Some(event) {
            shape.push(*event);
        }
    }
    if shape.len() == 1 {
        shape.push(EMPTY);
    }
    if failed {
        shape.push(FAILED);
    }
    shape.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::super::Service;
    use super::*;

    /// A span of a trace: id, parent, start, duration, service, name, kind.
    type Row = (u8, u8, i64, i64, &'static str, &'static str, Kind);

    fn raw(rows: &[Row], logs: &[(u8, i64, &str)]) -> Raw {
        let mut raw = Raw::default();
        let (instance, version) = (raw.instances.number(String::new()), raw.versions.number(String::new()));
        for (id, parent, start, duration, service, name, kind) in rows {
            let service = Service { name: (*service).to_owned(), ..Service::default() };
            let service = raw.services.number(service);
            let name = raw.names.number((*name).to_owned());
            raw.spans.push(RawSpan {
                trace: [1; 16],
                id: [*id; 8],
                parent: (*parent > 0).then_some([*parent; 8]),
                start: *start,
                duration: *duration,
                service,
                instance,
                version,
                name,
                kind: *kind,
                failed: false,
            });
        }
        for (span, time, text) in logs {
            let statement = raw.statements.number((*text).to_owned());
            let (trace, span, time, is_error) = ([1; 16], [*span; 8], *time, false);
            raw.logs.push(RawLog { trace, span, time, service: 0, statement, is_error });
        }
        raw
    }

    #[test]
    fn own_time_is_what_no_child_covers() {
        use Kind::{Client, Internal, Server};
        let rows: [Row; 6] = [
            (1, 0, 0, 100, "front", "GET /", Server),
            (2, 1, 10, 30, "front", "render", Internal),
            (3, 1, 20, 40, "front", "call", Client),
            // Its clock is far off; the call's own time is the difference of the durations.
            (4, 3, 900, 25, "cart", "GET /cart", Server),
            (5, 1, 70, 10, "front", "SELECT", Client),
            // Repeated: what came first stands.
            (5, 1, 75, 90, "front", "SELECT", Client),
        ];
        let frame = build(raw(&rows, &[(1, 5, "begin"), (1, 95, "end")]));
        let names: Vec<&str> = frame.name.iter().map(|name| frame.name_text(*name)).collect();
        assert_eq!(names, ["GET /", "render", "call", "SELECT", "GET /cart"]);
        // Covered from 10 to 60 and from 70 to 80; render waits for the call from 20 on.
        assert_eq!(frame.own, [40.0, 10.0, 15.0, 10.0, 25.0]);
        assert!(matches!(frame.keys[frame.key[2] as usize], Key::Edge(..)));
        assert!(matches!(frame.keys[frame.key[3] as usize], Key::Peer(..)));
        assert_eq!(frame.shapes[frame.shape[0] as usize].len(), 6);
        assert_eq!(frame.shapes[frame.bare[0] as usize].len(), 4);
        assert_eq!(frame.shapes[frame.shape[3] as usize].as_ref(), [START, EMPTY]);
        assert_eq!(frame.above(4).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn a_frame_does_not_depend_on_the_order_of_rows() {
        use Kind::{Internal, Server};
        let rows: [Row; 4] = [
            (1, 0, 0, 9, "b", "x", Server),
            (2, 1, 1, 3, "a", "z", Internal),
            (3, 1, 5, 3, "b", "y", Internal),
            // Its own parent.
            (4, 4, 5, 3, "b", "y", Internal),
        ];
        let mut turned = rows;
        turned.reverse();
        let seen = |rows: &[Row]| {
            let frame = build(raw(rows, &[]));
            format!(
                "{:?}",
                (frame.id, frame.key, frame.keys, frame.shapes, frame.services.texts, frame.parent)
            )
        };
        assert_eq!(seen(&rows), seen(&turned));
    }
}
